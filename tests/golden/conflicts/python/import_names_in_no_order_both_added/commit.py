from shop import Till, Bell, Row, Door

print(Till, Bell, Row)
