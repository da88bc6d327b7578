"""Coverage-guided search of the parts that need no grammar: line and word merge, cutting a result into hunks, keys.

`python -m tests.golden.guided [-runs=N] [-max_total_time=SECONDS] [FOLDER OF INPUTS]`, after `pip install -e
'.[fuzz]'`; the options are libFuzzer's (`-artifact_prefix=/tmp/` keeps
what it finds out of the tree). Not a part of the test run: where the library has no wheel, there is none.
"""

import importlib
import sys
from contextlib import suppress
from itertools import product
from types import FunctionType

from flowforge.core import conflict as conflicts
from flowforge.core.conflict import Conflict, Hunk, fit, parse_segments, splice
from flowforge.core.errors import Refused
from flowforge.merge import documents, lines, tokens
from flowforge.merge.doubt import Doubt
from flowforge.merge.lines import diff3_lines, merge_lines
from flowforge.merge.tokens import lex, merge_tokens
from flowforge.resolve.ladder import climb
from tests.golden.fuzz import conflict_of, registry, rungs
from tests.golden.properties import ACT, problem_in, segments_of

MEASURED = (conflicts, lines, tokens, documents)  # whose branches lead the search
PATHS = ("a.ini", "a.properties", "a.toml", "a.xml", "requirements.txt", "go.mod", "CHANGELOG.md", "a.txt")
_LARGEST = 4096


def once(data: bytes) -> None:
    """One input: the first byte chooses the path, and NUL bytes part base, upstream and commit.

    Raises:
        AssertionError: a property does not hold.
    """
    if not data or len(data) > _LARGEST:
        return
    base, upstream, commit = [*data[1:].split(b"\0", 2), b"", b""][:3]
    _lines(base, upstream, commit)
    _words(base, upstream, commit)
    _cut(base, upstream, commit)
    conflict = conflict_of(PATHS[data[0] % len(PATHS)], base, upstream, commit)
    if conflict.hunks:
        _answered(conflict)


def _lines(base: bytes, upstream: bytes, commit: bytes) -> None:
    """Chunks cover all three texts, and a side that changed nothing lets the other through."""
    chunks = list(diff3_lines(base, upstream, commit))
    assert b"".join(chunk.base for chunk in chunks) == base
    assert b"".join(chunk.upstream for chunk in chunks) == upstream
    assert b"".join(chunk.commit for chunk in chunks) == commit
    assert merge_lines(base, upstream, base) == upstream
    assert merge_lines(base, base, commit) == commit
    assert merge_lines(base, upstream, upstream) == upstream


def _words(base: bytes, upstream: bytes, commit: bytes) -> None:
    for one, two in product((base, upstream), (base, commit)):
        sides = [lex(text) for text in (base, one, two)]
        assert [b"".join(t.lead + t.text for t in side) for side in sides] == [base, one, two]
        try:
            merged = merge_tokens(*sides).text
        except Doubt:
            continue
        if one == base:
            assert merged == two
        elif two == base:
            assert merged == one


def _cut(base: bytes, upstream: bytes, commit: bytes) -> None:
    """What is put into the holes is found there again, or something that makes the same file."""
    segments = segments_of(base, upstream, commit)
    texts = [segment.upstream for segment in segments if isinstance(segment, Hunk)]
    result = splice(segments, texts)
    found = fit(segments, result)
    assert found is not None
    assert splice(segments, found) == result
    with suppress(Refused):
        parse_segments(base, 7)


def _answered(conflict: Conflict) -> None:
    answers = climb([conflict], rungs(), ACT)
    problem = problem_in(answers, registry().languages.values())
    assert not problem, problem


def main() -> None:
    atheris = importlib.import_module("atheris")
    for module in MEASURED:
        for thing in vars(module).values():
            if isinstance(thing, FunctionType) and thing.__module__ == module.__name__:
                atheris.instrument_func(thing)  # in place: its code is exchanged, whoever holds it
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
