from basket import add, clear, total, unused

print(add, total)
