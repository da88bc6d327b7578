"""Public counts: each repository by itself, so that the one that is measured does not speak for itself."""

import pytest

from flowforge.resolve.counts import Action, Counts, earned
from flowforge.resolve.kinds import FileKind
from flowforge.resolve.priors import AGREED, CERTAIN, MOST_OF_ONE, priors_from, shipped_priors
from flowforge.resolve.public import Measured, Public, measured, read_measured, write_measured

WORDS = "structural/words apart"


def public(name: str, right: int, total: int, kind: str = "source", root: str = "") -> Public:
    return Public(
        name=name,
        day="2026-01-02",
        head="e" * 40,
        roots=(root or name,),
        files=total,
        counts={(WORDS, kind): Counts(right=right, total=total)},
    )


BOTH = Measured(repositories=(public("one/a", 90, 100), public("two/b", 10, 100, "manifest")))


def test_repositories_are_added_up() -> None:
    few = Measured(repositories=(public("one/a", 9, 10), public("two/b", 10, 20, "manifest")))
    assert priors_from(few, ()).by_rule == {WORDS: Counts(right=19, total=30)}


def test_one_repository_with_many_cases_does_not_speak_for_all() -> None:
    heard = priors_from(BOTH, ())
    assert heard.by_rule[WORDS].total == 2 * MOST_OF_ONE
    assert heard.by_kind[WORDS, "source"] == Counts(right=45, total=50)
    assert heard.by_rule[WORDS].right == pytest.approx(50)


def test_the_repository_that_is_measured_is_left_out_and_named() -> None:
    found = priors_from(BOTH, ("one/a", "another"))
    assert found.by_rule == {WORDS: Counts(right=5, total=50)}
    assert found.left_out == ("one/a",)


def test_a_kind_with_many_cases_speaks_for_itself_and_one_without_any_as_the_rule_does() -> None:
    found = priors_from(BOTH, ())
    source, other = found.of(WORDS, "source"), found.of(WORDS, "other")
    assert source.precision == pytest.approx(0.79, abs=0.01)
    assert other.precision == pytest.approx(0.5, abs=0.01)
    assert found.of("nobody/knows", "source") == Counts(right=0, total=0)


def test_a_rule_that_few_cases_are_known_of_is_not_judged_by_them() -> None:
    few = Measured(repositories=(public("one/a", 0, 1),))
    prior = priors_from(few, ()).of(WORDS, "source")
    assert prior == Counts(right=0, total=2)
    assert earned(prior, Counts(right=2, total=4)) is Action.CONFIRM
    assert earned(prior, Counts(right=0, total=30)) is Action.OFF


def test_what_was_written_is_read_back() -> None:
    text = write_measured(BOTH)
    assert read_measured(text) == BOTH
    assert write_measured(read_measured(text)) == text
    assert BOTH.day == "2026-01-02"


def test_nothing_measured_is_nothing_known() -> None:
    found = priors_from(Measured(repositories=()), ())
    assert (found.by_rule, found.day) == ({}, "")
    assert found.actions() == dict.fromkeys((*CERTAIN, *AGREED), Action.ACT)


def test_what_is_certain_acts_whatever_is_counted() -> None:
    bad = Measured(
        repositories=(
            Public(
                name="a/b",
                day="2026-01-01",
                head="",
                roots=(),
                files=1,
                counts={(CERTAIN[0], "other"): Counts(right=0, total=99)},
            ),
        )
    )
    assert priors_from(bad, ()).actions()[CERTAIN[0]] is Action.ACT


def test_the_shipped_counts_are_counts_of_several_repositories() -> None:
    shipped = measured().repositories
    assert len(shipped) >= 8
    assert len({one.name for one in shipped}) == len(shipped)
    for one in shipped:
        assert one.roots
        assert len(one.head) == 40
        assert all(0 <= counted.right <= counted.total for counted in one.counts.values())
        assert {kind for _, kind in one.counts} <= set(FileKind)


def test_no_repository_is_told_by_its_own_counts() -> None:
    one = measured().repositories[0]
    apart, every = shipped_priors(one.roots), shipped_priors()
    assert apart.left_out == (one.name,)
    assert {rule for rule, _ in one.counts} <= every.by_rule.keys()
    for rule, counted in apart.by_rule.items():
        assert counted.total <= every.by_rule[rule].total
    assert any(counted != every.by_rule[rule] for rule, counted in apart.by_rule.items())
