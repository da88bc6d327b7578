import os

import cart

X = os.sep
