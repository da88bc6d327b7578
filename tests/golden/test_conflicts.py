"""Every case of tests/golden/conflicts through the ladder: its expected text exactly, or handed back.

A case is a folder with base, upstream, commit and, where there is a right answer, expected. A known failure also
has expected_currently: the text that the rungs give now, or "handed back". `path.txt` holds the file's path where
a rule goes by it. All rungs that are registered and need no model are asked, in the order of the shipped pipelines.
"""

from pathlib import Path

import pytest

from flowforge.core.conflict import fit
from flowforge.resolve.ladder import climb
from flowforge.resolve.policy import Action, Policy
from tests.golden.conflictcases import conflict_of, path_of, texts_of
from tests.golden.rungs import shipped_languages, shipped_rungs

CASES = Path(__file__).parent / "conflicts"
FOLDERS = sorted(p.parent for p in CASES.rglob("base.*"))
HANDED_BACK = b"handed back\n"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_a_golden_conflict_ends_as_written(folder: Path, tmp_path: Path) -> None:
    texts = texts_of(folder)
    conflict = conflict_of(path_of(folder), texts["base"], texts["upstream"], texts["commit"], tmp_path)
    assert conflict.hunks, "git merges this case by itself"

    answers = climb([conflict], shipped_rungs(), Policy(otherwise=Action.ACT))

    wanted = texts.get("expected_currently", texts.get("expected", HANDED_BACK))
    if wanted == HANDED_BACK:
        said = [r.result for r in answers.resolutions]
        assert said == [], "a case that is left to a person was answered"
        assert answers.unresolved[0].tried
        return
    assert answers.unresolved == (), answers.unresolved[0].tried
    assert answers.resolutions[0].result == wanted
    assert fit(conflict.segments, wanted) is not None


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_a_known_failure_differs_from_what_is_right(folder: Path) -> None:
    texts = texts_of(folder)
    if "expected_currently" in texts:
        assert "expected" in texts, "a known failure needs the right answer beside it"
        assert texts["expected"] != texts["expected_currently"], (
            "no failure any more: drop expected_currently"
        )


def test_there_are_enough_cases_of_every_language() -> None:
    assert len(FOLDERS) >= 250
    merged = {"python", "go", "java", "javascript", "typescript", "json", "changelog", "manifest"}
    merged |= {language.id for language in shipped_languages() if language.entities} - {"tsx"}
    assert {p.parent.name for p in FOLDERS} >= merged


def test_every_language_has_cases_that_are_merged_and_cases_that_are_handed_back() -> None:
    for language in (found.id for found in shipped_languages() if found.entities and found.id != "tsx"):
        cases = [folder for folder in FOLDERS if folder.parent.name == language]
        merged = sum(any(folder.glob("expected.*")) for folder in cases)
        assert merged >= 5, language
        assert len(cases) - merged >= 3, language
