import app


@app.route('/')
def index():
    return 'home'


@app.route('/cart')
@app.signed_in
def cart():
    return app.cart()
