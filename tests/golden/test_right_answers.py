"""The check of model answers against answers that are right: the expected text of every golden conflict."""

import json
from pathlib import Path

import pytest

from flowforge.core.conflict import Candidate, fit
from flowforge.resolve.answer import check
from flowforge.resolve.ladder import Rung, climb
from flowforge.resolve.policy import Policy
from tests.golden.conflictcases import conflict_of, texts_of

FOLDER = Path(__file__).parent / "conflicts"
DROPS = {  # a version gives way
    "larger_version_of_one_package",
    "pinned_requirements",
    "go_module_versions",
    "go_modules_both_added",
    "version_catalogue",
    "larger_version_of_one_flavour",
    "one_package_added_in_two_versions",
    "package_added_beside_its_raised_kin",
}
CASES = sorted(c for c in FOLDER.glob("*/*") if any(c.glob("expected.*")) and c.name not in DROPS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_a_right_answer_is_accepted_as_it_is(case: Path, tmp_path: Path) -> None:
    texts = texts_of(case)
    conflict = conflict_of("src/x", texts.get("base"), texts["upstream"], texts["commit"], tmp_path)
    filling = fit(conflict.segments, texts["expected"])
    if not conflict.hunks or filling is None or b"\xfc" in texts["expected"]:
        pytest.skip("git merges it, or no text of the hunks makes it, or it is not UTF-8")
    rows = [
        {
            "id": hunk.index,
            "action": "merged",
            "text": text.decode(),
            "kept": [],
            "dropped": [],
            "why": "both changes fit",
            "elsewhere": [],
        }
        for hunk, text in zip(conflict.hunks, filling, strict=True)
    ]
    judged = check(conflict, json.dumps({"hunks": rows}))
    assert isinstance(judged, Candidate), judged
    rung = Rung(name="model", resolver="model", ask=lambda _conflict: judged)
    (resolution,) = climb([conflict], [rung], Policy()).resolutions
    assert resolution.result == texts["expected"]
