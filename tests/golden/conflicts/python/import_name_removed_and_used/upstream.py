from basket import add
print(add(1))
