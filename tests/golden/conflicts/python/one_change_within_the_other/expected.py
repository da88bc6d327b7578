import os
import re


DEPTH = 3


def row():
    return DEPTH


def shelf():
    return 5
