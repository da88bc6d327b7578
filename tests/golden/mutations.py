"""What the fuzzer does to a text: edits as people make them, and bytes as nobody should.

Every mutation changes a row of lines in place, and takes its chances from the `Random` that it is handed.
"""

import random
import re
from collections.abc import Callable, Sequence

from flowforge.core.conflict import split_lines

Lines = list[bytes]
Mutation = Callable[[random.Random, Lines], None]

_WORD = re.compile(rb"[A-Za-z_]\w*")
_WORDS = (b"x", b"total", b"y,", b"()", b'"s"', b"\xe9", b"=", b"{", b"}", b"#", b"//", b"1.2.4", b"'")


def drop(rng: random.Random, lines: Lines) -> None:
    at = rng.randrange(len(lines))
    del lines[at : at + rng.randint(1, 3)]


def double(rng: random.Random, lines: Lines) -> None:
    at = rng.randrange(len(lines))
    lines.insert(at, lines[rng.randrange(len(lines))])


def swap(rng: random.Random, lines: Lines) -> None:
    one, two = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[two] = lines[two], lines[one]


def indent(rng: random.Random, lines: Lines) -> None:
    at = rng.randrange(len(lines))
    for place in range(at, min(at + 3, len(lines))):
        lines[place] = rng.choice((b"  ", b"\t", b"    ")) + lines[place]


def dedent(rng: random.Random, lines: Lines) -> None:
    at = rng.randrange(len(lines))
    for place in range(at, min(at + 3, len(lines))):
        lines[place] = lines[place].lstrip(b" \t") or b"\n"


def reword(rng: random.Random, lines: Lines) -> None:
    at = rng.randrange(len(lines))
    words = lines[at].split(b" ")
    words[rng.randrange(len(words))] = rng.choice(_WORDS)
    lines[at] = b" ".join(words)


def rename(rng: random.Random, lines: Lines) -> None:
    """Another name for something, everywhere."""
    names = _WORD.findall(lines[rng.randrange(len(lines))])
    if names:
        old, new = rng.choice(names), rng.choice((b"renamed", b"other", b"count"))
        lines[:] = [re.sub(rb"\b" + old + rb"\b", new, line) for line in lines]


def fresh(rng: random.Random, lines: Lines) -> None:
    """A line that stands nowhere else."""
    near = lines[rng.randrange(len(lines))]
    name = b"new%d" % rng.randrange(1000)
    lines.insert(rng.randrange(len(lines) + 1), _WORD.sub(lambda _: name, near, count=1))


def block(rng: random.Random, lines: Lines) -> None:
    """Take a run of lines from elsewhere, as a copied definition would be."""
    start = rng.randrange(len(lines))
    lines[rng.randrange(len(lines)) : 0] = lines[start : start + rng.randint(2, 6)]


def move(rng: random.Random, lines: Lines) -> None:
    start = rng.randrange(len(lines))
    taken = lines[start : start + rng.randint(1, 5)]
    del lines[start : start + len(taken)]
    at = rng.randrange(len(lines) + 1)
    lines[at:at] = taken


def join(rng: random.Random, lines: Lines) -> None:
    at = rng.randrange(len(lines))
    lines[at : at + 2] = [b"".join(line.rstrip(b"\n") for line in lines[at : at + 2]) + b"\n"]


def line_ends(rng: random.Random, lines: Lines) -> None:
    at = rng.randrange(len(lines))
    lines[at:] = [_crlf(line) for line in lines[at : at + 4]] + lines[at + 4 :]


def all_line_ends(_: random.Random, lines: Lines) -> None:
    lines[:] = [_crlf(line) for line in lines]


def _crlf(line: bytes) -> bytes:
    return line.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def chop(_: random.Random, lines: Lines) -> None:
    lines[-1] = lines[-1].rstrip(b"\r\n")


def mark(_: random.Random, lines: Lines) -> None:
    lines[0] = (
        lines[0].removeprefix(b"\xef\xbb\xbf") if lines[0][:1] == b"\xef" else b"\xef\xbb\xbf" + lines[0]
    )


def odd(rng: random.Random, lines: Lines) -> None:
    """Bytes that no text holds, or no UTF-8, or that look like a merge's own marks."""
    at = rng.randrange(len(lines))
    strange = rng.choice(
        (b"\0", b"\xff", b"\xe9t\xe9", b"\r", b"\x0c", b"\xe2\x80\xae", b'"<<<<<<< a"', b"=======")
    )
    place = rng.randrange(len(lines[at]) or 1)
    lines[at] = lines[at][:place] + strange + lines[at][place:]


def empty(_: random.Random, lines: Lines) -> None:
    lines.clear()


COMMON: Sequence[Mutation] = (drop, double, swap, indent, reword, reword, rename, fresh, fresh, block, move)
SELDOM: Sequence[Mutation] = (dedent, join, line_ends, all_line_ends, chop, mark, odd, empty)


def mutate(rng: random.Random, text: bytes) -> bytes:
    lines = split_lines(text)
    for _ in range(rng.randint(1, 4)):
        if lines:
            rng.choice(SELDOM if rng.random() < _SELDOM else COMMON)(rng, lines)
    return b"".join(lines)


_SELDOM = 0.12
