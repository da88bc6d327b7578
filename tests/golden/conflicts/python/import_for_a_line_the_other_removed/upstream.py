import os
import sys


def home():
    path = '/home'
    return path


def size(rows):
    return len(rows) + sys.maxsize
