from shop import Till, Bell, Row, Shelf

print(Till, Bell, Row)
