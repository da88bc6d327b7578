import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.resolve.counts import Action, Counts, believed, beta_above, earned
from flowforge.resolve.policy import PROTECTED, Paths, Policy, matches
from flowforge.resolve.priors import AGREED, CERTAIN, shipped_actions, shipped_priors


def binomial_tail(a: int, b: int, x: float) -> float:
    """P(p > x) for Beta(a, b) with whole a, b: the chance of fewer than a successes in a+b-1 trials."""
    n = a + b - 1
    return sum(math.comb(n, i) * x**i * (1 - x) ** (n - i) for i in range(a))


@given(st.integers(1, 60), st.integers(1, 60), st.floats(0.01, 0.99))
def test_the_beta_tail_equals_the_binomial_sum(a: int, b: int, x: float) -> None:
    assert beta_above(a, b, x) == pytest.approx(binomial_tail(a, b, x), abs=1e-9)


@pytest.mark.parametrize(("x", "chance"), [(-1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (2.0, 0.0)])
def test_the_beta_tail_at_its_ends(x: float, chance: float) -> None:
    assert beta_above(2.5, 3.5, x) == chance


@given(st.floats(0.5, 200), st.floats(0.5, 200), st.floats(0.05, 0.95))
def test_the_beta_tail_is_a_chance_and_has_a_mirror(a: float, b: float, x: float) -> None:
    chance = beta_above(a, b, x)
    assert 0 <= chance <= 1 + 1e-9
    assert chance + beta_above(b, a, 1 - x) == pytest.approx(1, abs=1e-7)


GOOD, FAIR, BAD = Counts(right=990, total=1000), Counts(right=75, total=100), Counts(right=20, total=100)
NONE = Counts(right=0, total=0)


@pytest.mark.parametrize(
    ("prior", "own", "action"),
    [
        (GOOD, NONE, Action.ACT),
        (FAIR, NONE, Action.CONFIRM),
        (BAD, NONE, Action.OFF),
        (FAIR, Counts(right=300, total=302), Action.ACT),  # a repository earns a rung
        (GOOD, Counts(right=60, total=100), Action.CONFIRM),  # and loses one
        (GOOD, Counts(right=5, total=100), Action.OFF),
        (NONE, NONE, Action.CONFIRM),  # nothing known: half right, which is neither
    ],
)
def test_a_rung_acts_confirms_or_is_off_by_its_counts(prior: Counts, own: Counts, action: Action) -> None:
    assert earned(prior, own) is action


def test_a_prior_of_few_cases_leaves_the_rest_of_its_weight_undecided() -> None:
    assert believed(Counts(right=1, total=1), NONE, weight=20) == pytest.approx((2 * 0.75 + 9, 0.5 + 9))
    assert believed(GOOD, NONE, weight=20)[0] == pytest.approx(20 * 990.5 / 1001)
    assert sum(believed(FAIR, Counts(right=3, total=5), weight=20)) == pytest.approx(25)


def test_a_small_perfect_record_is_not_certainty() -> None:
    assert earned(FAIR, Counts(right=3, total=3)) is Action.CONFIRM


@given(st.integers(0, 200), st.integers(0, 200))
def test_one_more_right_answer_never_takes_a_right_away(right: int, wrong: int) -> None:
    order = [Action.OFF, Action.CONFIRM, Action.ACT]
    before = earned(FAIR, Counts(right=right, total=right + wrong))
    after = earned(FAIR, Counts(right=right + 1, total=right + wrong + 1))
    assert order.index(after) >= order.index(before)


def test_the_exact_rule_speaks_before_its_rung_and_the_rung_before_the_rest() -> None:
    policy = Policy(
        actions={"mechanical": Action.ACT, "mechanical/changelog entries": Action.CONFIRM},
        otherwise=Action.OFF,
    )
    assert policy.action("mechanical", "identical edits") is Action.ACT
    assert policy.action("mechanical", "changelog entries") is Action.CONFIRM
    assert policy.action("stranger") is Action.OFF


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/a.yml",
        ".gitlab-ci.yml",
        ".gitlab/ci/a.yml",
        "CODEOWNERS",
        "docs/CODEOWNERS",
        "uv.lock",
        "web/package-lock.json",
        "go.sum",
        "a/.gitattributes",
        ".gitmodules",
        ".flowforge.yml",
        "Cargo.lock",
    ],
)
def test_protected_paths(path: str) -> None:
    assert matches(PROTECTED, path)
    assert "protected" in Paths().forbids(path)


@pytest.mark.parametrize("path", ["src/a.py", "docs/github/a.md", "lib/.github.py", "go.mod", "package.json"])
def test_other_paths_are_open(path: str) -> None:
    assert Paths().forbids(path) == ""


def test_opening_a_protected_path_does_not_open_a_never_path() -> None:
    paths = Paths(never=("*.lock",), allowed=("*.lock",))
    assert "never" in paths.forbids("uv.lock")


def test_without_history_only_what_is_certain_or_well_proven_acts_and_nothing_is_off() -> None:
    actions = shipped_actions()
    acts = {rule for rule, action in actions.items() if action is Action.ACT}
    assert acts >= {*CERTAIN, *AGREED}
    known = shipped_priors().by_rule
    # with the weight of 20 cases nothing below 0.96 clears a bar of 0.9 by nine in ten
    assert all(known[rule].precision > 0.96 for rule in acts - {*CERTAIN, *AGREED})
    assert Action.OFF not in actions.values()
    assert Policy().action("structural", "added definitions") is Action.CONFIRM
    assert Policy().action("mechanical", "identical edits") is Action.ACT


def test_shipped_counts_are_counts() -> None:
    assert all(0 < counts.right <= counts.total for counts in shipped_priors().by_rule.values())


def test_a_rule_close_to_the_bar_is_earned_by_a_good_record_of_the_repositorys_own() -> None:
    prior = shipped_priors().by_rule["structural/the same words and more"]
    assert earned(prior, Counts(right=60, total=60)) is Action.ACT


def test_a_protected_path_is_open_to_nobody_but_the_rung_that_writes_it_anew() -> None:
    paths = Paths(never=("web/**",), regenerated=frozenset({"uv.lock", "web/yarn.lock"}))
    assert paths.forbids("uv.lock") == ""
    assert "protected path" in paths.forbids("other/uv.lock")
    assert "resolve: never" in paths.forbids("web/yarn.lock")
