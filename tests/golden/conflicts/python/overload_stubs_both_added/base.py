from typing import overload


@overload
def get(key: int) -> int: ...
