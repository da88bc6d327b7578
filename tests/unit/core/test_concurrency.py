"""Templates of groups, the keys they give, and what a job does that learns late which group is its own."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.concurrency import (
    MAX_KEY,
    MAX_TEMPLATE,
    BadTemplate,
    Concurrency,
    Group,
    Late,
    Met,
    Policy,
    group_of,
    late,
    parse_template,
)
from flowforge.core.errors import Refused
from flowforge.git.names import plain_ref

REPOSITORY = "0198f2d0-5c1e-7000-8000-000000000001"
# What a ref may hold, brackets that close included; git and `plain_ref` refuse those that open.
refs = st.text(st.sampled_from("ab-/{}]._ "), min_size=1, max_size=8)
literals = st.text(st.sampled_from("ab-[]: "), max_size=4)


def key(template: str, branch: str = "feature", target: str = "main", pipeline: str = "") -> str:
    asked = Concurrency(group=template, pipeline=pipeline)
    group = group_of(asked, repository=REPOSITORY, branch=branch, target=target)
    assert group is not None
    return group.key


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("branch", "branch [feature]"),
        ("target", "target [main]"),
        ("repository", "repository"),
        ("deploy", "deploy"),
        ("deploy-{target}", "deploy-[main]"),
        ("{branch}{target}", "[feature][main]"),
        ("{repository}/x", f"[{REPOSITORY}]/x"),
        ("branch of mine", "branch of mine"),
        ("grün", "grün"),
    ],
)
def test_a_template_gives_a_key(template: str, expected: str) -> None:
    assert key(template) == expected


@pytest.mark.parametrize("template", ["repository", "branch", "target"])
def test_a_word_alone_means_the_jobs_of_its_own_pipeline(template: str) -> None:
    assert key(template, pipeline="rebase") == f"rebase: {key(template)}"
    assert key(template, pipeline="rebase") != key(template, pipeline="check")


@pytest.mark.parametrize("template", ["deploy", "{branch}", "branch of mine", "deploy-{target}"])
def test_a_text_means_the_same_group_in_every_pipeline(template: str) -> None:
    assert key(template, pipeline="rebase") == key(template, pipeline="check") == key(template)


@pytest.mark.parametrize(
    ("template", "column"),
    [
        ("", 1),
        ("   ", 1),
        ("deploy-{brnch}", 8),
        ("{}", 1),
        ("{branch", 1),
        ("a}", 2),
        ("{{branch}}", 1),
        ("{ branch }", 1),
        ("a\nb", 2),
        ("a\0", 2),
        ("x" * (MAX_TEMPLATE + 1), MAX_TEMPLATE + 1),
    ],
)
def test_a_template_that_means_nothing_is_refused_at_its_place(template: str, column: int) -> None:
    with pytest.raises(BadTemplate) as refused:
        parse_template(template)
    assert refused.value.column == column
    assert f"character {column}" in str(refused.value)


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="skip"):
        group_of(Concurrency(policy="skip"), repository=REPOSITORY, branch="b", target="t")
    with pytest.raises(ValueError, match="skip"):  # although nobody knows the target yet
        group_of(Concurrency(group="target", policy="skip"), repository=REPOSITORY, branch="b", target="")


def test_a_group_of_a_target_that_nobody_knows_yet_is_left_to_the_worker() -> None:
    for template in ("target", "x-{target}"):
        assert group_of(Concurrency(group=template), repository=REPOSITORY, branch="b", target="") is None
    assert key("branch", target="") == "branch [feature]"


@given(st.text(max_size=40))
def test_any_text_is_a_template_or_is_refused(text: str) -> None:
    column = 0
    try:
        assert parse_template(text)
        assert key(text) == key(text)
    except BadTemplate as refused:
        column = refused.column
    assert column <= max(1, len(text))


@given(literals, literals, literals, refs, refs, refs, refs)
def test_jobs_share_a_key_only_where_the_values_are_the_same(
    a: str, b: str, c: str, branch: str, target: str, other_branch: str, other_target: str
) -> None:
    template = f"{a}{{branch}}{b}{{target}}{c}"
    same = (branch, target) == (other_branch, other_target)
    assert (key(template, branch, target) == key(template, other_branch, other_target)) is same


def test_no_ref_holds_the_bracket_that_a_value_begins_with() -> None:
    with pytest.raises(Refused):
        plain_ref("a[b")


@given(st.text("a: b[]", max_size=8), st.text("a: b[]", max_size=8), refs, refs)
def test_pipelines_share_a_key_only_where_their_names_are_the_same(
    one: str, other: str, branch: str, other_branch: str
) -> None:
    same = (one, branch) == (other, other_branch)
    assert (key("branch", branch, pipeline=one) == key("branch", other_branch, pipeline=other)) is same


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=1024))
def test_a_key_fits_into_an_index_and_stays_different(branch: str) -> None:
    branch = branch.replace("[", "(")
    short, longer = key("{branch}" * 20, branch), key("{branch}" * 20, f"{branch}x")
    assert len(short.encode()) <= MAX_KEY
    assert short != longer


def mets() -> list[Met]:
    return [
        Met(running=running, older=older, newer=newer, ahead=ahead)
        for running, older, newer, ahead in itertools.product(("", "r"), ("", "o"), ("", "n"), ("", "a"))
    ]


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("met", mets())
def test_a_late_member_never_runs_beside_another(policy: Policy, met: Met) -> None:
    verdict = late(policy, met)
    assert verdict is not Late.GO or not met.running
    if not (met.running or met.older or met.newer or met.ahead):
        assert verdict is Late.GO
    assert (verdict is Late.YIELD) == (policy is Policy.SUPERSEDE and bool(met.newer))
    assert (verdict is Late.REFUSED) == (policy is Policy.REJECT and bool(met.older))


def test_a_group_is_a_plain_value() -> None:
    assert Group(key="a", policy=Policy.QUEUE) == Group(key="a", policy=Policy("queue"))
