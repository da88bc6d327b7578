"""A model's answer as JSON: its schema, and the strict reading of it into values.

The service is asked to hold the schema; nothing here believes that it did. What does not fit is a `Problem`,
typed and in a sentence that can be sent back to the model once.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_ANSWER: Final = 1 << 20  # characters of JSON
MAX_NOTE: Final = 4000  # characters of one note; notes are cut shorter where they are shown
MAX_NOTES: Final = 50


class Action(StrEnum):
    """What is to stand in a hunk. Only `merged` brings text of the model's own."""

    UPSTREAM = "upstream"
    COMMIT = "commit"
    BOTH = "both"
    MERGED = "merged"
    ABSTAIN = "abstain"


class Flaw(StrEnum):
    """What is wrong with an answer. Public: kept with the call, matched by tests and figures."""

    EMPTY = "empty"
    CUT_OFF = "cut_off"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    SCHEMA = "schema"
    UNKNOWN_FIELD = "unknown_field"
    UNKNOWN_HUNK = "unknown_hunk"
    REPEATED_HUNK = "repeated_hunk"
    MISSING_HUNK = "missing_hunk"
    TEXT_DISAGREES = "text_disagrees"
    BOTH_WITH_BASE = "both_with_base"
    MARKERS = "markers"
    CONTROL_CHARACTERS = "control_characters"
    HIDDEN_CHARACTERS = "hidden_characters"
    LOOKALIKE = "lookalike"
    TOO_MUCH_NEW = "too_much_new"
    TOO_LONG = "too_long"
    LOST_CHANGE = "lost_change"
    FALSE_NOTE = "false_note"
    INDENTATION = "indentation"
    OTHER_PLACE = "other_place"
    PROMPT_COPIED = "prompt_copied"
    NEW_IMPORT = "new_import"
    NEW_DEPENDENCY = "new_dependency"
    NEW_ADDRESS = "new_address"
    DANGEROUS = "dangerous"
    SECRET = "secret"  # noqa: S105 (a word for what was found, and no secret)
    OUTSIDE = "outside"
    DOES_NOT_PARSE = "does_not_parse"
    FILE_CHECK = "file_check"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why an answer is not used; `hunk` is None where the whole answer is at fault."""

    flaw: Flaw
    sentence: str
    hunk: int | None = None


@dataclass(frozen=True, kw_only=True)
class Dropped:
    side: str  # upstream | commit: whose change was given up
    what: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One hunk's answer, of the right shape but not yet believed."""

    id: int
    action: Action
    text: str
    kept: tuple[str, ...]
    dropped: tuple[Dropped, ...]
    why: str
    elsewhere: tuple[str, ...]


