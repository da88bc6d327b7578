"""Values on their way into and out of the driver. Nothing is registered globally."""

import json
from collections.abc import Mapping
from typing import Any

import psycopg2.extras


def as_json(value: object) -> Any:
    """Store `value` as jsonb, whatever it is (a bare list would be stored as an array)."""
    return _Jsonb(_clean(value), dumps=_dumps)


class _Jsonb(psycopg2.extras.Json):
    """Says its type, so that it is jsonb also where no column does."""

    def getquoted(self) -> bytes:
        return super().getquoted() + b"::jsonb"


def to_database(value: object) -> Any:
    if isinstance(value, Mapping):
        return as_json(value)
    if type(value) is str:
        return _clean_text(value)
    return value


def to_python(value: Any) -> Any:
    """The driver gives bytea as memoryview, which compares and slices unlike bytes."""
    return bytes(value) if isinstance(value, memoryview) else value


def _dumps(value: object) -> str:
    return json.dumps(value, default=str, allow_nan=False)


def _clean(value: object) -> object:
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, Mapping):
        return {_clean_text(str(name)): _clean(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(part) for part in value]
    return value


def _clean_text(text: str) -> str:
    """Replace what Postgres cannot store in text: NUL and halves of surrogate pairs (undecodable paths).

    A job's end must be written even when the sentence quotes a hostile file name.
    """
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass").decode(errors="replace")
    return text
