import os

limit = 5
def first():
    return 1
def shelf():
    return limit
