import os
import re
import shutil
import sys

print(os, sys)
