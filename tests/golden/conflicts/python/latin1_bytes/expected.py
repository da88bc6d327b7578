# -*- coding: latin-1 -*-
def first():
    return "café"


def second():
    return "ü"


def third():
    return "ä"
