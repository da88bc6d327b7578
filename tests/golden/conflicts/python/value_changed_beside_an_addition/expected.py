import os

limit = 7
def first():
    return 1
def shelf():
    return limit
