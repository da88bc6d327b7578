"""Several answers to one question, what a look at the file finds, and what is known of an answer in the end."""

import json
from dataclasses import replace

import pytest

from flowforge.core.conflict import Abstain, Candidate, Conflict
from flowforge.core.spend import Usage
from flowforge.hooks.contracts import ModelAnswer
from flowforge.llm.rung import ModelRung
from flowforge.resolve.answer_shape import Flaw, Problem
from flowforge.resolve.prompt import Facts
from tests.unit.llm.conftest import Provider
from tests.unit.llm.test_rung import ADDED, CONFLICT, HUNK, Rung

ONE = replace(CONFLICT, segments=(b"def f(a):\n", HUNK, b"\n"))
BOTH = "    run(a)\n    log(a)\n    check(a)\n"
OTHER = "    run(a)\n    check(a)\n    log(a)\n"


def said(text: str = BOTH, **values: object) -> ModelAnswer:
    row = {
        "id": 0,
        "action": "merged",
        "text": text,
        "kept": ["a"],
        "dropped": [],
        "why": "w",
        "elsewhere": [],
    }
    return ModelAnswer(
        text=json.dumps({"hunks": [{**row, **values}]}), usage=Usage(input=10, output=5), stop="end"
    )


def asked(
    *answers: ModelAnswer, conflict: Conflict = ONE, **values: object
) -> tuple[Candidate | Abstain, Provider]:
    provider = Provider(*answers)
    rung: ModelRung = replace(Rung(provider).rung, **values)  # type: ignore[arg-type]
    return rung(conflict, Facts()), provider


def test_two_that_agree_are_an_answer_that_says_so() -> None:
    made, provider = asked(said(), said(), candidates=2)
    assert isinstance(made, Candidate)
    assert made.answers[0].account.agreement == "2 of 2 answers agree"
    assert len(provider.asked) == 2


def test_two_that_differ_go_to_a_person_with_both() -> None:
    made, _ = asked(said(), said(OTHER), candidates=2)
    assert isinstance(made, Abstain)
    assert made.why == "no_agreement"
    assert made.account.answers == (f"merged: {BOTH}", f"merged: {OTHER}")


def test_a_second_answer_is_asked_for_anew_and_not_taken_from_store() -> None:
    rung = replace(Rung(Provider(said(), said(OTHER))).rung, candidates=2)
    assert isinstance(rung(ONE, Facts()), Abstain)
    assert isinstance(rung(ONE, Facts()), Abstain)  # both from store now, and still two


def test_each_answer_has_its_own_correction() -> None:
    bad = said("=======\n")
    made, provider = asked(bad, said(), bad, said(), candidates=2)
    assert isinstance(made, Candidate)
    assert len(provider.asked) == 4
    assert made.answers[0].account.findings == ("the text of hunk 0 holds a conflict marker",)


def test_what_is_wrong_with_the_file_is_told_to_the_model() -> None:
    problem = Problem(flaw=Flaw.FILE_CHECK, sentence="with this answer line 3 is wrong")
    looks = [problem, None]
    made, provider = asked(said(OTHER), said(), look=lambda _conflict, _candidate: looks.pop(0))
    assert isinstance(made, Candidate)
    assert problem.sentence in provider.asked[1][0].prompt
    assert made.answers[0].account.findings == (problem.sentence,)


def test_a_file_that_stays_wrong_goes_to_a_person_with_the_finding() -> None:
    problem = Problem(flaw=Flaw.FILE_CHECK, sentence="with this answer line 3 is wrong")
    made, provider = asked(said(), look=lambda _conflict, _candidate: problem)
    assert isinstance(made, Abstain)
    assert (made.why, len(provider.asked)) == ("file_check", 2)
    assert problem.sentence in made.sentence
    assert made.account.findings == (problem.sentence,)


def test_what_is_known_of_an_answer_is_kept_with_it() -> None:
    made, _ = asked(said(elsewhere=["b.py calls it"]))
    assert isinstance(made, Candidate)
    account = made.answers[0].account
    assert (account.kept, account.elsewhere) == (("a",), ("b.py calls it",))
    assert account.model
    assert account.prompt_version
    assert len(account.prompt_hash) == 64
    assert made.answers[0].approval == "it needs edits in other places"


@pytest.mark.parametrize("count", [1, 2])
def test_an_answer_to_one_of_two_hunks_leaves_the_other_open(count: int) -> None:
    two = replace(CONFLICT, segments=(b"def f(a):\n", HUNK, b"\n", ADDED, b""))
    rows = [
        {"id": 0, "action": "merged", "text": BOTH, "kept": [], "dropped": [], "why": "w", "elsewhere": []},
        {"id": 1, "action": "abstain", "text": "", "kept": [], "dropped": [], "why": "?", "elsewhere": []},
    ]
    answer = ModelAnswer(text=json.dumps({"hunks": rows}), usage=Usage(), stop="end")
    made, _ = asked(answer, conflict=two, candidates=count)
    assert isinstance(made, Candidate)
    assert [one.index for one in made.answers] == [0]
    assert [left.why for left in made.left] == ["no_agreement"] * (count - 1)
