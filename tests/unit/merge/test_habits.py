"""Habits of files: told where nearly all keep them, and not told where they do not."""

import pytest

from flowforge.merge.habits import habits
from tests.golden.rungs import registry

LANGUAGES = registry().languages


def told(text: str, language: str = "python", path: str = "a.py") -> tuple[str, ...]:
    return habits({path: text.encode()}, LANGUAGES.get(language))


PYTHON = "".join(
    f"def f{n}(a):\n    if a:\n        return 'x{n}'\n    return [\n        1,\n    ]\n" for n in range(20)
)


def test_what_is_kept_everywhere_is_told() -> None:
    assert told(PYTHON) == (
        "Lines are indented by 4 spaces.",
        "Strings are in single quotes.",
        "The last of several lines in brackets ends with a comma.",
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (PYTHON.replace("    ", "  "), "Lines are indented by 2 spaces."),
        (PYTHON.replace("    ", "\t"), "Lines are indented with tabs."),
        (PYTHON.replace("'", '"'), "Strings are in double quotes."),
        (PYTHON.replace("\n", "\r\n"), "Lines end with CR LF."),
        (
            PYTHON + "".join(f"{'x' * (70 + n % 9)} = {n}\n" for n in range(60)),
            "Lines have at most 88 characters.",
        ),
        ("import a\nimport b\nimport c\n\n" * 4, "Imports are sorted by their text within each block."),
    ],
)
def test_each_habit_is_found(text: str, sentence: str) -> None:
    assert sentence in told(text)


def test_imports_that_are_sorted_by_where_they_come_from_are_told_so() -> None:
    block = "import {z} from 'a'\nimport b from 'b'\nimport {y} from 'c'\n\n"
    assert "Imports are sorted by what they import from within each block." in told(block * 4, "typescript")


@pytest.mark.parametrize(("end", "word"), [(";", "with"), ("", "without")])
def test_semicolons_are_told_of_scripts(end: str, word: str) -> None:
    assert f"Statements end {word} semicolons." in told(f"const a = b(1){end}\n" * 9, "javascript", "a.js")


@pytest.mark.parametrize(
    "text",
    [
        PYTHON + PYTHON.replace("    ", "\t").replace("'", '"').replace("\t\t1,\n", "\t\t1\n"),
        "import c\nimport a\nimport b\n\n" * 4 + "import a\nimport b\nimport c\n\n" * 4,
        "x = 1\n",
        "",
    ],
)
def test_what_is_kept_by_half_or_seldom_seen_is_not_told(text: str) -> None:
    assert [line for line in told(text) if "at most" not in line] == []


def test_quotes_that_mean_two_things_are_not_told() -> None:
    assert not [line for line in told("char a = 'x';\n" * 9, "c", "a.c") if "quotes" in line]


@pytest.mark.parametrize(("order", "word"), [(range(9, 0, -1), "first"), (range(1, 10), "last")])
def test_the_order_of_releases_is_told_of_changelogs(order: range, word: str) -> None:
    text = "".join(f"## {n}.0.0\n\n- A change\n\n" for n in order)
    assert f"The newest release stands {word}." in told(text, "markdown", "CHANGELOG.md")
    assert not [line for line in told(text, "markdown", "README.md") if "release" in line]


@pytest.mark.parametrize(
    "text", [b"\xff\xfe\x00", b"\x00" * 1000, b"'" * 10_000, b"((((" * 5000, b"\t" * 9000]
)
@pytest.mark.parametrize("language", ["python", "javascript", "go", "markdown", "yaml"])
def test_any_bytes_have_habits_or_none(text: bytes, language: str) -> None:
    assert all(line.endswith(".") for line in habits({"a": text, "CHANGES": text}, LANGUAGES[language]))
