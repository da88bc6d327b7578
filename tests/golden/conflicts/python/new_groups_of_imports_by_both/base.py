import os

X = os.sep
