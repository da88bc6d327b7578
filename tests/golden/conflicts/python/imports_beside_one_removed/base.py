import abc
import os

print(abc, 1)
