from basket import add, total, unused

print(add, total)
