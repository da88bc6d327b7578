import os
from old.shop import Till
from bell import ring

print(os, Till)
