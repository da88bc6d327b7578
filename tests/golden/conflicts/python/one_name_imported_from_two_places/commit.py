import os
from stock.goods import Item

print(os)
