import os
from new.shop import Till

print(os, Till)
