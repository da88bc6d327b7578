"""Every case of tests/golden/conflicts through the ladder: its expected text exactly, or handed back.

A case is a folder with base, upstream, commit and, where there is a right answer, expected. All rungs that are
registered and need no model are asked, in the order of the shipped pipelines.
"""

from pathlib import Path

import pytest

from flowforge.core.conflict import fit
from flowforge.resolve.ladder import climb
from flowforge.resolve.policy import Action, Policy
from tests.golden.conflictcases import conflict_of
from tests.golden.rungs import shipped_rungs

CASES = Path(__file__).parent / "conflicts"
FOLDERS = sorted(p.parent for p in CASES.rglob("base.*"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_a_golden_conflict_ends_as_written(folder: Path, tmp_path: Path) -> None:
    texts = {path.stem: path.read_bytes() for path in folder.iterdir()}
    name = next(folder.glob("base.*")).name
    conflict = conflict_of(name, texts["base"], texts["upstream"], texts["commit"], tmp_path)
    assert conflict.hunks, "git merges this case by itself"

    answers = climb([conflict], shipped_rungs(), Policy(otherwise=Action.ACT))

    if "expected" not in texts:
        said = [r.result for r in answers.resolutions]
        assert said == [], "a case without a right answer was answered"
        assert answers.unresolved[0].tried
        return
    assert answers.unresolved == (), answers.unresolved[0].tried
    assert answers.resolutions[0].result == texts["expected"]
    assert fit(conflict.segments, texts["expected"]) is not None


def test_there_are_enough_cases_of_every_language() -> None:
    assert len(FOLDERS) >= 40
    assert {p.parent.name for p in FOLDERS} >= {"python", "go", "java", "javascript", "typescript", "json"}
