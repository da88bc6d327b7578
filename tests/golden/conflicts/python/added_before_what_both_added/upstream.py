import os

from shop.prices import Price

PATH = os.curdir
