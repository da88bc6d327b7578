from basket import add, clear, total

print(add, total)
