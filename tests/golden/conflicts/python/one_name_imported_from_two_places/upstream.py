import os
from shop.cart import Item

print(os)
