import os


def stock() -> dict[str, int]:
    return {}
