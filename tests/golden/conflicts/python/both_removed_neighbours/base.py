first()
second()
