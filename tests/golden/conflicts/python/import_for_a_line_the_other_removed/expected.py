import os
import sys
import json


def home():
    path = '/home'
    return json.loads(path)


def size(rows):
    return len(rows) + sys.maxsize
