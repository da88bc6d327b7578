app.get('/', () => {
  home();
});

app.get('/cart', () => {
  cart();
});
