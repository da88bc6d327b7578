from basket import add, remove, total

print(add, total)
