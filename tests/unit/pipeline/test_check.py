"""What the shape cannot say: order, what fits which stage, what a push needs."""

import pytest

from flowforge.hooks.contracts import Stage
from flowforge.pipeline.check import Catalog, check_meaning
from flowforge.pipeline.document import read_document

PLUGIN = Catalog(stages={"notify": Stage(name="notify", load="x:y")})


def found(stages: str, last: str = "", catalog: Catalog = PLUGIN) -> list[str]:
    text = f"stages: [{stages}]\nfinally: [{last}]\n"
    return [problem.code for problem in check_meaning(read_document(text.encode(), "x"), catalog)]


BEGIN = "{uses: clone}, {uses: rebase}, "


@pytest.mark.parametrize(
    "stages",
    [
        "{uses: clone}",
        "{uses: run, run: x}",
        "{uses: notify}",
        "{uses: notify, run: x, matrix: {a: ['1']}, env: {A: b}}",
        BEGIN + "{uses: resolve}, {uses: validate}, {uses: test, run: x}, {uses: push}",
        BEGIN + "{uses: test, run: x}, {uses: push}",
        BEGIN + "{uses: test, run: x}, {uses: push, with: {to: target}}",
        BEGIN + "{uses: test, run: x}, {uses: push, with: {require: tested}}",
        BEGIN + "{uses: validate}, {uses: push, with: {to: target, require: validated}}",
        BEGIN + "{uses: validate}, {id: second, uses: validate}",
        BEGIN + "{uses: approve}",
        BEGIN + "{uses: resolve, with: {fallback: {upstream: ['docs/**'], hand_back: ['docs/a', '**']}}}",
        BEGIN + "{uses: approve, when: 'true', on_failure: stop}, {id: again, uses: approve}",
        BEGIN
        + "{uses: validate}, {uses: approve, with: {message: Go?, who: admin, within: 2h}}, {uses: push}",
    ],
)
def test_these_stages_may_stand_so(stages: str) -> None:
    assert found(stages) == []


@pytest.mark.parametrize(
    ("stages", "codes"),
    [
        ("{uses: rebase}", ["FF033"]),
        ("{uses: clone}, {uses: resolve}", ["FF033"]),
        ("{uses: clone}, {uses: validate}", ["FF033"]),
        ("{uses: clone}, {uses: push}", ["FF033"]),
        ("{uses: clone}, {uses: approve}", ["FF033"]),
        ("{uses: review}, {uses: clone}", ["FF033"]),
        ("{uses: clone}, {uses: review}", []),
        ("{uses: clone}, {uses: review, on_failure: continue}", []),
        ("{uses: clone}, {uses: review, on_failure: stop}", ["FF028"]),
        ("{uses: clone}, {uses: review, on_failure: hand_back}", ["FF028"]),
        ("{uses: clone}, {uses: review, run: x}", ["FF028"]),
        ("{uses: clone}, {uses: review, matrix: {a: ['1']}}", ["FF028"]),
        (BEGIN + "{uses: approve, run: x}", ["FF028"]),
        (BEGIN + "{uses: approve, timeout: 3h}", ["FF028"]),
        (BEGIN + "{uses: approve, retry: {on: [rejected], max: 1}}", ["FF028"]),
        (BEGIN + "{uses: approve, on_failure: continue}", ["FF028"]),
        (BEGIN + "{uses: approve, matrix: {a: ['1']}}", ["FF028"]),
        ("{uses: clone}, {id: again, uses: clone}", ["FF033"]),
        (BEGIN + "{uses: push}, {uses: validate}", ["FF033"]),
        (BEGIN + "{uses: validate}, {uses: push, with: {require: tested}}", ["FF033"]),
        (BEGIN + "{uses: validate}, {uses: push, with: {to: target}}", ["FF033"]),
        (BEGIN + "{uses: run}", ["FF013"]),
        (BEGIN + "{uses: resolve, image: x, run: y}", ["FF028", "FF028"]),
        (BEGIN + "{uses: validate, cpu: 1, memory: 1Gi}", ["FF028", "FF028"]),
        (BEGIN + "{uses: resolve, with: {rungs: [document], regenerate: {a.lock: x}}}", ["FF028"]),
        (BEGIN + "{uses: report, network: full}", ["FF028"]),
        (BEGIN + "{uses: resolve, with: {fallback: {upstream: ['**']}}}", ["FF035"]),
        (BEGIN + "{uses: resolve, with: {fallback: {commit: ['*', '/**/*']}}}", ["FF035", "FF035"]),
        (BEGIN + "{uses: resolve, with: {fallback: {upstream: [a], commit: [a]}}}", ["FF035"]),
        (BEGIN + "{uses: resolve, with: {fallback: {hand_back: [a], upstream: [a]}}}", ["FF035"]),
        (BEGIN + "{uses: resolve, with: {never: [a], fallback: {upstream: [a]}}}", ["FF035"]),
        (BEGIN + "{uses: resolve, with: {ask: [a], fallback: {commit: [a]}}}", ["FF035"]),
        ("{uses: nothing}", ["FF020"]),
    ],
)
def test_these_may_not(stages: str, codes: list[str]) -> None:
    assert found(stages) == codes


@pytest.mark.parametrize(
    ("last", "codes"),
    [
        ("{uses: report}", []),
        ("{uses: run, run: x}", []),
        ("{uses: notify}", []),
        ("{uses: push}", ["FF033"]),
        ("{uses: test, run: x}", ["FF033"]),
        ("{uses: resolve}", ["FF033"]),
        ("{uses: clone}", ["FF021", "FF033"]),
    ],
)
def test_only_what_may_follow_a_failure_stands_in_finally(last: str, codes: list[str]) -> None:
    assert found("{uses: clone}", last) == codes


def test_a_condition_of_a_stage_may_ask_about_the_stages_before_it_only() -> None:
    assert found("{uses: clone}, {uses: rebase, when: results.clone.ok}") == []
    assert found("{uses: clone, when: results.rebase.ok}, {uses: rebase}") == ["FF027"]
    assert found("{uses: clone, when: results.clone.ok}") == ["FF027"]


def test_a_condition_of_finally_may_ask_about_every_stage() -> None:
    last = "{uses: run, run: x, when: results.clone.result != 'success'}"
    assert found("{uses: clone}", last) == []


def test_misshapen_places_are_left_to_the_shape() -> None:
    for text in (
        "stages: 3", "stages: {a: b}", "stages: [3, [x]]", "finally: x", "env: [a]", "stages: [{uses: [a]}]",
        "stages: [{uses: clone}, {uses: rebase}, {uses: resolve, with: {fallback: 3, never: 4}}]",
        "stages: [{uses: clone}, {uses: rebase}, {uses: resolve, with: {fallback: {upstream: 3}, ask: [[x]]}}]",
        "stages: [{uses: run, run: 3, matrix: 4, env: 5, when: 6, with: 7}]", "stages: [{uses: run, run: x, matrix: {a: b}}]",
    ):  # fmt: skip
        assert list(check_meaning(read_document(text.encode(), "x"), PLUGIN)) == []
