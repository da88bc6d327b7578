import os

limit = "five"
def shelf():
    return limit
