import app


@app.route('/')
def index():
    return 'home'


@app.route('/stock')
def stock():
    return sum(app.shelves)
