"""Quantities, variables, the table of problems."""

from decimal import Decimal
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.pipeline.check import Catalog
from flowforge.pipeline.environment import refusal
from flowforge.pipeline.load import load_pipeline
from flowforge.pipeline.problems import CODES, Mark, Problem, as_markdown, shown, suggest
from flowforge.pipeline.quantities import dollars, seconds, size
from flowforge.pipeline.support import NOT_YET


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("45m", 2700), ("1h30m", 5400), ("24h", 86400), ("1h1m1s", 3661)]
)
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", "5", "m", "5d", "30m1h", "0s", "25h", "1.5h", "-1s", " 5m", "5 m", "99999999999s"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds(text)


@given(st.integers(0, 23), st.integers(0, 59), st.integers(1, 59))
def test_a_duration_adds_its_parts(hours: int, minutes: int, rest: int) -> None:
    assert seconds(f"{hours}h{minutes}m{rest}s") == hours * 3600 + minutes * 60 + rest


@pytest.mark.parametrize(
    ("text", "expected"), [("4Gi", 4 << 30), ("512Mi", 512 << 20), ("1k", 1000), ("2048", 2048)]
)
def test_sizes(text: str, expected: int) -> None:
    assert size(text) == expected


@pytest.mark.parametrize("text", ["", "0", "4gb", "4GiB", "-1", "1.5Gi", "Gi", "999999999999Ti"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="size"):
        size(text)


def test_money_is_exactly_what_was_written() -> None:
    assert dollars(0.1) == Decimal("0.1")
    assert dollars(2) == 2
    assert dollars(1000.0) == 1000


@pytest.mark.parametrize("amount", [-0.01, 1000.5, float("inf"), float("nan"), 0.00001])
def test_what_is_no_amount(amount: float) -> None:
    with pytest.raises(ValueError, match=r"amount|places"):
        dollars(amount)


@pytest.mark.parametrize(
    "name", ["A", "_x9", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", "GITHUB_TOKEN", "NODE_ENV"]
)
def test_variables_that_may_be_set(name: str) -> None:
    assert refusal(name, "x") == ""


@pytest.mark.parametrize(
    "name",
    [
        "PATH", "Path", "HOME", "GIT_DIR", "git_dir", "LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "PYTHONPATH",
        "PYTHONSTARTUP", "PYTHON_X", "HTTP_PROXY", "no_proxy", "BASH_ENV", "ENV", "IFS", "MATRIX_A", "FLOWFORGE_X",
        "", "9A", "A-B", "A B", "A=B", "\u00c4", "A\0", "A" * 101,
    ],
)  # fmt: skip
def test_variables_that_may_not_be_set(name: str) -> None:
    assert refusal(name, "x") != ""


def test_a_variables_value_is_bounded() -> None:
    assert refusal("A", "x" * 4096) == ""
    assert refusal("A", "x" * 4097) != ""
    assert refusal("A", "a\0b") != ""


# --- the table of problems


def test_a_problem_is_one_line_with_its_place_and_suggestion() -> None:
    problem = Problem(mark=Mark(path="a.yml", line=3, column=7), code="FF012", message="m", suggestion="s")
    assert str(problem) == "a.yml:3:7: FF012 m (did you mean 's'?)"


def test_only_near_words_are_suggested() -> None:
    assert suggest("validat", ["validate", "rebase"]) == "validate"
    assert suggest("Validate", ["validate"]) == "validate"
    assert suggest("zzz", ["validate", "rebase"]) == ""


def test_a_strangers_text_is_shown_short_and_on_one_line() -> None:
    assert shown("a\nb") == "'a\\nb'"
    assert len(shown("x" * 1000)) < 70


def test_codes_are_numbered_without_a_gap() -> None:
    assert list(CODES) == [f"FF{number:03}" for number in range(1, len(CODES) + 1)]


def test_the_page_of_problems_is_the_table() -> None:
    """After a change: python -c "from flowforge.pipeline.problems import as_markdown as m; print(m(), end='')" """
    page = resources.files("flowforge.docs").joinpath("problems.md").read_text(encoding="utf-8")
    assert page == as_markdown()


@pytest.mark.parametrize(
    "code", [code for code, row in CODES.items() if row.example.startswith("stages: [{")]
)
def test_an_example_gets_the_code_that_it_is_an_example_of(code: str) -> None:
    prefix = b"version: 1\nname: n\n"
    problems = load_pipeline(prefix + CODES[code].example.encode(), catalog=Catalog()).problems
    by_a_plugin = {"FF025": "FF020"}
    assert by_a_plugin.get(code, code) in {problem.code for problem in problems}


def test_the_example_on_the_page_about_definitions_is_valid() -> None:
    page = resources.files("flowforge.docs").joinpath("pipelines.md").read_text(encoding="utf-8")
    example = page.split("```yaml\n")[1].split("```")[0]
    assert load_pipeline(example.encode(), catalog=Catalog()).problems == ()


@pytest.mark.parametrize("row", NOT_YET, ids=lambda row: row.key)
def test_what_is_not_supported_says_what_to_do_instead(row: object) -> None:
    assert getattr(row, "instead", "") != ""
    assert getattr(row, "what", "") != ""
