import os
import shutil
import sys

print(os, sys)
