import os
import re
import sys


def fail(reason):
    report(reason, async=True)


def size(path):
    sys.stderr.flush()
    return os.stat(path).st_size


def words(text):
    return re.split(r"\s+", text)
