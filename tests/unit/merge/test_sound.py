"""An answer that breaks a file which parses is none, whoever gave it."""

import pytest

from flowforge.core.conflict import Abstain, Candidate, Conflict, Hunk, HunkAnswer, Kind, Version
from flowforge.core.errors import Broken
from flowforge.hooks.contracts import ResolveContext
from flowforge.merge.sound import ask
from tests.golden.rungs import registry

PYTHON = ResolveContext(language=registry().languages["python"])
UNKNOWN = ResolveContext()


def conflict(*hunks: tuple[bytes, bytes]) -> Conflict:
    """Hunks of (upstream, commit), each followed by a line of its own."""
    version = Version(path="a.py", mode="100644", oid="0" * 40, content=b"")
    segments: list[bytes | Hunk] = [b""]
    for index, (upstream, commit) in enumerate(hunks):
        segments += [Hunk(index=index, base=b"", upstream=upstream, commit=commit), b"z = %d\n" % index]
    return Conflict(
        path="a.py",
        kind=Kind.CONTENT,
        base=version,
        upstream=version,
        commit=version,
        segments=tuple(segments),
    )


def broken(conflict: Conflict, _context: ResolveContext) -> Candidate:
    return said(conflict.hunks[0].index, b"x = (\n")


def twice(conflict: Conflict, _context: ResolveContext) -> Candidate:
    return said(conflict.hunks[0].index, b"a = = 1\nb = 1\nb = = 1\nd = 1\n")


def sound(conflict: Conflict, _context: ResolveContext) -> Candidate:
    return said(conflict.hunks[0].index, b"x = 1\n")


def silent(_conflict: Conflict, _context: ResolveContext) -> Abstain:
    return Abstain(why="too_hard", sentence="it is too hard")


def said(index: int, text: bytes) -> Candidate:
    return Candidate(answers=(HunkAnswer(index=index, text=text, rung="r", rule="r", why="w"),))


@pytest.mark.parametrize(
    ("name", "hunks", "context", "why"),
    [
        ("broken", [(b"a = 1\n", b"b = 1\n")], PYTHON, "does_not_parse"),
        ("broken", [(b"a = (\n", b"b = 1\n")], PYTHON, "does_not_parse"),
        ("broken", [(b"a = (\n", b"b = [\n")], PYTHON, ""),  # it is broken already
        ("twice", [(b"a = = 1\n", b"b = = 1\n")], PYTHON, "does_not_parse"),  # now it would be more so
        ("twice", [(b"a = = 1\nc = = 1\n", b"b = = 1\n")], PYTHON, ""),
        ("broken", [(b"a = 1\n", b"b = 1\n")], UNKNOWN, ""),
        ("sound", [(b"a = 1\n", b"b = 1\n")], PYTHON, ""),
        ("sound", [(b"a = 1\n", b"b = 1\n"), (b"c = (\n", b"d = 1\n")], PYTHON, ""),
        ("broken", [(b"a = 1\n", b"b = 1\n"), (b"c = 1\n", b"d = 1\n")], PYTHON, "does_not_parse"),
        ("silent", [(b"a = 1\n", b"b = 1\n")], PYTHON, "too_hard"),
    ],
)
def test_an_answer_stands_unless_it_breaks_the_file(
    name: str, hunks: list[tuple[bytes, bytes]], context: ResolveContext, why: str
) -> None:
    found = ask(f"{__name__}:{name}", conflict(*hunks), context)
    assert (found.why if isinstance(found, Abstain) else "") == why


def test_a_resolver_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(Broken, match="no_such"):
        ask("no_such:thing", conflict((b"a\n", b"b\n")), PYTHON)
