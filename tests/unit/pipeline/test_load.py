import json
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest

from flowforge.core.concurrency import Concurrency
from flowforge.core.errors import Reason, Refused
from flowforge.core.pipeline import Network, OnFailure, Pipeline, Retry
from flowforge.core.plan import make_plan
from flowforge.hooks.contracts import Resolver, Stage, Validator
from flowforge.hooks.manager import Registry
from flowforge.pipeline.check import Catalog
from flowforge.pipeline.describe import as_json
from flowforge.pipeline.document import read_document
from flowforge.pipeline.load import load_pipeline, load_shipped, shipped_definitions
from flowforge.pipeline.schema import json_schema

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "pipelines"

WHOLE = b"""
version: 1
name: everything
triggers:
  pull_request: {types: [opened], labels: [autorebase]}
  push: {branches: [main], when: always}
concurrency: {group: target, policy: reject}
limits: {wall: 1h30m, attempts: 5, model_usd: 0.1, model_calls: 0}
env: {PYTHONHASHSEED: "0"}
stages:
  - uses: clone
  - {uses: rebase, with: {empty: keep}}
  - id: tests
    uses: test
    run: "pytest -q"
    network: full
    timeout: 90s
    cpu: 0.5
    memory: 512Mi
    env: {A: "on"}
    matrix: {python: ["3.10", "3.12"]}
    retry: {on: [infrastructure], max: 2}
    when: results.rebase.ok
    on_failure: continue
finally:
  - {uses: report}
"""


def load(data: bytes, catalog: Catalog | None = None, **files: bytes) -> Pipeline:
    return load_pipeline(data, catalog=catalog or Catalog(), read=files.get).required()


def lines(data: bytes, catalog: Catalog | None = None) -> list[str]:
    return [str(problem) for problem in load_pipeline(data, catalog=catalog or Catalog()).problems]


def test_every_key_becomes_its_value() -> None:
    pipeline = load(WHOLE)
    limits, stage = pipeline.limits, pipeline.stages[2]
    assert (limits.wall, limits.attempts, limits.model_usd, limits.model_calls) == (
        5400.0,
        5,
        Decimal("0.1"),
        0,
    )
    assert pipeline.concurrency == Concurrency(group="target", policy="reject", pipeline="everything")
    assert pipeline.env == {"PYTHONHASHSEED": "0"}
    assert (stage.id, stage.uses, stage.run, stage.network) == ("tests", "test", "pytest -q", Network.FULL)
    assert (stage.timeout, stage.cpu, stage.memory) == (90.0, 0.5, 512 << 20)
    assert stage.matrix == {"python": ("3.10", "3.12")}
    assert stage.retry == Retry(on=("infrastructure",), max=2)
    assert (stage.when, stage.on_failure, stage.line) == ("results.rebase.ok", OnFailure.CONTINUE, 13)
    assert stage.env == {"A": "on"}


def test_triggers_are_kept_as_they_were_written() -> None:
    triggers = load(WHOLE).triggers
    assert triggers["push"] == {"branches": ["main"], "when": "always"}
    assert triggers["pull_request"] == {"types": ["opened"], "labels": ["autorebase"]}


def test_a_stage_without_an_id_is_called_as_what_it_uses() -> None:
    assert [stage.id for stage in load(WHOLE).stages] == ["clone", "rebase", "tests"]


def test_a_stages_options_have_every_default_filled_in() -> None:
    push = load_shipped("rebase", catalog=Catalog()).required().stages[-1]
    assert push.options == {"to": "head", "require": "validated", "branch": ""}


def test_a_push_to_the_target_requires_tests_by_default() -> None:
    data = b"version: 1\nname: n\nstages: [{uses: clone}, {uses: rebase}, {uses: test, run: x}, "
    push = load(data + b"{uses: push, with: {to: target}}]").stages[-1]
    assert push.options["require"] == "tested"


def test_the_source_is_kept_with_the_pipeline() -> None:
    loaded = load_pipeline(WHOLE, "a.yml", catalog=Catalog(), source="a.yml at 1234")
    assert loaded.required().source == "a.yml at 1234"


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    data = (
        b"version: 1\nnme: x\nname: n\nstages:\n"
        b"  - {uses: clone, timout: 5m}\n  - {uses: validat}\nenv: {PATH: x}\n"
    )
    assert lines(data) == [
        ".flowforge.yml:2:1: FF012 unknown key 'nme' (did you mean 'name'?)",
        ".flowforge.yml:5:19: FF012 unknown key 'timout' in `stages` (did you mean 'timeout'?)",
        ".flowforge.yml:6:6: FF020 there is no stage 'validat' (did you mean 'validate'?)",
        ".flowforge.yml:7:7: FF023 variable 'PATH' cannot be set: it would change how programs are found, loaded or connected",
    ]


def test_an_invalid_definition_is_refused_with_every_problem_as_evidence() -> None:
    with pytest.raises(Refused) as error:
        load(b"version: 2\nname: 3\nstages: []\n")
    assert error.value.reason is Reason.PIPELINE_INVALID
    assert error.value.sentence.endswith("and 2 more")
    assert error.value.evidence.count("\n") == 2
    assert "flowforge explain FF016" in error.value.next_action


def test_an_unknown_shipped_definition_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Refused) as error:
        load_shipped("rebas", catalog=Catalog())
    assert error.value.reason is Reason.PIPELINE_MISSING
    assert "validate-only" in error.value.next_action


