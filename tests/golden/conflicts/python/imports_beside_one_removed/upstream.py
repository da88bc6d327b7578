import abc
import json

print(abc, 1)
print(json.dumps(1))
