import os
from shop import bell as chime


def stock() -> dict[str, int]:
    return {}
