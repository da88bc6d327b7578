"""Durations, sizes and money as people write them."""

import re
from decimal import Decimal

MAX_SECONDS = 24 * 3600.0
MAX_SIZE = 1 << 50
MAX_USD = Decimal(1000)

_DURATION = re.compile(r"(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?", re.ASCII)
_SIZE = re.compile(r"(\d{1,12})(Ki|Mi|Gi|Ti|k|M|G|T)?", re.ASCII)
_UNITS = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}
_UNITS |= {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_PLACES = -4


def seconds(text: str) -> float:
    """`1h30m` to 5400.0.

    Raises:
        ValueError: with the sentence to show.
    """
    found = _DURATION.fullmatch(text)
    if found is None or not text:
        raise ValueError("is no duration; write 90s, 45m or 1h30m")
    hours, minutes, rest = (int(part or 0) for part in found.groups())
    total = float(hours * 3600 + minutes * 60 + rest)
    if not 0 < total <= MAX_SECONDS:
        raise ValueError("is out of range; a duration is more than 0s and at most 24h")
    return total


def size(text: str) -> int:
    """`4Gi` to 4294967296 bytes.

    Raises:
        ValueError: with the sentence to show.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError("is no size; write 512Mi or 4Gi")
    total = int(found[1]) * _UNITS[found[2] or ""]
    if not 0 < total <= MAX_SIZE:
        raise ValueError("is out of range; a size is more than 0 and at most 1024Ti")
    return total


def dollars(number: float) -> Decimal:
    """A number as YAML gives it to Decimal, exactly as written.

    Raises:
        ValueError: with the sentence to show.
    """
    amount = Decimal(str(number))
    if not amount.is_finite() or not 0 <= amount <= MAX_USD:
        raise ValueError("is out of range; an amount is 0 to 1000 US dollars")
    if int(amount.normalize().as_tuple().exponent) < _PLACES:
        raise ValueError("has more than four places")
    return amount
