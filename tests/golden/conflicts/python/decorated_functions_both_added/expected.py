import app


@app.route('/')
def index():
    return 'home'


@app.route('/cart')
@app.signed_in
def cart():
    return app.cart()


@app.route('/stock')
def stock():
    return sum(app.shelves)