def _object(properties: Mapping[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


_STRINGS: Final = {"type": "array", "items": {"type": "string"}}

SCHEMA: Final[Mapping[str, object]] = _object(
    {
        "hunks": {
            "type": "array",
            "items": _object(
                {
                    "id": {"type": "integer"},
                    "action": {"type": "string", "enum": [action.value for action in Action]},
                    "text": {"type": "string"},
                    "kept": _STRINGS,
                    "dropped": {
                        "type": "array",
                        "items": _object(
                            {
                                "side": {"type": "string", "enum": ["upstream", "commit"]},
                                "what": {"type": "string"},
                                "why": {"type": "string"},
                            }
                        ),
                    },
                    "why": {"type": "string"},
                    "elsewhere": _STRINGS,
                }
            ),
        }
    }
)

_FIELDS: Final = ("id", "action", "text", "kept", "dropped", "why", "elsewhere")


class _Misshapen(Exception):
    def __init__(self, flaw: Flaw, sentence: str) -> None:
        self.problem = Problem(flaw=flaw, sentence=sentence)


def read_entries(text: str) -> tuple[Entry, ...] | Problem:
    """Read the JSON text of an answer, in the order it gives."""
    value = read_json(text)
    if isinstance(value, Problem):
        return value
    try:
        whole = _record(value, ("hunks",), "the answer")
        return tuple(_entry(item) for item in _list(whole["hunks"], "hunks"))
    except _Misshapen as error:
        return error.problem


def read_json(text: str) -> object:
    """The value that an answer's text holds, or a `Problem`: no JSON, a key twice, more than is read."""
    if not text.strip():
        return Problem(flaw=Flaw.EMPTY, sentence="the answer is empty")
    if len(text) > MAX_ANSWER:
        return Problem(flaw=Flaw.TOO_LARGE, sentence=f"the answer has {len(text)} characters")
    try:
        return _load(text)
    except _Misshapen as error:
        return error.problem


def _load(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant)
    except (json.JSONDecodeError, RecursionError, UnicodeError, ValueError) as error:
        raise _Misshapen(Flaw.NOT_JSON, f"the answer is no JSON: {error}"[:200]) from error


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise _Misshapen(Flaw.SCHEMA, "a key stands twice in one object")
    return record


def _constant(name: str) -> object:
    raise _Misshapen(Flaw.NOT_JSON, f"{name} is no JSON value")


def _record(value: object, fields: tuple[str, ...], name: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _Misshapen(Flaw.SCHEMA, f"{name} is no object")
    unknown = sorted(set(value) - set(fields))
    if unknown:
        raise _Misshapen(Flaw.UNKNOWN_FIELD, f"{name} has the unknown field {unknown[0][:60]!r}")
    missing = [field for field in fields if field not in value]
    if missing:
        raise _Misshapen(Flaw.SCHEMA, f"{name} lacks the field {missing[0]!r}")
    return value


def _entry(value: object) -> Entry:
    row = _record(value, _FIELDS, "a hunk's answer")
    number = row["id"]
    if not isinstance(number, int) or isinstance(number, bool):
        raise _Misshapen(Flaw.SCHEMA, "an id is no integer")
    action = row["action"]
    if not isinstance(action, str) or action not in {known.value for known in Action}:
        raise _Misshapen(Flaw.SCHEMA, f"hunk {number} has the unknown action {str(action)[:40]!r}")
    return Entry(
        id=number,
        action=Action(action),
        text=_string(row["text"], "text", MAX_ANSWER),
        kept=_notes(row["kept"], "kept"),
        dropped=tuple(_dropped(item) for item in _list(row["dropped"], "dropped")),
        why=_string(row["why"], "why"),
        elsewhere=_notes(row["elsewhere"], "elsewhere"),
    )


def _dropped(value: object) -> Dropped:
    row = _record(value, ("side", "what", "why"), "an entry of 'dropped'")
    side = row["side"]
    if not isinstance(side, str) or side not in {"upstream", "commit"}:
        raise _Misshapen(Flaw.SCHEMA, f"'dropped' names the unknown side {str(side)[:40]!r}")
    return Dropped(side=side, what=_string(row["what"], "what"), why=_string(row["why"], "why"))


def _notes(value: object, name: str) -> tuple[str, ...]:
    return tuple(_string(item, name) for item in _list(value, name))


def _list(value: object, name: str) -> list[object]:
    if not isinstance(value, list):
        raise _Misshapen(Flaw.SCHEMA, f"{name!r} is no list")
    if name != "hunks" and len(value) > MAX_NOTES:
        raise _Misshapen(Flaw.TOO_LARGE, f"{name!r} has {len(value)} entries, more than {MAX_NOTES}")
    return value


def _string(value: object, name: str, most: int = MAX_NOTE) -> str:
    if not isinstance(value, str):
        raise _Misshapen(Flaw.SCHEMA, f"{name!r} is no string")
    if len(value) > most:
        raise _Misshapen(Flaw.TOO_LARGE, f"{name!r} has {len(value)} characters, more than {most}")
    if any(0xD800 <= ord(char) <= 0xDFFF for char in value):  # noqa: PLR2004 (half of a surrogate pair)
        raise _Misshapen(Flaw.SCHEMA, f"{name!r} holds half a character")
    return value
