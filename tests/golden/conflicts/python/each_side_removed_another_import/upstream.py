import cart
import desk

print(1)
