from shop import Bell, Till, Vault

print(Bell, Till)
