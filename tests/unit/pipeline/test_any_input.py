"""Whatever the bytes are, the answer is a pipeline or problems; searches take their size from FLOWFORGE_FUZZ_N."""

import json
import os
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from flowforge.pipeline import conditions
from flowforge.pipeline.check import Catalog
from flowforge.pipeline.load import Loaded, load_pipeline, load_shipped, shipped_definitions
from flowforge.pipeline.support import NOT_YET

N = int(os.environ.get("FLOWFORGE_FUZZ_N", "150"))
LINE = re.compile(r"[^\n:]+:\d+:\d+: FF\d{3} [^\n\x00-\x1f]+")

WORDS = (
    "version", "name", "stages", "finally", "uses", "with", "clone", "rebase", "push", "matrix", "env", "limits",
    "extends", "when", "retry", "true", "1", "~", "[", "]", "{", "}", ":", ",", "-", "\n", "\n  ", " ", "&a", "*a",
    "!t", "'", '"', "|", ">", "#", "?", "<<", "results", "\\0", "\t", "---", "...", "%YAML", "5m", "branch == ", "\u202e",
)  # fmt: skip


def sound(loaded: Loaded) -> bool:
    """Exactly one of pipeline and problems, and every problem is one printable line."""
    lines = [str(problem) for problem in loaded.problems]
    return (loaded.pipeline is None) == bool(lines) and all(LINE.fullmatch(line) for line in lines)


@settings(max_examples=N, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_answered(data: bytes) -> None:
    assert sound(load_pipeline(data, catalog=Catalog()))


@settings(max_examples=N, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=40).map("".join))
def test_any_row_of_the_formats_own_words_is_answered(text: str) -> None:
    assert sound(load_pipeline(text.encode(), catalog=Catalog()))


@settings(max_examples=N, deadline=None)
@given(st.integers(0, 400), st.integers(0, 30), st.sampled_from(WORDS))
def test_a_good_definition_with_a_hole_or_a_stranger_in_it_is_answered(at: int, cut: int, word: str) -> None:
    good = shipped_definitions()["rebase"].decode()
    text = good[:at] + word + good[at + cut :]
    assert sound(load_pipeline(text.encode(), catalog=Catalog()))


@settings(max_examples=N, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.sampled_from(WORDS),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_any_value_in_any_place_is_answered(value: object) -> None:
    """JSON is YAML, so a value is written as JSON under each key of the format."""
    text = json.dumps(value, ensure_ascii=True)
    for key in ("name", "stages", "env", "limits", "triggers", "extends", "finally", "concurrency"):
        data = f'{{"version": 1, "{key}": {text}}}'
        assert sound(load_pipeline(data.encode(), catalog=Catalog()))


@settings(max_examples=N, deadline=None)
@given(st.lists(st.sampled_from([
    "branch", "paths", "results", ".test", ".ok", "==", "&&", "||", "!", "(", ")", "[", "]", "'a'", "1", "0", "/", "+",
    ".all(", "p,", "in", "changed(", "?", ":", "size(", " ", "true", "{", "}", "%", "9223372036854775807",
]), max_size=14).map(" ".join))  # fmt: skip
def test_any_expression_is_decided_or_refused(expression: str) -> None:
    facts = conditions.Facts(
        branch="b",
        target="t",
        event="e",
        results={"test": {"result": "success", "reason": "done", "ok": True}},
    )
    bad = conditions.check(expression, ["test"])
    if bad is None:
        assert conditions.holds(expression, facts) in {True, False}
    else:
        assert bad.sentence


WHOLE_FORMAT = b"""
version: 1
name: rebase
extends: [flowforge:rebase]
triggers:
  pull_request: {types: [opened, synchronize, labeled], labels: [autorebase]}
  comment: {command: rebase}
  push: {branches: [main]}
  schedule: {cron: "0 5 * * 1-5", timezone: UTC}
  api: {}
concurrency: {group: branch, policy: supersede}
limits: {wall: 45m, attempts: 3, model_usd: 2.00, model_calls: 40}
env: {PYTHONHASHSEED: "0"}
stages:
  - {id: clone, uses: clone}
  - {id: rebase, uses: rebase, with: {onto: main, empty: drop}}
  - id: resolve
    uses: resolve
    with:
      rungs: [memory, mechanical, lockfile, document, structural, model]
      never: ["infra/**", "**/migrations/**"]
      ask:   ["src/billing/**"]
      regenerate: {uv.lock: "uv lock", package-lock.json: "npm install --package-lock-only"}
      model: {provider: anthropic, candidates: 1, attempts: 2}
  - {id: validate, uses: validate, with: {checks: [markers, syntax, provenance, security, semantics]}}
  - {id: test, uses: test, run: "pytest -q", image: "python:3.12", network: none, timeout: 20m, cpu: 2, memory: 4Gi,
     matrix: {python: ["3.11", "3.12"]}, cache: {key: "pip-{hash:uv.lock}", paths: [.cache/pip]}, junit: report.xml,
     retry: {on: [infrastructure], max: 2}, compare_base: true, when: changed("src/**")}
  - {id: push, uses: push, with: {to: head, require: validated}}
finally:
  - {uses: report}
"""


def test_the_whole_format_is_known_and_only_the_table_stands_between() -> None:
    catalog = Catalog(checks=frozenset({"semantics"}))
    problems = load_pipeline(WHOLE_FORMAT, catalog=catalog).problems
    assert {problem.code for problem in problems} == {"FF030"}
    whats = {row.what for row in NOT_YET}
    assert all(any(problem.message.startswith(what) for what in whats) for problem in problems)


def test_every_shipped_definition_survives_being_extended_by_an_empty_one() -> None:
    for name in shipped_definitions():
        child = f"version: 1\nname: {name}\nextends: ['flowforge:{name}']\n".encode()
        extended = load_pipeline(child, catalog=Catalog()).required()
        assert extended.stages == load_shipped(name, catalog=Catalog()).required().stages
