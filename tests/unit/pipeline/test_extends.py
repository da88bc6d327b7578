from flowforge.core.pipeline import Pipeline
from flowforge.pipeline.check import Catalog
from flowforge.pipeline.load import Loaded, load_pipeline

PARENT = b"""
version: 1
name: parent
env: {A: "1", B: "1"}
limits: {wall: 10m, attempts: 2}
stages:
  - {uses: clone}
  - {uses: rebase, with: {empty: keep}, timeout: 1m}
  - {uses: validate}
  - {uses: push}
finally: [{uses: report}]
"""


def loaded(child: str, **files: bytes) -> Loaded:
    shelf = {"parent.yml": PARENT, **files}
    return load_pipeline(child.encode(), "child.yml", catalog=Catalog(), read=shelf.get)


def extended(more: str) -> Pipeline:
    return loaded(f"version: 1\nname: child\nextends: [parent.yml]\n{more}\n").required()


def ids(pipeline: Pipeline) -> list[str]:
    return [stage.id for stage in pipeline.stages]


def test_without_more_it_is_the_parent_under_another_name() -> None:
    pipeline = extended("")
    assert (pipeline.name, ids(pipeline)) == ("child", ["clone", "rebase", "validate", "push"])
    assert [stage.id for stage in pipeline.last] == ["report"]


def test_single_keys_of_env_and_limits_are_replaced() -> None:
    pipeline = extended('env: {B: "2"}\nlimits: {attempts: 3}')
    assert pipeline.env == {"A": "1", "B": "2"}
    assert (pipeline.limits.wall, pipeline.limits.attempts) == (600.0, 3)


def test_a_stage_with_a_known_id_is_changed_where_it_stands() -> None:
    pipeline = extended("stages: [{uses: rebase, timeout: 2m}]")
    stage = pipeline.stages[1]
    assert ids(pipeline) == ["clone", "rebase", "validate", "push"]
    assert (stage.timeout, stage.options["empty"]) == (120.0, "keep")


def test_a_new_stage_alone_goes_before_the_push() -> None:
    assert ids(extended("stages: [{uses: test, run: pytest}]")) == [
        "clone",
        "rebase",
        "validate",
        "test",
        "push",
    ]


def test_a_new_stage_goes_after_the_one_written_before_it() -> None:
    pipeline = extended("stages: [{uses: rebase}, {uses: resolve}, {id: x, uses: run, run: x}]")
    assert ids(pipeline) == ["clone", "rebase", "resolve", "x", "validate", "push"]


def test_finally_is_merged_by_id_and_added_to_at_its_end() -> None:
    pipeline = extended("finally: [{id: clean, uses: run, run: x}, {uses: report, timeout: 5s}]")
    assert [(stage.id, stage.timeout) for stage in pipeline.last] == [("report", 5.0), ("clean", 1200.0)]


def test_later_parents_win_over_earlier_ones() -> None:
    child = "version: 1\nname: c\nextends: [parent.yml, other.yml]\n"
    pipeline = loaded(child, **{"other.yml": b'version: 1\nname: o\nenv: {A: "9"}\nstages: []\n'}).required()
    assert pipeline.env == {"A": "9", "B": "1"}
    assert len(pipeline.stages) == 4


def test_a_problem_in_a_parent_names_the_parents_file() -> None:
    child = "version: 1\nname: c\nextends: [bad.yml]\n"
    problems = loaded(child, **{"bad.yml": b"version: 1\nname: b\nstages: [{uses: clon}]\n"}).problems
    assert [str(problem) for problem in problems] == [
        "bad.yml:3:11: FF020 there is no stage 'clon' (did you mean 'clone'?)"
    ]


def test_a_parent_that_cannot_be_read_is_told_beside_the_childs_own_problems() -> None:
    child = "version: 1\nname: c\nnme: x\nextends: [bad.yml]\nstages: [{uses: clone}]\n"
    problems = loaded(child, **{"bad.yml": b"a: ["}).problems
    assert [(problem.mark.path, problem.code) for problem in problems] == [
        ("bad.yml", "FF001"),
        ("child.yml", "FF012"),
    ]


def test_the_same_parent_by_two_ways_is_no_circle() -> None:
    child = "version: 1\nname: c\nextends: [a.yml, b.yml]\n"
    middle = b"version: 1\nname: m\nextends: [parent.yml]\n"
    assert loaded(child, **{"a.yml": middle, "b.yml": middle}).problems == ()
