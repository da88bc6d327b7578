app.get('/', () => {
  home();
});

app.get('/:name', () => {
  named();
});
