import os

import bell
import cart
import till

X = os.sep
