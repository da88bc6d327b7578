import abc
import json
import sys

print(abc, 1)
print(json.dumps(1))
