"""How an answer is judged by what people committed, and what the counts make of it."""

import pytest

from flowforge.core.conflict import Abstain, Candidate, Conflict, Hunk, HunkAnswer, Kind, Version
from flowforge.resolve.equality import Equal, compare
from flowforge.resolve.kinds import FileKind, kind_of
from flowforge.resolve.ladder import Rung, climb
from flowforge.resolve.policy import Action, Paths, Policy
from flowforge.resolve.replay import (
    COSTS,
    Case,
    Outcome,
    Row,
    by_rung,
    counts,
    judged,
    tally,
    times,
    took_side,
)
from flowforge.resolve.rungs import language_of
from tests.golden.rungs import registry

PYTHON = registry().languages["python"]


MARKED = b'x = """\n' + b"<" * 7 + b" a\n" + b">" * 7 + b' b\n"""\n'


def version(text: bytes) -> Version:
    return Version(path="a.py", mode="100644", oid="0" * 40, content=text)


def case(human: bytes | None, base: bytes = b"x = 1\n", upstream: bytes = b"x = 2\n") -> Case:
    commit = b"x = 3\n"
    conflict = Conflict(
        path="a.py",
        kind=Kind.CONTENT,
        base=version(base),
        upstream=version(upstream),
        commit=version(commit),
        segments=(b"", Hunk(index=0, base=base, upstream=upstream, commit=commit), b""),
    )
    return Case(merge="m", date=0, conflict=conflict, human=human, language=PYTHON)


def row(asked: Case, text: bytes | None, action: Action = Action.ACT) -> Row:
    def ask(_conflict: Conflict) -> Candidate | Abstain:
        if text is None:
            return Abstain(why="too_hard", sentence="it is too hard")
        return Candidate(answers=(HunkAnswer(index=0, text=text, rung="structural", rule="r", why="w"),))

    rung = Rung(name="structural", resolver="structural", ask=ask)
    policy = Policy(actions={"structural": action}, paths=Paths(protected=()))
    return judged(asked, climb([asked.conflict], [rung], policy), 2.0)


@pytest.mark.parametrize(
    ("result", "human", "equal"),
    [
        (b"a\nb\n", b"a\nb\n", Equal.EXACT),
        (b"a\n\nb\n", b"a\n  b\n", Equal.WHITESPACE),
        (b"a\nb", b"a\nb\n", Equal.WHITESPACE),
        (b"b\na\n", b"a\nb\n", Equal.ORDER),
        (b"a\na\nb\n", b"a\nb\n", Equal.DIFFERENT),
        (b"a\n", b"a = 1\n", Equal.DIFFERENT),
        (b"a b\n", b"a  b\n", Equal.DIFFERENT),
        (b"", b"\n", Equal.WHITESPACE),
    ],
)
def test_an_answer_is_equal_exactly_or_but_for_whitespace_or_order(
    result: bytes, human: bytes, equal: Equal
) -> None:
    assert compare(result, human) is equal


@pytest.mark.parametrize(
    ("human", "side"),
    [(b"x = 2\n", "upstream"), (b"x = 3\n", "commit"), (b"x = 1\n", "base"), (b"x = 5\n", ""), (None, "")],
)
def test_whose_version_people_took(human: bytes | None, side: str) -> None:
    assert took_side(case(human)) == side


@pytest.mark.parametrize(
    ("human", "upstream", "judged_"),
    [
        (b"x = 2\n", b"x = 2\n", True),
        (None, b"x = 2\n", False),
        (b"x = (\n", b"x = 2\n", False),  # an accident of people, as both sides parse
        (b"x = (\n", b"x = [\n", True),  # it did not parse before either
        (MARKED, b"x = 2\n", False),  # markers by accident
        (MARKED, MARKED, True),  # a text about markers
    ],
)
def test_a_text_of_people_that_does_not_parse_is_not_judged_by(
    human: bytes | None, upstream: bytes, judged_: bool
) -> None:
    assert counts(case(human, upstream=upstream)) is judged_


