"""What models said of a job's change, as lines for a terminal: places, sentences of strangers, what was not looked at."""

from collections.abc import Iterator, Mapping
from typing import Any

from flowforge.cli.output import WIDTH
from flowforge.report.review import review_from
from flowforge.report.sections import review_section
from flowforge.report.summary import text_of

REVIEW = "review"


def reviews_in(outputs: Mapping[str, Any]) -> Iterator[str]:
    """The lines of every review among the outputs of a job's stages."""
    for stage, said in outputs.items():
        kept = said.get(REVIEW) if isinstance(said, Mapping) else None
        if isinstance(kept, Mapping):
            yield from text_of(review_section(review_from(stage, kept)), WIDTH)
