"""An answer for a whole path: what it may be, and what it tells."""

from dataclasses import replace
from typing import Any

import pytest

from flowforge.core.conflict import (
    Conflict,
    Kind,
    Version,
    WholeAnswer,
    misfit,
    parse_segments,
    resolve_whole,
)
from flowforge.core.errors import Reason, Refused

BASE = Version(path="a", mode="100644", oid="1" * 40, content=b"base\n")
UPSTREAM = Version(path="b", mode="100644", oid="2" * 40, content=b"up\n")
COMMIT = Version(path="c", mode="100755", oid="3" * 40, content=b"down\n")
LINK = Version(path="a", mode="120000", oid="4" * 40, content=b"there")
CONFLICT = Conflict(
    path="a",
    kind=Kind.RENAME_RENAME,
    base=BASE,
    upstream=UPSTREAM,
    commit=COMMIT,
    places=("a", "b", "c"),
)


def whole(**more: Any) -> WholeAnswer:
    return WholeAnswer(**{"path": "a", "rung": "r", "rule": "rule", "why": "so it is", **more})


@pytest.mark.parametrize(
    ("answer", "taken", "stands_at", "result"),
    [
        (whole(path="b", version=UPSTREAM), "upstream", "b", b"up\n"),
        (whole(path="b", version=COMMIT, mode="100755"), "commit", "b", b"down\n"),
        (whole(version=BASE), "base", "a", b"base\n"),
        (whole(text=b"mine\n"), "text", "a", b"mine\n"),
        (whole(text=b""), "text", "a", b""),
        (whole(), "removed", "", b""),
    ],
)
def test_a_whole_answer_tells_what_stands_where(
    answer: WholeAnswer, taken: str, stands_at: str, result: bytes
) -> None:
    resolution = resolve_whole(CONFLICT, answer)
    assert (resolution.taken, resolution.stands_at, resolution.result) == (taken, stands_at, result)
    assert (resolution.given, resolution.answers, resolution.outside) == ((answer,), (), "")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (whole(version=BASE, text=b"x"), "both a version and a text"),
        (whole(path="elsewhere"), "no path of this conflict"),
        (whole(path="../a", text=b"x"), "no path of this conflict"),
        (whole(version=replace(BASE, oid="9" * 40)), "a version that no side has"),
        (whole(text=b"x", mode="120000"), "which no side has"),
        (whole(version=BASE, mode="100600"), "which no side has"),
    ],
)
def test_what_no_side_has_is_no_answer(answer: WholeAnswer, problem: str) -> None:
    assert problem in misfit(CONFLICT, answer)
    with pytest.raises(Refused) as refused:
        resolve_whole(CONFLICT, answer)
    assert refused.value.reason is Reason.UNRESOLVED_CONFLICTS
    assert problem in refused.value.sentence


def test_a_link_stays_a_link_and_a_file_a_file() -> None:
    mixed = replace(CONFLICT, commit=LINK)
    assert misfit(mixed, whole(version=LINK, mode="120000")) == ""
    assert "another type" in misfit(mixed, whole(version=LINK, mode="100644"))
    assert "another type" in misfit(mixed, whole(version=BASE, mode="120000"))
    assert "no regular file" in misfit(mixed, whole(text=b"x", mode="120000"))


def test_a_conflict_names_every_path_that_has_to_do_with_it() -> None:
    moved = replace(CONFLICT, path="b", places=("b",))
    assert moved.paths == ("b", "a", "c")
    assert moved.versions == (BASE, UPSTREAM, COMMIT)


def test_one_that_answers_hunks_too_is_told_by_its_hunks() -> None:
    text = b"<<<<<<< u\nu\n||||||| b\nb\n=======\nc\n>>>>>>> c\n"
    conflict = replace(CONFLICT, kind=Kind.CONTENT, segments=parse_segments(text, 7))
    assert (conflict.resolvable, replace(CONFLICT).resolvable) == (True, False)
    assert resolve_whole(conflict, whole(text=b"all anew\n")).result == b"all anew\n"
