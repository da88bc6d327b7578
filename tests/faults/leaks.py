"""Where a secret may not be: the forms that it can take, and the places in which something is kept."""

import base64
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from flowforge.queues.connection import connect

if TYPE_CHECKING:  # the oracle asks this module
    from tests.faults.oracle import Truth

USER = "bot"
_ASKED = "SELECT '{0}' AS name WHERE EXISTS (SELECT FROM {0} t, unnest(%(patterns)s) p WHERE t::text LIKE p ESCAPE '!')"
PACKED = "objects"  # git's own store: compressed, so that no search finds anything; commits come from outside anyway


def forms(secret: str) -> set[bytes]:
    """How a secret might look where it must not be."""
    raw = secret.encode()
    pair = f"{USER}:{secret}".encode()
    return {raw, raw[::-1], raw.hex().encode(), base64.b64encode(raw), base64.b64encode(pair)}


def files_with(folder: Path, words: Iterable[bytes]) -> list[str]:
    """Files below a folder that hold any of the words."""
    words = tuple(words)
    return [str(path) for path in _files(folder) if _any(_content(path), words)]


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != PACKED]
        yield from (path for name in names if (path := Path(place, name)).is_file() and not path.is_symlink())


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has just been removed
        return b""


def _any(text: bytes, words: tuple[bytes, ...]) -> bool:
    return any(word in text for word in words)


def tables_with(truth: "Truth", words: Iterable[bytes]) -> list[str]:
    """Tables with a row that holds any of the words, in text or in bytes."""
    texts = [text for word in words for text in (word.decode(), word.hex())]
    patterns = [f"%{text.replace('_', '!_')}%" for text in texts]
    names = truth.rows(
        "SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'public' AND c.relkind = 'r'"
    )
    assert len(names) > 20
    asked = " UNION ALL ".join(_ASKED.format(row["name"]) for row in names)
    return [row["name"] for row in truth.rows(asked, patterns=patterns)]


def keys_with(redis_url: str, words: Iterable[bytes]) -> list[str]:
    """Keys of Redis whose name or value holds any of the words."""
    words = tuple(words)
    with connect(redis_url) as client:
        return [name.decode() for name in client.keys("*") if _any(name + _value(client, name), words)]


def _value(client: object, name: bytes) -> bytes:
    read = {
        b"string": ("GET",),
        b"list": ("LRANGE", 0, -1),
        b"set": ("SMEMBERS",),
        b"zset": ("ZRANGE", 0, -1),
        b"hash": ("HGETALL",),
        b"stream": ("XRANGE", "-", "+"),
    }
    ask = client.execute_command  # type: ignore[attr-defined]  # a Redis, which only `queues` imports
    kind = ask("TYPE", name)
    if kind not in read:  # it has just expired
        return b""
    command, *rest = read[kind]
    return repr(ask(command, name, *rest)).encode()
