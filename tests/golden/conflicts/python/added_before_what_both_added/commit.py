import os

from shop.goods import Goods
from shop.prices import Price

PATH = os.curdir
