"""What a person may answer, as tables; whose answer counts is asked of a real Postgres elsewhere."""

from dataclasses import replace
from uuid import uuid4

import pytest

from flowforge.core.access import Principal, Role
from flowforge.core.decision import AskedFile, Question, QuestionKind
from flowforge.core.errors import Reason, Refused
from flowforge.jobs.decide import refuse_approval, refuse_edits, refuse_text


def asked(path: str, *, open_: bool = True, protected: bool = False) -> AskedFile:
    return AskedFile(
        path=path,
        commit="c" * 40,
        kind="content",
        fingerprint=path,
        open=open_,
        protected=protected,
        result=b"text\n",
    )


def question(*files: AskedFile, kind: QuestionKind = QuestionKind.RESOLVE) -> Question:
    return Question(kind=kind, sentence="s", files=files, again="resolve")


def person(role: Role = Role.USER) -> Principal:
    return Principal(organization=uuid4(), user=uuid4(), role=role)


TWO = question(asked("a.py"), asked("b.py", open_=False))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "changes nothing"),
        ({"b.py": "x"}, "'a.py' has no answer yet"),
        ({"a.py": "x", "c.py": "y"}, "'c.py' did not conflict"),
        ({"a.py": "x", "../a.py": "y"}, "did not conflict"),
        ({"a.py": "one\n<<<<<<< mine\n"}, "line 2 of 'a.py' is a conflict marker"),
        ({"a.py": ">>>>>>> theirs"}, "line 1 of 'a.py' is a conflict marker"),
        ({"a.py": "x", "b.py": "||||||| base\n"}, "'b.py' is a conflict marker"),
    ],
)
def test_an_edit_that_cannot_be_put_in_is_refused(files: dict[str, str], words: str) -> None:
    with pytest.raises(Refused, match=words) as refused:
        refuse_edits(TWO, files, person())
    assert refused.value.reason is Reason.INVALID_REQUEST
    assert refused.value.next_action


@pytest.mark.parametrize(
    "files", [{"a.py": ""}, {"a.py": "x\n", "b.py": "y\n"}, {"a.py": "=======\na heading\n"}]
)
def test_a_whole_text_for_what_is_asked_is_taken(files: dict[str, str]) -> None:
    refuse_edits(TWO, files, person())


@pytest.mark.parametrize(("role", "may"), [(Role.USER, False), (Role.MAINTAINER, True), (Role.ADMIN, True)])
def test_a_protected_path_takes_a_maintainer(role: Role, may: bool) -> None:
    guarded = question(asked(".github/ci.yml", protected=True))
    if may:
        refuse_edits(guarded, {".github/ci.yml": "x\n"}, person(role))
        return
    with pytest.raises(Refused, match="only a maintainer") as refused:
        refuse_edits(guarded, {".github/ci.yml": "x\n"}, person(role))
    assert refused.value.reason is Reason.NOT_ALLOWED


def test_what_has_no_answer_cannot_be_approved() -> None:
    with pytest.raises(Refused, match=r"'a.py' has no answer"):
        refuse_approval(TWO, person(Role.ADMIN))
    refuse_approval(question(asked("a.py", open_=False), kind=QuestionKind.APPROVE), person())


YES_OR_NO = Question(kind=QuestionKind.APPROVE, sentence="s", files=(asked("a.py", open_=False),))


@pytest.mark.parametrize("role", [Role.USER, Role.MAINTAINER, Role.ADMIN])
@pytest.mark.parametrize("who", [Role.USER, Role.MAINTAINER, Role.ADMIN])
def test_a_yes_takes_the_role_that_the_stage_names(role: Role, who: Role) -> None:
    wanted = replace(YES_OR_NO, who=who)
    if role >= who:
        refuse_approval(wanted, person(role))
        return
    with pytest.raises(Refused, match=f"takes the role {who.name.lower()}") as refused:
        refuse_approval(wanted, person(role))
    assert refused.value.reason is Reason.NOT_ALLOWED
    assert "reject" in refused.value.next_action


def test_text_is_no_answer_where_a_yes_or_a_no_is_asked_for() -> None:
    with pytest.raises(Refused, match="'approve' asks for a yes or a no") as refused:
        refuse_text(YES_OR_NO, "approve")
    assert refused.value.reason is Reason.INVALID_REQUEST
    assert "push to the branch" in refused.value.next_action
    refuse_text(replace(YES_OR_NO, again="resolve"), "push")
    refuse_text(TWO, "resolve")


def test_many_names_are_cut_short() -> None:
    files = {f"f{n}.py": "x" for n in range(9)} | {"a.py": "x"}
    with pytest.raises(Refused, match="and 4 more"):
        refuse_edits(TWO, files, person())
