"""A policy as a file: written and read back the same, and refused with a sentence where it is none."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flowforge.core.errors import Reason, Refused
from flowforge.resolve.counts import Action, Counts
from flowforge.resolve.kinds import FileKind
from flowforge.resolve.learnt import (
    MAX_TEXT,
    HeldOut,
    Learnt,
    PathsHeldOut,
    as_json,
    policy_from,
    read_policy,
    write_policy,
)
from flowforge.resolve.records import Count, RuleLine

GOLDEN = Path(__file__).parents[2] / "golden" / "policy" / "policy.json"
LEARNT = Learnt(
    made="2026-11-23",
    head="0123456789" * 4,
    k=10.0,
    half_life_days=1095,
    merges=120,
    files=250,
    priors="2026-11-20",
    left_out=("somebody/something",),
    rules=(
        RuleLine(
            rule="mechanical/larger version",
            kind=FileKind.MANIFEST,
            action=Action.OFF,
            count=Count(right=2, cases=40, weighed=Counts(right=1.25, total=31.5)),
        ),
        RuleLine(
            rule="structural/words apart",
            kind=FileKind.SOURCE,
            action=Action.ACT,
            count=Count(right=41, cases=42, weighed=Counts(right=30.125, total=31.0)),
        ),
    ),
    held_out=HeldOut(since="2026-01-31", files=70, cost={"1": 0.8, "10": 0.9}, shipped={"1": 1.0, "10": 1.0}),
)


def kind(path: str) -> str:
    return "manifest" if path.endswith(".toml") else "source"


def test_the_file_is_as_it_was_promised() -> None:
    assert write_policy(LEARNT) == GOLDEN.read_text()


def test_the_example_of_the_documentation_is_one() -> None:
    docs = Path(__file__).parents[3] / "flowforge" / "docs" / "calibrate.md"
    (example,) = re.findall(r"^```json\n(.*?)^```", docs.read_text(), re.MULTILINE | re.DOTALL)
    (line,) = read_policy(example, "the example").rules
    assert (line.action, line.count.right, line.count.cases) == (Action.ACT, 41, 42)


def test_what_was_written_is_read_back() -> None:
    assert read_policy(write_policy(LEARNT), "x") == LEARNT
    assert policy_from(as_json(LEARNT), "x") == LEARNT
    assert read_policy(write_policy(LEARNT).encode(), "x") == LEARNT


def test_a_policy_without_held_back_cases_is_one_too() -> None:
    short = Learnt(
        made="2026-11-23", head="", k=10.0, half_life_days=1, merges=0, files=0, priors="2026-11-23"
    )
    assert read_policy(write_policy(short), "x") == short


def with_paths() -> Learnt:
    """The same of a history with conflicts about whole paths."""
    assert LEARNT.held_out is not None
    count = Count(right=9, cases=9, weighed=Counts(right=8.5, total=8.5))
    rule = RuleLine(
        rule="mechanical/deleted, else only whitespace",
        kind=FileKind.PATH,
        action=Action.ACT,
        count=count,
    )
    held = PathsHeldOut(paths=6, cost={"10": 0.5}, shipped={"10": 1.0})
    return replace(
        LEARNT, rules=(rule, *LEARNT.rules), paths=21, held_out=replace(LEARNT.held_out, paths=held)
    )


def test_what_was_learnt_of_whole_paths_is_kept_and_speaks_for_them_alone() -> None:
    learnt = with_paths()
    assert read_policy(write_policy(learnt), "x") == learnt
    policy = learnt.policy(kind)
    words = ("mechanical", "deleted, else only whitespace", "a.py")
    assert policy.action(*words, whole=True) is Action.ACT
    assert policy.standing(*words) is None
    assert policy.standing("structural", "words apart", "a.py", whole=True) is None


def test_its_records_speak_before_what_is_shipped() -> None:
    policy = LEARNT.policy(kind)
    assert policy.action("structural", "words apart", "a.py") is Action.ACT
    assert policy.action("structural", "words apart", "a.toml") is Action.CONFIRM  # no record of that kind
    assert policy.action("mechanical", "larger version", "a.toml") is Action.OFF
    assert policy.action("mechanical", "identical edits", "a.py") is Action.ACT  # as shipped


def test_a_record_is_told_to_whoever_reads_the_answer() -> None:
    standing = LEARNT.policy(kind).standing("structural", "words apart", "a.py")
    assert standing is not None
    assert (
        standing.sentence("structural", acts=True)
        == "structural acts here: right 41 of 42 in this repository's history"
    )
    assert LEARNT.policy(kind).standing("structural", "words apart", "a.toml") is None


def changed(edit: Callable[[dict[str, Any]], object]) -> str:
    told = as_json(LEARNT)
    edit(told)
    return json.dumps(told)


BAD = {
    "no text at all": "",
    "no JSON": "{",
    "a list": "[]",
    "a number": "7",
    "nested without end": "[" * 100_000,
    "too long": " " * (MAX_TEXT + 1),
    "another format": changed(lambda told: told.update(format="something")),
    "no version": changed(lambda told: told.pop("version")),
    "a version that is none": changed(lambda told: told.update(version="1.0")),
    "an unknown field": changed(lambda told: told.update(extra=1)),
    "an unknown field of a rule": changed(lambda told: told["rules"][0].update(extra=1)),
    "no rules": changed(lambda told: told.pop("rules")),
    "an action that is none": changed(lambda told: told["rules"][0].update(action="always")),
    "a kind that is none": changed(lambda told: told["rules"][0].update(kind="poem")),
    "a rule without a rung": changed(lambda told: told["rules"][0].update(rule="words apart")),
    "more right than there are": changed(lambda told: told["rules"][0].update(right=41)),
    "a negative count": changed(lambda told: told["rules"][0].update(right=-1)),
    "half a case": changed(lambda told: told["rules"][0].update(cases=1.5)),
    "a count that is true": changed(lambda told: told["rules"][0].update(cases=True)),
    "no number": changed(lambda told: told["rules"][0]["weighed"].update(cases=float("nan"))),
    "more weighed right than there is": changed(lambda told: told["rules"][0]["weighed"].update(right=99)),
    "a rule twice": changed(lambda told: told["rules"].append(told["rules"][0])),
    "a cost that is none": changed(lambda told: told.update(k=1)),
    "a day that is none": changed(lambda told: told.update(made="yesterday")),
    "a head that is none": changed(lambda told: told["repository"].update(head="main")),
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_what_is_no_policy_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(Refused) as refused:
        read_policy(text, "'my.json'")
    assert refused.value.reason is Reason.POLICY_INVALID
    assert refused.value.sentence.startswith("'my.json' is no policy: ")
    assert "\n" not in refused.value.sentence
    assert len(refused.value.sentence) < 350
    assert refused.value.next_action


def test_a_newer_version_is_named() -> None:
    with pytest.raises(Refused, match="version 2, and this FlowForge knows 1"):
        read_policy(changed(lambda told: told.update(version=2)), "x")
