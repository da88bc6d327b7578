import os
import json


def home():
    path = '/home'
    return json.loads(path)


def size(rows):
    return len(rows)
