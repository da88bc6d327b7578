# -*- coding: latin-1 -*-
def first():
    return "café"


def third():
    return "ä"
