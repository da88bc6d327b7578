"""What models said of a job's change, as lines for a terminal: places, sentences of strangers, what was not looked at."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from flowforge.cli.output import WIDTH
from flowforge.report.review import review_from
from flowforge.report.sections import Section, review_section
from flowforge.report.summary import visible

REVIEW = "review"


def reviews_in(outputs: Mapping[str, Any]) -> Iterator[str]:
    """The lines of every review among the outputs of a job's stages."""
    for stage, said in outputs.items():
        kept = said.get(REVIEW) if isinstance(said, Mapping) else None
        if isinstance(kept, Mapping):
            yield from _lines(review_section(review_from(stage, kept)))


def _lines(section: Section) -> Iterator[str]:
    yield visible(section.title)
    for row in section.rows:
        yield from _folded(f"{row.code}  {row.text}" if row.code else row.text, "  ")
        for more in row.more:
            yield from _folded(more, "      ")


def _folded(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        visible(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_on_hyphens=False,
    )
