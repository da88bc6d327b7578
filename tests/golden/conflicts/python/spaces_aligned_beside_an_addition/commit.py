import os

limit = "five"
def first():
    return 1
def shelf():
    return limit