@pytest.mark.parametrize(
    ("text", "action", "outcome", "equal"),
    [
        (b"x = 4\n", Action.ACT, Outcome.RESOLVED, Equal.EXACT),
        (b"x = 4\n", Action.CONFIRM, Outcome.PROPOSED, Equal.EXACT),
        (b"x = 9\n", Action.ACT, Outcome.RESOLVED, Equal.DIFFERENT),
        (b"x = 4\n", Action.OFF, Outcome.HANDED_BACK, None),
        (None, Action.ACT, Outcome.HANDED_BACK, None),
    ],
)
def test_a_row_tells_what_became_of_a_case(
    text: bytes | None, action: Action, outcome: Outcome, equal: Equal | None
) -> None:
    found = row(case(b"x = 4\n"), text, action)
    assert (found.outcome, found.equal) == (outcome, equal)
    assert found.right is (equal is Equal.EXACT)
    assert found.reason == {None: "too_hard"}.get(text, "off" if action is Action.OFF else "")
    assert found.rungs == (("structural",) if equal else ())
    assert found.parses is (True if equal else None)


@pytest.mark.parametrize(("upstream", "parses"), [(b"x = 2\n", False), (b"x = [\n", None)])
def test_an_answer_that_does_not_parse_is_told_where_both_sides_did(
    upstream: bytes, parses: bool | None
) -> None:
    assert row(case(b"x = 4\n", upstream=upstream), b"x = (\n").parses is parses


def test_costs_weigh_a_wrong_answer_against_a_hand_back() -> None:
    rows = [row(case(b"x = 4\n"), text) for text in (b"x = 4\n", b"x = 4\n", b"x = 9\n", None)]
    rows.append(row(case(b"x = 4\n"), b"x = 4\n", Action.CONFIRM))
    counted = tally(rows)
    assert (counted.cases, counted.answered, counted.right) == (5, 3, 2)
    assert counted.precision == pytest.approx(2 / 3)
    assert [counted.cost(k) for k in COSTS] == pytest.approx([(2 + k) / 5 for k in COSTS])
    both = tally(rows, (Outcome.RESOLVED, Outcome.PROPOSED))
    assert (both.answered, both.right) == (4, 3)


def test_no_cases_cost_as_much_as_doing_all_by_hand() -> None:
    counted = tally([])
    assert (counted.cost(10), counted.coverage, counted.precision) == (1.0, 0.0, None)
    assert times([]).worst == 0.0


def test_each_rung_is_counted_over_what_it_answered() -> None:
    rows = [row(case(b"x = 4\n"), text) for text in (b"x = 4\n", b"x = 9\n", None)]
    (counted,) = by_rung(rows).values()
    assert (counted.answered, counted.right) == (2, 1)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a/b.py", FileKind.SOURCE),
        ("web/package.json", FileKind.MANIFEST),
        ("web/package-lock.json", FileKind.LOCKFILE),
        ("poetry.lock", FileKind.LOCKFILE),
        ("go.mod", FileKind.MANIFEST),
        ("go.sum", FileKind.LOCKFILE),
        ("requirements/dev.txt", FileKind.MANIFEST),
        ("CHANGES.rst", FileKind.CHANGELOG),
        ("CHANGELOG.md", FileKind.CHANGELOG),
        ("HISTORY", FileKind.CHANGELOG),
        ("docs/changelog.md", FileKind.CHANGELOG),
        ("changes.py", FileKind.SOURCE),
        ("a.json", FileKind.DOCUMENT),
        ("README.md", FileKind.DOCUMENT),
        ("image.bin", FileKind.OTHER),
    ],
)
def test_a_path_is_of_one_kind(path: str, kind: FileKind) -> None:
    assert kind_of(path, language_of(path, registry().languages.values())) is kind
