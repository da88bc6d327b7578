import bell
import cart

print(1)
