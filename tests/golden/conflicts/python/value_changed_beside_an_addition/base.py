import os

limit = 5
def shelf():
    return limit
