"""The table, the tests that prove it and the page that shows it stay in step."""

import subprocess
import sys

import pytest

from tests.faults.table import (
    PLACES,
    ROOT,
    ROWS,
    Collector,
    Result,
    at_each_place,
    line,
    out_of_step,
    proves,
    shown,
    table,
    unproven,
    with_table,
)


def test_the_rows_are_those_of_the_page_of_promises() -> None:
    assert list(ROWS) == [f"F{number}" for number in range(1, 76)]


def test_the_page_shows_every_row_and_a_test_proves_each_that_waits_for_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.table", "--check"], cwd=ROOT, capture_output=True, check=False
    )
    assert (done.stdout + done.stderr).decode() == ""
    assert done.returncode == 0


def test_a_test_cannot_prove_a_row_that_does_not_exist() -> None:
    for rows in (("F76",), (), ("F1", "G1")):
        with pytest.raises(ValueError, match="no such rows"):
            proves(*rows)


def test_the_places_have_a_row_each() -> None:
    assert [mark.args for mark in at_each_place(19)] == [(f"F{19 + n}",) for n in range(len(PLACES))]
    assert ROWS["F36"].fault.endswith("in push, after its record")


def test_results_survive_on_the_page_and_are_read_back() -> None:
    results = {"F1": Result(word="holds", count=3), "F37": Result(word="broken", count=20, seeds=("4", "7"))}
    proofs = {"F1": ["tests/faults/test_a.py::test_x[one]"], "F37": ["tests/faults/test_a.py::test_y"]}
    page = with_table(
        "# Title\n\n<!-- table -->\nstale words\n<!-- end of table -->\nmore\n", table(proofs, results)
    )
    assert shown(page) == results
    assert page.startswith("# Title\n")
    assert page.endswith("more\n")
    assert "stale words" not in page
    assert out_of_step(page, table(proofs, results)) == []
    assert (
        len(out_of_step(page, table({}, results))) == 4
    )  # two lines that should be there, two that should not


def test_a_row_without_a_test_is_named_unless_it_waits() -> None:
    said = unproven({row: ["x"] for row in ROWS if row != "F40"})
    assert said == ["no test proves F40: 50 jobs on one ref"]
    assert "later" in line(ROWS["F67"], [], Result())
    assert not [words for words in unproven({}) if "F67" in words]


def collected(outcomes: dict[str, str], **noted: object) -> Collector:
    nodes = [f"t.py::{name}" for name in outcomes]
    return Collector(
        proofs={"F1": nodes},
        outcomes={f"t.py::{name}": word for name, word in outcomes.items()},
        properties={node: dict(noted) for node in nodes},
    )


@pytest.mark.parametrize(
    ("outcomes", "word", "count"),
    [
        ({"a": "passed", "b": "passed"}, "holds", 10),
        ({"a": "passed", "b": "failed"}, "broken", 5),
        ({"a": "passed", "b": "skipped"}, "holds", 5),
        ({"a": "skipped"}, "not run", 0),
    ],
)
def test_one_failure_breaks_a_row_and_a_skip_proves_nothing(
    outcomes: dict[str, str], word: str, count: int
) -> None:
    found = collected(outcomes, count=5, seed=9).result("F1")
    assert (found.word, found.count) == (word, count)
    assert found.seeds == (("9",) if word != "not run" else ())
