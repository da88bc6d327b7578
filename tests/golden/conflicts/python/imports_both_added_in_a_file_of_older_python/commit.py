import os
import re


def fail(reason):
    report(reason, async=True)


def size(path):
    return os.stat(path).st_size


def words(text):
    return re.split(r"\s+", text)
