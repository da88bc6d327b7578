import os


def fail(reason):
    report(reason, async=True)


def size(path):
    return os.stat(path).st_size