def test_a_condition_points_at_the_column_inside_it() -> None:
    data = b"version: 1\nname: n\nstages:\n  - uses: clone\n    when: branch == 'x' && brnch == 'y'\n"
    assert lines(data) == [
        ".flowforge.yml:5:28: FF027 unknown name 'brnch' in a condition (did you mean 'branch'?)"
    ]


def test_a_condition_may_be_written_as_a_truth() -> None:
    assert load(b"version: 1\nname: n\nstages: [{uses: clone, when: false}]\n").stages[0].when == "false"


# --- what plugins add

NOTIFY = Stage(
    name="notify",
    load="x:y",
    options={"type": "object", "properties": {"channel": {"type": "string"}}, "additionalProperties": False},
)
CATALOG = Catalog.of(
    Registry(
        stages={"notify": NOTIFY},
        resolvers={"l": Resolver(name="l", rung="ledgers", load="x:y")},
        validators={"v": Validator(id="v", check="licences", load="x:y")},
    )
)


def test_a_plugins_stage_may_be_used_and_keeps_its_options_as_written() -> None:
    data = b"version: 1\nname: n\nstages: [{uses: notify, with: {channel: x}}]\n"
    assert load(data, CATALOG).stages[0].options == {"channel": "x"}
    assert "FF020" in lines(data)[0]


def test_a_plugins_stage_checks_its_options_by_its_own_schema() -> None:
    data = b"version: 1\nname: n\nstages:\n  - uses: notify\n    with: {channel: 3}\n"
    assert lines(data, CATALOG) == [
        ".flowforge.yml:5:21: FF025 stage 'notify': 3 is not of type 'string'",
    ]


def test_a_plugins_rung_and_check_are_words_of_the_format() -> None:
    data = (
        b"version: 1\nname: n\nstages: [{uses: clone}, {uses: rebase}, "
        b"{uses: resolve, with: {rungs: [ledgers]}}, {uses: validate, with: {checks: [licences]}}]\n"
    )
    assert lines(data, CATALOG) == []
    assert [line.split()[1] for line in lines(data)] == ["FF015", "FF015"]


# --- shipped definitions


@pytest.mark.parametrize("name", sorted(shipped_definitions()))
def test_a_shipped_definition_has_the_plan_that_is_on_file(name: str) -> None:
    """After a wanted change: flowforge pipeline show NAME --json > tests/golden/pipelines/NAME.json"""
    pipeline = load_shipped(name, catalog=Catalog()).required()
    assert as_json(pipeline) == json.loads((GOLDEN / f"{name}.json").read_text())


def test_the_shipped_definitions_are_the_ones_that_are_promised() -> None:
    assert sorted(shipped_definitions()) == [
        "rebase",
        "rebase-and-resolve",
        "rebase-with-approval",
        "review",
        "validate-only",
    ]
    assert {path.stem for path in GOLDEN.iterdir()} == set(shipped_definitions())


def test_the_definition_that_only_validates_pushes_nothing_and_spends_nothing() -> None:
    pipeline = load_shipped("validate-only", catalog=Catalog()).required()
    assert "push" not in {stage.uses for stage in pipeline.stages}
    assert pipeline.limits.model_usd == 0


def test_the_definition_with_an_approval_asks_right_before_it_pushes() -> None:
    stages = [
        stage.uses for stage in load_shipped("rebase-with-approval", catalog=Catalog()).required().stages
    ]
    assert stages[-2:] == ["approve", "push"]
    assert (
        stages[:-2]
        == [stage.uses for stage in load_shipped("rebase-and-resolve", catalog=Catalog()).required().stages][
            :-1
        ]
    )


def test_a_matrix_is_expanded_in_the_plan_that_is_shown() -> None:
    shown = as_json(load(WHOLE))
    ids = [stage.id for stage in make_plan(load(WHOLE)).stages]
    assert ids[2:] == ["tests (python=3.10)", "tests (python=3.12)"]
    assert [stage["id"] for stage in shown["stages"]] == ids  # type: ignore[attr-defined,index]
    assert json.loads(json.dumps(shown)) == shown


# --- the schema


def test_the_schema_is_draft_07_and_takes_what_the_loader_takes() -> None:
    schema = json_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    for text in (WHOLE, *shipped_definitions().values()):
        assert list(validator.iter_errors(read_document(text, "x").plain())) == []


@pytest.mark.parametrize(
    "change",
    [
        {"nme": "x"},
        {"version": 2},
        {"stages": [{"uses": "rebase", "with": {"emty": "drop"}}]},
        {"stages": [{"uses": "rebase", "with": {"empty": "dropp"}}]},
        {"stages": [{"uses": "clone", "timeout": "3d"}]},
        {"stages": [{"id": "a b", "uses": "clone"}]},
        {"limits": {"attempts": 0}},
        {"env": {"A": 1}},
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(change: dict[str, object]) -> None:
    good = {"version": 1, "name": "n", "stages": [{"uses": "clone"}]}
    validator = jsonschema.Draft7Validator(json_schema())
    assert validator.is_valid(good)
    assert not validator.is_valid({**good, **change})


def test_the_schema_refers_to_nothing_that_is_not_in_it() -> None:
    schema = json_schema()
    text = json.dumps(schema)
    references = {part.split('"')[0] for part in text.split("#/definitions/")[1:]}
    assert references <= set(schema["definitions"])
    assert "$defs" not in text
