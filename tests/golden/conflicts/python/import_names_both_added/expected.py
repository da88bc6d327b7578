from basket import add, clear, remove, total

print(add, total)
