import os
import re


DEPTH = 3


def shelf():
    return 5
