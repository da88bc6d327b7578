"""Questions on their way into a row and back, sealed; and what several decisions come to."""

import json
from dataclasses import asdict
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.access import Role
from flowforge.core.decision import AskedFile, AskedHunk, Check, Outlook, Question, QuestionKind, RefMove
from flowforge.core.errors import Broken, Reason
from flowforge.jobs.questions import (
    asked_of,
    asking_of,
    end_of,
    file_rows,
    place,
    question_of,
    seal_edits,
    seal_texts,
    told_of,
)
from flowforge.store.stages import StageRow
from flowforge.vault.envelope import Vault
from tests.unit.jobs.test_relay import JOB as JOB_ROW

ORGANIZATION, JOB, FENCE = UUID(int=1), UUID(int=2), 3


class Keys:
    """Wraps by turning bytes over: enough to see what is sealed."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        return key[::-1]

    def unwrap(self, key: bytes, context: bytes) -> bytes:
        return key[::-1]


VAULT = Vault(Keys())
TEXTS = st.none() | st.binary(max_size=30)
FILES = st.builds(
    AskedFile,
    path=st.text(min_size=1, max_size=10),
    commit=st.just("c" * 40),
    kind=st.just("content"),
    fingerprint=st.text(alphabet="0123456789abcdef", min_size=4, max_size=8),
    open=st.booleans(),
    sentence=st.text(max_size=10),
    protected=st.booleans(),
    hunks=st.lists(st.builds(AskedHunk, rung=st.text(max_size=5)), max_size=2).map(tuple),
    base=TEXTS,
    upstream=TEXTS,
    commit_text=TEXTS,
    result=TEXTS,
)


def row_of(question: Question, **more: Any) -> dict[str, Any]:
    """As the database gives it back: files went through JSON."""
    return {
        "organization": ORGANIZATION,
        "job": JOB,
        "number": 1,
        "fence": FENCE,
        "kind": question.kind.value,
        "stage": "push",
        "again": question.again,
        "sentence": question.sentence,
        "tree": question.tree,
        "files": json.loads(json.dumps(file_rows(question))),
        "sealed_texts": seal_texts(question, place(ORGANIZATION, JOB, "texts", FENCE), VAULT),
        "sealed_edits": None,
        "decision": None,
        "decided_by": None,
        "decided_name": None,
        "work": {"head": "h"},
        "checkpoint": "k",
        "outlook": json.loads(json.dumps(asdict(question.outlook))) if question.outlook else None,
        "who": question.who.name.lower(),
        "last": question.last,
        "expired": False,
        **more,
    }


def edited(question: Question, files: dict[str, str], **more: Any) -> dict[str, Any]:
    row = row_of(question, decision="edit", **more)
    return {**row, "sealed_edits": seal_edits(files, row, VAULT)}


STAGE = StageRow(
    stage="approve",
    result="error",
    reason="decision_needed",
    sentence="s",
    next_action="",
    evidence="",
    outputs={},
    seconds=0.1,
    work={"head": "h"},
    checkpoint="k",
)
OUTLOOK = Outlook(
    target="main",
    upstream="u",
    head="h",
    commits=2,
    moves=(RefMove(ref="refs/heads/topic", old="", new="h"),),
    changed=("a.py", "b.py"),
    changed_count=7,
    checks=(Check(stage="test", result="success", sentence="12 passed"),),
)


@given(
    files=st.lists(FILES, max_size=3),
    outlook=st.none() | st.just(OUTLOOK),
    who=st.sampled_from([Role.USER, Role.MAINTAINER, Role.ADMIN]),
    last=st.booleans(),
)
def test_a_question_comes_back_as_it_was_asked(
    files: list[AskedFile], outlook: Outlook | None, who: Role, last: bool
) -> None:
    question = Question(
        kind=QuestionKind.RESOLVE,
        sentence="s",
        files=tuple(files),
        tree="t",
        again="resolve",
        outlook=outlook,
        who=who,
        last=last,
    )
    assert question_of(row_of(question), VAULT) == question


@pytest.mark.parametrize(("within", "patience"), [(None, 100.0), (30.0, 30.0), (3000.0, 100.0)])
def test_a_stage_may_grant_less_time_than_the_installation_and_never_more(
    within: float | None, patience: float
) -> None:
    question = Question(kind=QuestionKind.APPROVE, sentence="s", files=(), outlook=OUTLOOK, within=within)
    asking = asking_of(question, STAGE, JOB_ROW, VAULT, 100.0, lambda row: {"hidden": sorted(row)})
    assert asking.patience == patience
    assert asking.outlook == {"hidden": sorted(asdict(OUTLOOK))}  # masked as all that is shown


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, None),
        ({"decision": "approve"}, None),
        ({"decision": "edit"}, None),
        ({"decision": "reject"}, Reason.REJECTED),
        ({"expired": True}, Reason.DECISION_EXPIRED),
    ],
)
def test_a_no_and_silence_are_ends(more: dict[str, Any], reason: Reason | None) -> None:
    ending = end_of(row_of(approve(asked("a")), **more))
    assert (ending.reason if ending else None) == reason
    assert end_of(None) is None


def test_without_a_vault_or_once_erased_there_are_no_texts() -> None:
    question = Question(kind=QuestionKind.APPROVE, sentence="s", files=(asked("a"),))
    for found in (
        question_of(row_of(question)),
        question_of({**row_of(question), "sealed_texts": None}, VAULT),
    ):
        assert [file.result for file in found.files] == [None]
        assert [file.path for file in found.files] == ["a"]


def test_a_row_shows_no_text_and_texts_open_for_their_own_asking_only() -> None:
    question = Question(kind=QuestionKind.APPROVE, sentence="s", files=(asked("a", result=b"canary"),))
    row = row_of(question)
    assert b"canary" not in row["sealed_texts"]
    assert "canary" not in json.dumps(row["files"])
    with pytest.raises(Broken):
        question_of({**row, "fence": row["fence"] + 1}, VAULT)
    with pytest.raises(Broken):
        question_of({**row, "job": uuid4()}, VAULT)


def asked(path: str, *, fingerprint: str = "", result: bytes = b"seen", open_: bool = False) -> AskedFile:
    return AskedFile(
        path=path,
        commit="c",
        kind="content",
        fingerprint=fingerprint or path,
        open=open_,
        result=result,
        hunks=(AskedHunk(rung="model", why="w"),),
    )


def approve(*files: AskedFile, tree: str = "t") -> Question:
    return Question(kind=QuestionKind.APPROVE, sentence="s", files=files, tree=tree, again="resolve")


def test_an_approval_is_for_its_tree() -> None:
    rows = [row_of(approve(asked("a"), tree=tree), decision="approve") for tree in ("t1", "t2")]
    told = told_of(rows, VAULT)
    assert told.approved == {"t1", "t2"}
    assert told.agreed == {("push", "t1"), ("push", "t2")}
    assert told.texts == {}


def test_an_edit_keeps_the_other_files_as_the_person_saw_them_but_not_open_ones() -> None:
    question = approve(asked("a"), asked("b"), asked("c", open_=True))
    told = told_of([edited(question, {"a": "mine"})], VAULT)
    assert (told.texts["a"].text, told.texts["a"].by_person) == (b"mine", True)
    assert (told.texts["b"].text, told.texts["b"].by_person) == (b"seen", False)
    assert told.texts["b"].hunks[0].rung == "model"
    assert "c" not in told.texts
    assert told.approved == frozenset()


def test_a_file_of_several_commits_is_edited_in_the_last_of_them() -> None:
    question = approve(asked("a", fingerprint="first"), asked("a", fingerprint="second"))
    told = told_of([edited(question, {"a": "mine"})], VAULT)
    assert told.texts["first"].text == b"seen"
    assert told.texts["second"].text == b"mine"


def test_a_later_decision_overrules_an_earlier_one() -> None:
    question = approve(asked("a"))
    told = told_of([edited(question, {"a": "one"}), edited(question, {"a": "two"})], VAULT)
    assert told.texts["a"].text == b"two"


def test_a_job_goes_on_where_its_last_edit_belongs() -> None:
    resolve = Question(kind=QuestionKind.RESOLVE, sentence="s", files=(asked("a", open_=True),), again="r")
    assert asked_of([]) is None
    assert asked_of([row_of(approve(asked("a")), decision="approve")]) is None
    again = asked_of([edited(approve(asked("a")), {"a": "x"})])
    assert again is not None
    assert (again.stage, again.work) == ("resolve", None)
    here = asked_of([edited(resolve, {"a": "x"}, stage="solve")])
    assert here is not None
    assert (here.stage, here.work, here.checkpoint) == ("solve", {"head": "h"}, "k")
