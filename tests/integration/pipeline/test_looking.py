"""The file that an answer makes, looked at in real children with every installed validator."""

import pytest

from flowforge.core.conflict import Candidate, Conflict, HunkAnswer, Kind, Version, parse_segments
from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.hooks.manager import Registry
from flowforge.pipeline.looking import FileLook
from flowforge.resolve.answer_shape import Flaw
from flowforge.sandbox.pool import Pool

MERGED = b"""import json


def load(path):
<<<<<<< upstream
    text = path.read_text()
    check(text)
    return json.loads(text)
||||||| base
    text = path.read_text()
    return json.loads(text)
=======
    text = path.read_text("utf-8")
    return json.loads(text)
>>>>>>> commit


def check(text):
    assert text
"""
GOOD = b'    text = path.read_text("utf-8")\n    check(text)\n    return json.loads(text)\n'


def version(text: bytes, path: str) -> Version:
    return Version(path=path, mode="100644", oid="0" * 40, content=text)


def conflict(path: str = "src/load.py", merged: bytes = MERGED) -> Conflict:
    segments = parse_segments(merged, 7)
    sides = [
        b"".join(part if isinstance(part, bytes) else getattr(part, side) for part in segments)
        for side in ("base", "upstream", "commit")
    ]
    base, upstream, commit = (version(side, path) for side in sides)
    return Conflict(
        path=path, kind=Kind.CONTENT, base=base, upstream=upstream, commit=commit, segments=segments
    )


def answered(*texts: bytes) -> Candidate:
    return Candidate(
        answers=tuple(
            HunkAnswer(index=index, text=text, rung="model", rule="merged", why="w", confirmed=False)
            for index, text in enumerate(texts)
        )
    )


@pytest.fixture
def look(registry: Registry, pool: Pool) -> FileLook:
    return FileLook(registry=registry, call=pool.call)


def test_nothing_is_wrong_with_a_good_file(look: FileLook) -> None:
    assert look(conflict(), answered(GOOD)) is None


@pytest.mark.parametrize(
    ("text", "flaw", "says"),
    [
        (GOOD + b"    return (((\n", Flaw.DOES_NOT_PARSE, "break a file"),
        (b"return 1\n", Flaw.FILE_CHECK, "line"),
        (GOOD.replace(b"text =", b"texd ="), Flaw.FILE_CHECK, "text"),
        (GOOD + b"\n\ndef check(text):\n    assert text\n", Flaw.FILE_CHECK, "defined twice"),
        (GOOD + b"    __import__('os')\n", Flaw.FILE_CHECK, "__import__"),
        (GOOD + b"    eval(text)\n", Flaw.FILE_CHECK, "eval"),
        (GOOD + b"    # AKIA" + b"IOSFODNN7" + b"Q3XAMPL\n", Flaw.FILE_CHECK, "AWS"),
        (GOOD + b"<<<<<<< upstream\n>>>>>>> commit\n", Flaw.DOES_NOT_PARSE, ""),
        (GOOD.replace(b"check(text)", b"check(text, 1)"), Flaw.FILE_CHECK, "check"),
    ],
)
def test_what_is_wrong_with_a_file_is_found_and_named(
    look: FileLook, text: bytes, flaw: Flaw, says: str
) -> None:
    problem = look(conflict(), answered(text))
    assert problem is not None
    assert problem.flaw is flaw, problem.sentence
    assert says in problem.sentence
    assert problem.sentence.isprintable()


def test_a_part_of_the_answers_is_only_parsed(look: FileLook) -> None:
    """Names may come with the other hunk; brackets that do not close may not."""
    two = MERGED + MERGED.replace(b"import json\n\n\n", b"\n\n").replace(b"load", b"read").replace(
        b"check", b"look"
    )
    both = conflict(merged=two)
    assert look(both, answered(GOOD.replace(b"text =", b"texd ="))) is None
    broken = look(both, answered(GOOD + b"    return (((\n"))
    assert broken is not None
    assert broken.flaw is Flaw.DOES_NOT_PARSE


def test_a_text_without_a_language_is_looked_at_for_what_every_file_is(look: FileLook) -> None:
    merged = b"a\n<<<<<<< upstream\nb\n||||||| base\n=======\nc\n>>>>>>> commit\n"
    assert look(conflict("notes", merged), answered(b"b\nc\n")) is None
    secret = look(conflict("notes", merged), answered(b"b\nc\nghp_" + b"a1B2c3D4e5F6" * 3 + b"\n"))
    assert secret is not None
    assert secret.flaw is Flaw.FILE_CHECK


def test_what_a_side_had_already_is_not_held_against_an_answer(look: FileLook) -> None:
    """Upstream's own eval stays upstream's."""
    merged = MERGED.replace(b"    check(text)\n", b"    check(text)\n    eval(text)\n")
    assert (
        look(conflict(merged=merged), answered(GOOD.replace(b"    return", b"    eval(text)\n    return")))
        is None
    )


@pytest.mark.parametrize("reason", [Reason.TIMEOUT, Reason.MEMORY_LIMIT, Reason.PLUGIN_FAILED])
def test_a_file_that_could_not_be_looked_at_is_not_taken_for_a_good_one(
    registry: Registry, reason: Reason
) -> None:
    def call(*_args: object, **_more: object) -> object:
        raise Refused(reason, "it took too long")

    problem = FileLook(registry=registry, call=call)(conflict(), answered(GOOD))
    assert problem is not None
    assert problem.flaw is Flaw.FILE_CHECK
    assert "could not be checked" in problem.sentence


@pytest.mark.parametrize("error", [Refused(Reason.CANCELLED, "x"), Temporary(Reason.BUSY, "x", delay=1)])
def test_a_cancelled_job_and_an_outage_go_up(registry: Registry, error: Exception) -> None:
    def call(*_args: object, **_more: object) -> object:
        raise error

    with pytest.raises(type(error)):
        FileLook(registry=registry, call=call)(conflict(), answered(GOOD))
