import os
from old.shop import Till

print(os, Till)
