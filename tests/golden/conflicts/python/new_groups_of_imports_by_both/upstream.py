import os

import bell
import till

X = os.sep
