"""JSON as this API reads it: strict, and bounded before it is held in memory.

Refused where the standard library would accept: `NaN` and infinities, the same key twice, nesting deeper than
any request of ours, text that no database can store (NUL, lone surrogates), and more bytes than the limit,
declared or not.
"""

import json
import math
from typing import Any, NoReturn

import falcon
import falcon.asgi
from falcon.media import BaseHandler, JSONHandler

from flowforge.core.errors import Reason, Refused

BODY_LIMIT = 1 << 20  # bytes
DEPTH_LIMIT = 32


class StrictJSON(BaseHandler):
    """Reads a body of at most `limit` bytes; writes with the framework's own handler."""

    def __init__(self, limit: int = BODY_LIMIT) -> None:
        self._limit = limit
        self._writer = JSONHandler()
        self.exhaust_stream = False  # a refused body is not read to its end first

    def serialize(self, media: object, content_type: str) -> bytes:
        return self._writer.serialize(media, content_type)

    async def serialize_async(self, media: object, content_type: str) -> bytes:
        return self._writer.serialize(media, content_type)

    async def deserialize_async(
        self,
        stream: Any,
        content_type: str | None,
        content_length: int | None,
    ) -> object:
        """Read and parse one body.

        Raises:
            MediaNotFoundError: the body is empty.
            Refused: too large, or no JSON as this API reads it.
        """
        if (content_length or 0) > self._limit:
            raise too_large(self._limit)
        body = await read_at_most(stream, self._limit)
        if not body:
            raise falcon.MediaNotFoundError("JSON")
        return parse(body)


async def read_at_most(stream: Any, limit: int) -> bytes:
    """Read to the end, or refuse at the first byte past `limit`: a chunked body declares no length."""
    parts, size = [], 0
    async for part in stream:
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
    return b"".join(parts)


def too_large(limit: int) -> Refused:
    return Refused(
        Reason.TOO_LARGE,
        f"the request's body is larger than {limit} bytes",
        next_action="send less; a pipeline belongs into the repository's .flowforge.yml",
    )


def parse(body: bytes) -> object:
    """Bytes to plain values.

    Raises:
        Refused: reason `malformed`, with what is wrong and never with the text itself.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except Refused:
        raise
    except UnicodeDecodeError as error:
        raise _malformed(f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg.lower()} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _malformed(f"it nests deeper than {DEPTH_LIMIT} levels") from None
    except ValueError:  # an integer of thousands of digits
        raise _malformed("a number in it is too long") from None
    _check(value)
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _malformed("an object in it has the same key twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise _malformed(f"{name} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _malformed("a number in it is too large")
    return value


def _check(value: object) -> None:
    """Depth and storable text, level by level: no recursion for an attacker to exhaust."""
    level = [value]
    for _ in range(DEPTH_LIMIT + 1):
        for item in level:
            if isinstance(item, str):
                _storable(item)
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise _malformed(f"it nests deeper than {DEPTH_LIMIT} levels")


def _children(item: object) -> list[object]:
    if isinstance(item, dict):
        return [*item.keys(), *item.values()]
    return item if isinstance(item, list) else []


def _storable(text: str) -> None:
    if "\0" in text:
        raise _malformed("a text in it holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _malformed("a text in it holds half of a surrogate pair") from None


def _malformed(what: str) -> Refused:
    return Refused(
        Reason.MALFORMED,
        f"the request's body is no JSON that FlowForge reads: {what}",
        next_action="send one JSON object in UTF-8, as /api/v1/openapi.json describes it",
    )
