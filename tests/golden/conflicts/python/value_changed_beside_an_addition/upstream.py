import os

limit = 7
def shelf():
    return limit
