"""What a person starts from, and how their text is put where the same conflict stands."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.account import Account
from flowforge.core.conflict import (
    Conflict,
    HunkAnswer,
    Kind,
    Unresolved,
    Version,
    WholeAnswer,
    outside_hash,
    parse_segments,
    resolve_whole,
    resolve_with,
    splice,
)
from flowforge.core.decision import (
    AskedHunk,
    GivenText,
    Question,
    QuestionKind,
    Told,
    editable,
    fingerprint,
)
from flowforge.git.replay import Stopped
from flowforge.pipeline.asking import merged_text, open_question, with_told
from flowforge.resolve.ladder import Answers
from flowforge.resolve.policy import Paths

MERGED = (
    b"top\n<<<<<<< up\nu\n||||||| base\nb\n=======\nc\n>>>>>>> commit\nmiddle\n"
    b"<<<<<<< up\nU\n||||||| base\nB\n=======\nC\n>>>>>>> commit\nend\n"
)


def version(text: bytes | None, mode: str = "100644") -> Version:
    return Version(path="a.py", mode=mode, oid="o", content=text)


def conflict(kind: Kind = Kind.CONTENT, **changes: object) -> Conflict:
    values: dict[str, object] = {
        "path": "a.py",
        "kind": kind,
        "base": version(b"top\nb\nmiddle\nB\nend\n"),
        "upstream": version(b"top\nu\nmiddle\nU\nend\n"),
        "commit": version(b"top\nc\nmiddle\nC\nend\n"),
        "segments": parse_segments(MERGED, 7),
        "commit_id": "c" * 40,
    }
    return Conflict(**{**values, **changes})  # type: ignore[arg-type]  # fields of Conflict


def test_answers_that_differ_are_shown_to_whoever_decides() -> None:
    unresolved = Unresolved(
        conflict=conflict(),
        sentence="open",
        tried={"structural": "no", "model": "they differ"},
        accounts={"model": Account(answers=("merged: a", "upstream: b"))},
    )
    question = open_question("s", Answers(unresolved=(unresolved,)), Paths(), "resolve")
    assert question is not None
    assert question.files[0].hunks == (
        AskedHunk(rung="structural", why="no"),
        AskedHunk(rung="model", why="they differ"),
        AskedHunk(rung="model", rule="answer 1", why="merged: a"),
        AskedHunk(rung="model", rule="answer 2", why="upstream: b"),
    )


def stopped(*conflicts: Conflict) -> Stopped:
    return Stopped(commit="c" * 40, subject="s", tree="t" * 40, conflicts=conflicts)


def told(one: Conflict, text: bytes, *, by_person: bool = True, hunks: tuple[AskedHunk, ...] = ()) -> Told:
    return Told(texts={fingerprint(one): GivenText(text=text, by_person=by_person, hunks=hunks)})


def test_a_person_starts_from_gits_merge_with_short_markers() -> None:
    text = merged_text(conflict())
    assert text is not None
    assert text.startswith(b"top\n<<<<<<< upstream\nu\n||||||| base\nb\n=======\nc\n>>>>>>> commit\nmiddle\n")
    assert text.endswith(b"end\n")


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (conflict(Kind.MODIFY_DELETE, segments=(), upstream=None), b"top\nc\nmiddle\nC\nend\n"),
        (conflict(Kind.MODIFY_DELETE, segments=(), commit=None), b"top\nu\nmiddle\nU\nend\n"),
        (conflict(Kind.MODIFY_DELETE, segments=(), commit=None, upstream=version(b"x", "120000")), None),
        (conflict(Kind.BINARY, segments=()), None),
        (conflict(Kind.RENAME_RENAME, segments=()), None),
        (conflict(Kind.SUBMODULE, segments=()), None),
    ],
)
def test_what_text_cannot_answer_has_none_to_start_from(one: Conflict, text: bytes | None) -> None:
    assert merged_text(one) == text


def test_a_text_that_keeps_the_rest_is_proven_hunk_by_hunk() -> None:
    one = conflict()
    (resolution,) = with_told(stopped(one), told(one, b"top\nmine\nmiddle\nmine too\nend\n"))
    assert [(answer.text, answer.rung) for answer in resolution.answers] == [
        (b"mine\n", "person"),
        (b"mine too\n", "person"),
    ]
    assert resolution.outside == outside_hash(one.segments)


def test_a_text_that_changes_the_rest_is_the_persons_whole_file() -> None:
    one = conflict()
    (resolution,) = with_told(stopped(one), told(one, b"all of it is mine\n"))
    assert resolution.result == b"all of it is mine\n"
    assert (resolution.conflict, resolution.answers, resolution.taken) == (one, (), "text")
    assert [(answer.rung, answer.rule) for answer in resolution.given] == [("person", "whole file")]


def test_a_whole_answer_that_a_person_saw_keeps_its_rung() -> None:
    one = conflict()
    seen = AskedHunk(rung="lockfile", rule="made anew", why="the tool wrote it")
    (resolution,) = with_told(stopped(one), told(one, b"all anew\n", by_person=False, hunks=(seen,)))
    assert [(a.rung, a.rule, a.why) for a in resolution.given] == [
        ("lockfile", "made anew", "the tool wrote it")
    ]
    assert resolution.result == b"all anew\n"


def test_an_answer_that_a_person_saw_keeps_its_rungs() -> None:
    one = conflict()
    seen = (AskedHunk(rung="model", rule="r", why="w"), AskedHunk(rung="mechanical", why="v"))
    given_ = told(one, b"top\n1\nmiddle\n2\nend\n", by_person=False, hunks=seen)
    (resolution,) = with_told(stopped(one), given_)
    assert [(a.text, a.rung, a.why) for a in resolution.answers] == [
        (b"1\n", "model", "w"),
        (b"2\n", "mechanical", "v"),
    ]
    assert all(answer.confirmed for answer in resolution.answers)


def test_a_file_that_one_side_deleted_keeps_the_mode_of_what_is_left() -> None:
    one = conflict(Kind.MODIFY_DELETE, segments=(), upstream=None, commit=version(b"c\n", "100755"))
    (resolution,) = with_told(stopped(one), told(one, b"kept\n"))
    assert resolution.whole is not None
    assert (resolution.result, resolution.whole.mode) == (b"kept\n", "100755")


def test_what_was_told_about_another_conflict_is_not_put_in() -> None:
    one = conflict()
    for other in (
        conflict(path="b.py"),
        conflict(commit_id="d" * 40),
        conflict(upstream=version(b"moved on\n")),
        conflict(base=None),
    ):
        assert with_told(stopped(one), told(other, b"x\n")) == ()


@given(text=st.binary(max_size=60))
def test_whatever_a_person_writes_is_the_result(text: bytes) -> None:
    one = conflict()
    (resolution,) = with_told(stopped(one), told(one, text))
    assert resolution.result == text
    if resolution.whole is None:
        assert splice(one.segments, [answer.text for answer in resolution.answers]) == text


def question_of(*open_: Conflict, answered: Conflict | None = None) -> Question | None:
    resolved = ()
    if answered is not None:
        answers = [
            HunkAnswer(index=hunk.index, text=b"x\n", rung="model", rule="r", why="w")
            for hunk in answered.hunks
        ]
        resolved = (resolve_with(answered, answers),)
    unresolved = tuple(
        Unresolved(conflict=one, sentence=f"{one.path} is open", tried={"structural": "no"}) for one in open_
    )
    return open_question("why", Answers(resolutions=resolved, unresolved=unresolved), Paths(), "resolve")


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        ({"text": b"anew\n"}, b"anew\n"),
        ({"version": version(b"top\nu\nmiddle\nU\nend\n")}, b"top\nu\nmiddle\nU\nend\n"),
        ({}, None),
    ],
)
def test_a_whole_answer_is_shown_with_its_text_where_it_is_one(
    more: dict[str, Any], shown: bytes | None
) -> None:
    answer = WholeAnswer(path="a.py", rung="r", rule="a rule", why="so it is", **more)
    answers = Answers(
        resolutions=(resolve_whole(conflict(), answer),),
        unresolved=(Unresolved(conflict=conflict(path="b.py"), sentence="open"),),
    )
    question = open_question("why", answers, Paths(), "resolve")
    assert question is not None
    assert (question.files[1].result, question.files[1].open) == (shown, False)
    assert question.files[1].hunks == (AskedHunk(rung="r", rule="a rule", why="so it is"),)


def test_a_link_or_another_name_is_no_text_to_edit() -> None:
    link = version(b"there", "120000")
    named = Version(path="b.py", mode="100644", oid="o", content=b"x\n")
    for version_, path in ((link, "a.py"), (named, "b.py")):
        one = conflict(Kind.OTHER, segments=(), upstream=version_)
        answer = WholeAnswer(path=path, rung="r", rule="r", why="w", version=version_, mode=version_.mode)
        question = open_question(
            "why", Answers(resolutions=(resolve_whole(one, answer),)), Paths(), "resolve"
        )
        assert question is not None
        assert question.files[0].result is None


def test_a_question_shows_open_files_first_and_what_was_answered_beside_them() -> None:
    question = question_of(conflict(), answered=conflict(path="b.py"))
    assert question is not None
    assert (question.kind, question.again) == (QuestionKind.RESOLVE, "resolve")
    first, second = question.files
    assert (first.path, first.open, first.sentence) == ("a.py", True, "a.py is open")
    assert first.hunks == (AskedHunk(rung="structural", why="no"),)
    assert (second.path, second.open, second.result) == ("b.py", False, b"top\nx\nmiddle\nx\nend\n")


def test_a_conflict_that_no_text_can_answer_is_not_asked_about() -> None:
    assert question_of(conflict(), conflict(Kind.RENAME_RENAME, path="b.py", segments=())) is None


def test_a_protected_path_is_marked() -> None:
    question = question_of(conflict(path=".github/ci.yml"), answered=conflict(path="src/x.py"))
    assert question is not None
    assert [file.protected for file in question.files] == [True, False]


def test_a_file_too_large_to_keep_cannot_be_asked_about() -> None:
    large = conflict(Kind.MODIFY_DELETE, segments=(), upstream=None, commit=version(b"x" * (1 << 18) + b"y"))
    assert question_of(large) is None
    assert editable([])
