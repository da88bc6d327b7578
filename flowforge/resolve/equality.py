"""How an answer compares with what people committed. Pure."""

from collections import Counter
from enum import StrEnum

from flowforge.core.conflict import split_lines


class Equal(StrEnum):
    """How an answer compares with what people committed."""

    EXACT = "exact"
    WHITESPACE = "whitespace"  # line-trimmed, blank lines dropped
    ORDER = "order"  # the same lines in another order
    DIFFERENT = "different"


def compare(result: bytes, human: bytes) -> Equal:
    if result == human:
        return Equal.EXACT
    one, two = ([line.strip() for line in split_lines(text) if line.strip()] for text in (result, human))
    if one == two:
        return Equal.WHITESPACE
    return Equal.ORDER if Counter(one) == Counter(two) else Equal.DIFFERENT
