app.get('/', () => {
  home();
});
