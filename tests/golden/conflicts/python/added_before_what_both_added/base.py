import os

PATH = os.curdir
