import bell
import lamp

print(1)
