"""One question of a review through the service: the order of its parts, its money, its answer."""

import itertools
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.core.spend import Budget
from flowforge.hooks.contracts import ModelAnswer
from flowforge.llm.review import Reviewer
from flowforge.review.change import Change
from flowforge.review.findings import Left, Sifted
from flowforge.review.prompt import FILES, review_templates
from flowforge.review.split import Portion
from tests.unit.llm.conftest import ANSWER, JOB, WHO, House, Provider
from tests.unit.review.changes import change, file, portion

PROMPTS = Path(__file__).parents[3] / "config" / "prompts"
TEMPLATES = review_templates({name: (PROMPTS / name).read_text() for name in FILES})
REVIEWS = replace(WHO, job_calls=1000, line="review", line_usd=Decimal("0.50"))
ROW = {
    "path": "src/a.py",
    "start": 3,
    "end": 3,
    "level": "note",
    "category": "bug",
    "message": "It breaks.",
    "why": "",
    "suggestion": "",
}


def said(*rows: dict[str, object], stop: str = "end") -> ModelAnswer:
    return replace(ANSWER, text=json.dumps({"findings": rows or (ROW,)}), stop=stop)


class Desk:
    def __init__(self, *steps: ModelAnswer | BaseException) -> None:
        self.house = House(provider=Provider(*steps))
        self.words = itertools.count()
        self.service = self.house.service

    def ask(self, given: Change | None = None, shows: Portion = (), seconds: float = 60.0) -> Sifted | str:
        reviewer = Reviewer(
            service=self.service,
            templates=TEMPLATES,
            model="m",
            asker=REVIEWS,
            secrets=lambda _text: (),
            draw=lambda: f"delimiter{next(self.words):012d}",
            shared="shared" + "0" * 12,
        )
        return reviewer(given or change(), shows or portion(), seconds)


def test_an_answer_is_sifted_and_booked_as_a_review() -> None:
    desk = Desk(said(ROW, {**ROW, "path": "b.py"}))
    found = desk.ask()
    assert isinstance(found, Sifted)
    assert ([one.message for one in found.kept], found.left) == (["It breaks."], {Left.OTHER_PATH: 1})
    (call,) = desk.house.told
    assert (call.operation, call.asker.line) == ("review", "review")
    request, _deadline = desk.house.provider.asked[0]  # type: ignore[attr-defined]
    assert request.operation == "review"
    assert request.system
    assert request.shared.startswith("In this part")


def test_the_same_change_is_not_paid_twice() -> None:
    desk = Desk(said())
    assert desk.ask() == desk.ask()
    assert [call.cache_hit for call in desk.house.told] == [False, True]
    assert desk.house.told[1].cost == 0


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (said(stop="refusal"), "the model declined to answer"),
        (said(stop="max_tokens"), "the model's answer was not whole"),
        (said(stop="other"), "the model's answer was not whole"),
        (replace(ANSWER, text="Approved!"), "the model's answer could not be used (not_json)"),
        (replace(ANSWER, text=""), "the model's answer could not be used (empty)"),
        (replace(ANSWER, text='{"approved": true}'), "the model's answer could not be used (schema)"),
    ],
)
def test_an_answer_that_is_none_says_why_in_our_words_and_is_not_asked_for_again(
    answer: ModelAnswer, why: str
) -> None:
    desk = Desk(answer)
    assert desk.ask() == why
    assert len(desk.house.told) == 1


def test_its_money_is_a_line_of_the_jobs() -> None:
    desk = Desk(said())
    for number in range(229):  # $0.002 each, and $0.0425 are set aside for one
        desk.ask(change(messages=(f"change {number}",)))
    with pytest.raises(Refused, match="'review of the job'") as caught:
        desk.ask(change(messages=("one more",)))
    assert caught.value.reason is Reason.BUDGET_EXHAUSTED
    budget = desk.house.books.spent(JOB)
    assert budget == Budget(name="job", limit=WHO.job_usd, spent=budget.spent)
    assert budget.spent <= Decimal("0.50")


def test_an_outage_is_the_callers_to_judge() -> None:
    desk = Desk(Temporary(Reason.MODEL_UNAVAILABLE, "away", delay=1.0))
    with pytest.raises(Temporary):
        desk.ask()


def test_a_question_has_no_more_time_than_the_stage() -> None:
    desk = Desk(said())
    desk.ask(seconds=7.0)
    _request, deadline = desk.house.provider.asked[0]  # type: ignore[attr-defined]
    assert deadline == 7.0


def test_a_file_that_holds_the_random_word_is_not_sent() -> None:
    poisoned = file(lines=("shared" + "0" * 12,) * 10)
    desk = Desk(said())
    assert desk.ask(change(poisoned), portion(poisoned)) == "the text holds the word that should set it apart"
    assert desk.house.told == []
