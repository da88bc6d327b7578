"""What a review's answer looks like: its schema, and the reading of it into rows that are not believed yet.

An answer that is no JSON of this shape is a `Problem`; one row that is misshapen is left out and counted, so that a
single slip does not cost the rest.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from flowforge.core.verdict import Level
from flowforge.resolve.answer_shape import Flaw, Problem, read_json

MAX_ROWS: Final = 200  # rows of one answer that are read; the rest is only counted
MAX_RAW: Final = 4_000  # characters of one text of a row


class Category(StrEnum):
    SECURITY = "security"
    BUG = "bug"
    QUALITY = "quality"


_TEXTS: Final = ("path", "message", "why", "suggestion")
_FIELDS: Final = ("path", "start", "end", "level", "category", "message", "why", "suggestion")

SCHEMA: Final[dict[str, object]] = {
    "type": "object",
    "properties": {
        "findings": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "path": {"type": "string"},
                    "start": {"type": "integer"},
                    "end": {"type": "integer"},
                    "level": {"type": "string", "enum": [level.value for level in Level]},
                    "category": {"type": "string", "enum": [category.value for category in Category]},
                    "message": {"type": "string"},
                    "why": {"type": "string"},
                    "suggestion": {"type": "string"},
                },
                "required": list(_FIELDS),
                "additionalProperties": False,
            },
        }
    },
    "required": ["findings"],
    "additionalProperties": False,
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One finding as it was answered: of the right types, not yet believed."""

    path: str
    start: int
    end: int
    level: Level
    category: Category
    message: str
    why: str
    suggestion: str


@dataclass(frozen=True, kw_only=True)
class Rows:
    rows: tuple[Row, ...]
    misshapen: int = 0
    unread: int = 0  # beyond MAX_ROWS


def read_rows(text: str) -> Rows | Problem:
    """Read the JSON text of an answer, in the order it gives."""
    value = read_json(text)
    if isinstance(value, Problem):
        return value
    if not isinstance(value, dict) or set(value) != {"findings"} or not isinstance(value["findings"], list):
        return Problem(flaw=Flaw.SCHEMA, sentence="the answer is no object with a list of findings")
    listed = value["findings"]
    read = [_row(item) for item in listed[:MAX_ROWS]]
    rows = tuple(row for row in read if row is not None)
    return Rows(rows=rows, misshapen=len(read) - len(rows), unread=max(0, len(listed) - MAX_ROWS))


def _row(item: object) -> Row | None:
    if not isinstance(item, dict) or set(item) != set(_FIELDS):
        return None
    if any(not _is_text(item[name]) for name in _TEXTS) or any(
        type(item[name]) is not int for name in ("start", "end")
    ):
        return None
    try:
        level, category = Level(item["level"]), Category(item["category"])
    except (ValueError, TypeError):
        return None
    return Row(**{**item, "level": level, "category": category})


def _is_text(value: object) -> bool:
    """A text that is not too long, and holds no half of a surrogate pair, which no store takes."""
    if not isinstance(value, str) or len(value) > MAX_RAW:
        return False
    return not any(0xD800 <= ord(char) <= 0xDFFF for char in value)  # noqa: PLR2004 (half of a surrogate pair)
