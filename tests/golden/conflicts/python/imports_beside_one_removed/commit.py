import abc
import os
import sys

print(abc, 1)
