import os
from new.shop import Till
from bell import ring

print(os, Till)
