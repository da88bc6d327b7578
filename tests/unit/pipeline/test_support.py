from flowforge.pipeline.check import Catalog
from flowforge.pipeline.load import load_pipeline
from flowforge.pipeline.support import NOT_YET

HEAD = "version: 1\nname: n\nstages:\n  - {uses: clone}\n  - {uses: rebase}\n"


def told(more: str) -> list[str]:
    problems = load_pipeline((HEAD + more).encode(), catalog=Catalog()).problems
    return [f"{p.mark.line}:{p.mark.column} {p.code}" for p in problems]


def test_a_key_is_answered_where_it_stands() -> None:
    assert told("  - {uses: test, run: x, image: y}\n") == ["6:26 FF030"]


def test_a_key_of_finally_is_answered_too() -> None:
    assert told("finally:\n  - {uses: run, run: x, junit: y.xml}\n") == ["7:25 FF030"]


def test_only_the_values_of_a_row_are_answered() -> None:
    assert told("  - {uses: test, run: x, network: registry}\n") == ["6:26 FF030"]
    assert told("  - {uses: test, run: x, network: full}\n") == []
    assert told("  - {uses: resolve, with: {model: {candidates: 2}}}\n") == ["6:36 FF030"]
    assert told("  - {uses: resolve, with: {model: {candidates: 1}}}\n") == []


def test_what_stages_honour_is_not_in_the_table() -> None:
    more = "  - {uses: test, run: x, compare_base: true, matrix: {v: ['1']}, retry: {on: [infrastructure]}}\n"
    assert told("  - {uses: resolve, with: {protect: [a], ask: [b], never: [c]}}\n" + more) == []
    lockfiles = "with: {rungs: [lockfile], regenerate: {uv.lock: uv lock}}"
    assert (
        told(f"  - {{uses: resolve, network: full, cpu: 1, memory: 1Gi, env: {{A: b}}, {lockfiles}}}\n") == []
    )


def test_a_row_of_the_table_is_one_key_and_one_way_out() -> None:
    keys = [row.key for row in NOT_YET]
    assert len(keys) == len(set(keys))
    assert all(row.instead for row in NOT_YET)


def test_a_schedule_is_told_where_it_belongs() -> None:
    data = HEAD.replace("stages:", 'triggers: {schedule: {cron: "0 5 * * *"}}\nstages:')
    (problem,) = load_pipeline(data.encode(), catalog=Catalog()).problems
    assert problem.code == "FF030"
    assert "names no branch: flowforge schedule add NAME REPOSITORY BRANCH --cron" in problem.message
