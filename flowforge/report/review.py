"""A review as a stage's outputs keep it: JSON-safe, with all that a check run of a git host takes."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from flowforge.report.facts import Review, ReviewFinding


def review_as_json(review: Review) -> dict[str, object]:
    kept = asdict(review)
    del kept["stage"]
    return {
        **kept,
        "findings": list(kept["findings"]),
        "unseen": {why: list(paths) for why, paths in review.unseen.items()},
    }


def review_from(stage: str, said: Mapping[str, Any]) -> Review:
    """A review from `review_as_json`, ignoring fields that a newer version may have added."""
    names = {field.name for field in fields(Review)} - {"stage", "findings", "unseen"}
    known = {name: said[name] for name in names if name in said}
    own = {field.name for field in fields(ReviewFinding)}
    rows = [{name: row[name] for name in own if name in row} for row in said.get("findings", ())]
    unseen = {why: tuple(paths) for why, paths in said.get("unseen", {}).items()}
    return Review(stage=stage, findings=tuple(ReviewFinding(**row) for row in rows), unseen=unseen, **known)
