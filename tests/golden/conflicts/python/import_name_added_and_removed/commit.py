from basket import add, total

print(add, total)
