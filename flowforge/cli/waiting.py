"""Why a job waits and what it cost, as lines that fit a terminal of 80 columns."""

import textwrap
from datetime import datetime

from flowforge.api.models import JobCostOut, WhyOut
from flowforge.cli.output import WIDTH


def folded(name: str, text: str, *, indent: int = 0) -> list[str]:
    """`name` and a text beside it, folded between words; a longer word (a branch, a path) stays whole."""
    first = f"{' ' * indent}{name:<9} "
    return textwrap.wrap(
        text,
        width=WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


def waiting(why: WhyOut | None, start: datetime | None, *, indent: int = 0) -> list[str]:
    """The code and its sentence, what would change it, and about when it starts; nothing for a job that runs."""
    if why is None:
        return []
    return [
        *folded("waits", f"{why.code}: {why.sentence}", indent=indent),
        *folded("", why.changes, indent=indent),
        *(folded("starts", f"about {start:%Y-%m-%d %H:%M} UTC", indent=indent) if start else []),
    ]


def spent(cost: JobCostOut) -> str:
    """What a job's model calls come to, in one line."""
    read = cost.input_tokens + cost.cache_write_tokens + cost.cache_read_tokens
    parts = [f"{cost.calls} call{'' if cost.calls == 1 else 's'}", f"{read + cost.output_tokens:,} tokens"]
    said = f"{', '.join(parts)}, ${cost.cost_usd}"
    if cost.cached:
        said += f"; {cost.cached} from store, saved ${cost.saved_usd}"
    return said if cost.reserved_usd == "0.00" else f"{said}; ${cost.reserved_usd} reserved"
