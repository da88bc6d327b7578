"""The table of reasons in `flowforge/docs/reasons.md`, for the pages that a problem's `type` leads to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

_ROW = re.compile(r"\| `(?P<reason>[a-z_]+)` \| (?P<means>.+?) \| (?P<next>.+?) \|")


@dataclass(frozen=True, kw_only=True)
class Explained:
    """One reason in words: what it means, and what to do next."""

    means: str
    next_action: str


def read_reasons(markdown: str) -> Mapping[str, Explained]:
    """Every row of every table of the page."""
    rows = (_ROW.fullmatch(line.strip()) for line in markdown.splitlines())
    return {row["reason"]: Explained(means=row["means"], next_action=row["next"]) for row in rows if row}


def shipped_reasons() -> Mapping[str, Explained]:
    """The table that is installed with the package."""
    page = resources.files("flowforge.docs").joinpath("reasons.md")
    return read_reasons(page.read_text(encoding="utf-8"))
