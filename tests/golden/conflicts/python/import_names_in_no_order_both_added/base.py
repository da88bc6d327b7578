from shop import Till, Bell, Row

print(Till, Bell, Row)
