from shop import Bell, Till

print(Bell, Till)
