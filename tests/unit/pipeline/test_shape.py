import json
from decimal import Decimal

import pytest

from flowforge.pipeline.document import read_document
from flowforge.pipeline.models import Definition
from flowforge.pipeline.options import (
    OPTIONS,
    ApproveOptions,
    PushOptions,
    ResolveOptions,
    ReviewOptions,
    ValidateOptions,
)
from flowforge.pipeline.shape import check_shape

GOOD = {"version": "1", "name": "n", "stages": "[{uses: clone}]"}


def said(**changes: str) -> list[str]:
    text = "".join(f"{key.rstrip('_')}: {value}\n" for key, value in {**GOOD, **changes}.items())
    return [str(problem) for problem in check_shape(read_document(text.encode(), "x"))]


def test_the_least_definition_has_a_good_shape() -> None:
    assert said() == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "[a]"}, "x:2:7: FF014 `name` takes text, not a list"),
        ({"stages": "x"}, "x:3:9: FF014 `stages` takes a list, not text"),
        ({"stages": "[~]"}, "x:3:10: FF014 `stages` takes a mapping, not nothing"),
        ({"env": "[]"}, "x:4:6: FF014 `env` takes a mapping, not a list"),
        ({"env": "{A: 1.0}"}, "x:4:10: FF014 `A` takes text: put the value in quotes"),
        ({"env": "{'a b': []}"}, "x:4:14: FF014 'a b' takes text, not a list"),
        ({"limits": "{attempts: x}"}, "x:4:20: FF014 `attempts` takes a whole number, not text"),
        ({"limits": "{attempts: 99}"}, "x:4:20: FF015 `attempts` should be less than or equal to 10"),
        ({"limits": "{wal: 1m}"}, "x:4:10: FF012 unknown key 'wal' in `limits` (did you mean 'wall'?)"),
        ({"limits": "{wall: 1d}"}, "x:4:16: FF017 `wall` '1d' is no duration; write 90s, 45m or 1h30m"),
        (
            {"concurrency": "{policy: skip}"},
            "x:4:23: FF015 `policy` is one of supersede, queue, reject; not 'skip'",
        ),
        (
            {"concurrency": "{group: '{brnch}', policy: queue}"},
            "x:4:22: FF034 `group` '{brnch}' cannot be read: braces hold one of repository, branch, target (character 1)",
        ),
        (
            {"concurrency": "{group: ''}"},
            "x:4:22: FF034 `group` '' cannot be read: a group needs a name (character 1)",
        ),
        ({"concurrency": "{group: 7}"}, "x:4:22: FF014 `group` takes text, not a number"),
        ({"triggers": "{comment: {}}"}, "x:4:21: FF013 `command` is missing in `comment`"),
        (
            {"triggers": "{comment: {comand: x, command: y}}"},
            "x:4:22: FF012 unknown key 'comand' in `comment` (did you mean 'command'?)",
        ),
        (
            {"finally_": "[{uses: report, wen: x}]"},
            "x:4:26: FF012 unknown key 'wen' in `finally` (did you mean 'when'?)",
        ),
        ({"stages": "[]"}, "x:3:9: FF015 `stages` list should have at least 1 item, not 0"),
        ({"stages": "[{uses: clone, cpu: true}]"}, "x:3:29: FF014 `cpu` takes a number, not true or false"),
        (
            {"stages": "[{uses: rebase, with: {empty: dorp}}]"},
            "x:3:39: FF015 `empty` is one of drop, keep; not 'dorp' (did you mean 'drop'?)",
        ),
        (
            {"stages": "[{uses: resolve, with: {model: {candidate: 1}}}]"},
            "x:3:41: FF012 unknown key 'candidate' in `model` (did you mean 'candidates'?)",
        ),
    ],
)
def test_a_problem_says_where_what_and_what_instead(changes: dict[str, str], expected: str) -> None:
    assert said(**changes) == [expected]


@pytest.mark.parametrize("missing", ["version", "name", "stages"])
def test_what_is_missing_is_told_at_the_definition_itself(missing: str) -> None:
    text = "".join(f"{key}: {value}\n" for key, value in GOOD.items() if key != missing)
    problems = [str(problem) for problem in check_shape(read_document(text.encode(), "x"))]
    assert problems == [f"x:1:1: FF013 `{missing}` is missing"]


def test_every_stage_finds_a_model_for_its_options_that_has_only_defaults() -> None:
    assert set(OPTIONS) == {
        *("clone", "rebase", "resolve", "validate", "test", "review", "approve", "push", "run", "report")
    }
    for model in OPTIONS.values():
        filled = model.model_validate({})
        assert model.model_validate(filled.model_dump(mode="json")) == filled


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ("max_findings: 0", "FF015", "greater than or equal to 1"),
        ("max_findings: 101", "FF015", "less than or equal to 100"),
        ("min_level: critical", "FF015", "one of note, warning, error; not 'critical'"),
        ("model_usd: -1", "FF019", "model_usd"),
        ("paths: [../x]", "FF029", "'../x'"),
        ("never: x", "FF014", "takes a list"),
        ("blocking: true", "FF012", "unknown key 'blocking'"),
        ("model: {candidates: 2}", "FF012", "unknown key 'candidates'"),
        ("wait: maybe", "FF014", "`wait`"),
    ],
)
def test_what_a_review_cannot_be_told_is_a_problem(options: str, code: str, words: str) -> None:
    (problem,) = said(stages=f"[{{uses: review, with: {{{options}}}}}]")
    assert code in problem
    assert words in problem


@pytest.mark.parametrize("dollars", [0, 0.5, 0.0001, 12.3456, 1000])
def test_what_a_review_may_spend_comes_back_as_it_was_filled_in(dollars: float) -> None:
    options = ReviewOptions.model_validate({"model_usd": dollars})
    again = ReviewOptions.model_validate(json.loads(json.dumps(options.model_dump(mode="json"))))
    assert again == options
    assert again.model_usd == Decimal(str(dollars))


def test_how_long_an_approval_waits_comes_back_as_it_was_filled_in() -> None:
    filled = ApproveOptions.model_validate({"within": "1h30m"})
    assert filled.within == 5400.0
    assert ApproveOptions.model_validate(filled.model_dump(mode="json")) == filled


def test_defaults_never_ask_a_model() -> None:
    assert "model" not in ResolveOptions().rungs
    assert ValidateOptions().checks == ["markers", "syntax", "provenance", "security", "semantics"]


def test_what_a_push_requires_follows_from_where_it_goes() -> None:
    assert PushOptions().require == "validated"
    assert PushOptions(to="target").require == "tested"
    assert PushOptions(to="target", require="validated").require == "validated"


def test_fields_of_the_definition_are_the_formats_own_words() -> None:
    words = {field.alias or name for name, field in Definition.model_fields.items()}
    assert words == {
        "version", "name", "extends", "triggers", "concurrency", "limits", "env", "stages", "finally",
    }  # fmt: skip
