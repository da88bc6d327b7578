"""What several answers to one question come to: agreement is told, disagreement goes to a person."""

import pytest

from flowforge.core.account import Account
from flowforge.core.conflict import Abstain, Candidate, HunkAnswer
from flowforge.llm.agreement import agreed

NONE = Abstain(why="markers", sentence="the model's answer was not accepted: a marker")


def gives(text: str, index: int = 0, approval: str = "") -> Candidate:
    answer = HunkAnswer(
        index=index,
        text=text.encode(),
        rung="model",
        rule="merged",
        why="w",
        confirmed=False,
        approval=approval,
    )
    return Candidate(answers=(answer,))


@pytest.mark.parametrize(
    ("texts", "taken", "agreement"),
    [
        ("aa", "a", "2 of 2 answers agree"),
        ("ab", None, "1 of 2 answers agree"),
        ("aaa", "a", "3 of 3 answers agree"),
        ("aab", None, "2 of 3 answers agree"),  # two are no majority that counts
        ("abb", None, "2 of 3 answers agree"),
        ("aaab", "a", "3 of 4 answers agree"),
        ("aabb", None, "2 of 4 answers agree"),
        ("aaabb", "a", "3 of 5 answers agree"),
        ("ababa", "a", "3 of 5 answers agree"),
        ("baaaa", "a", "4 of 5 answers agree"),
        ("aabbc", None, "2 of 5 answers agree"),
        ("a-", None, "1 of 2 answers agree"),  # "-": no answer
        ("aa-", None, "2 of 3 answers agree"),
        ("aaa--", "a", "3 of 5 answers agree"),
    ],
)
def test_enough_of_them_must_say_the_same(texts: str, taken: str | None, agreement: str) -> None:
    made = agreed([NONE if text == "-" else gives(f"{text}\n") for text in texts], [0])
    if taken is None:
        assert isinstance(made, Abstain)
        assert made.why == "no_agreement"
        assert made.account.agreement == agreement
        assert len(made.account.answers) == len(texts)
    else:
        assert isinstance(made, Candidate)
        (answer,) = made.answers
        assert answer.text == f"{taken}\n".encode()
        assert answer.account.agreement == agreement
        assert answer.why.endswith(agreement)
        assert not answer.confirmed


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a = 1\n", "a = 1  \n", True),
        ("a = 1\n", "a  =  1\n", True),
        ("a\nb\n", "a\n\nb\n", True),
        ("a\r\n", "a\n", True),
        ("if a:\n    b\nc\n", "if a:\n    b\n    c\n", False),  # indentation has a meaning
        ("a\n", "\ta\n", False),
        ("a\n", "b\n", False),
    ],
)
def test_whitespace_that_says_nothing_is_no_difference(one: str, other: str, same: bool) -> None:
    assert isinstance(agreed([gives(one), gives(other)], [0]), Candidate) is same


def test_both_answers_are_shown_and_long_ones_are_cut() -> None:
    made = agreed([gives("a\n"), gives("b" * 1000)], [0])
    assert isinstance(made, Abstain)
    first, second = made.account.answers
    assert first == "merged: a\n"
    assert len(second) < 420


def test_what_was_wrong_with_the_other_answer_is_shown() -> None:
    made = agreed([gives("a\n"), NONE], [0])
    assert isinstance(made, Abstain)
    assert made.account.answers[1] == f"no answer: {NONE.sentence}"


def test_hunks_are_decided_each_for_itself() -> None:
    one = Candidate(answers=(*gives("a\n").answers, *gives("x\n", 1).answers))
    two = Candidate(answers=(*gives("a\n").answers, *gives("y\n", 1).answers))
    made = agreed([one, two], [0, 1])
    assert isinstance(made, Candidate)
    assert [answer.index for answer in made.answers] == [0]
    assert [left.why for left in made.left] == ["no_agreement"]


def test_a_person_is_needed_where_any_of_them_says_so() -> None:
    made = agreed([gives("a\n"), gives("a\n", approval="it gives up a test")], [0])
    assert isinstance(made, Candidate)
    assert made.answers[0].approval == "it gives up a test"


def test_where_none_answers_the_first_reason_stands() -> None:
    assert agreed([NONE, NONE], [0]) == NONE
    assert NONE.account == Account()
