"""What the README says is so: its diagram is drawn from the table, its definition loads, its verbs and links exist."""

import re
from pathlib import Path

import pytest

from flowforge.core.job import FINAL, TABLE, Event, State
from flowforge.hooks.manager import discover, load_plugins
from flowforge.pipeline.check import Catalog
from flowforge.pipeline.load import load_pipeline
from flowforge.wiring.main import VERBS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def diagram() -> str:
    """The moves of a job as a mermaid state diagram, one arrow for all events between two states."""
    arrows: dict[tuple[State, State], list[Event]] = {}
    for (before, event), after in TABLE.items():
        arrows.setdefault((before, after), []).append(event)
    lines = ["stateDiagram-v2", "    [*] --> pending"]
    lines += [f"    {a} --> {b}: {', '.join(events)}" for (a, b), events in sorted(arrows.items())]
    lines += [f"    {state} --> [*]" for state in sorted(FINAL)]
    return "\n".join(lines) + "\n"


def test_the_diagram_is_the_table() -> None:
    assert blocks("mermaid") == [diagram()]


def test_the_definition_has_no_problem() -> None:
    (text,) = blocks("yaml")
    loaded = load_pipeline(text.encode(), catalog=Catalog.of(load_plugins(discover())))
    assert loaded.problems == ()


def test_every_verb_that_is_shown_exists() -> None:
    shown = set(re.findall(r"flowforge ([a-z-]+)", "\n".join(blocks("sh"))))
    shown |= set(re.findall(r"`flowforge ([a-z-]+)", README))
    assert shown - {"help"} <= set(VERBS)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!http)([^)]+)\)", README))))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def test_the_status_table_names_every_verb() -> None:
    row = next(line for line in README.splitlines() if line.startswith("| `demo`"))
    named = set(re.findall(r"`([a-z-]+)", row)) | {"help", "explain"}
    assert named >= set(VERBS)
