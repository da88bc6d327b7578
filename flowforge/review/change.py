"""A change as it is looked at: files with the lines that are new in them, and what is not looked at, with the reason.

What a file holds that is not shown is told, never passed over: a report that lists no finding in it says so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from flowforge.core.conflict import split_lines
from flowforge.merge.manifests import made_from
from flowforge.resolve.policy import PROTECTED, matches
from flowforge.resolve.suitable import GENERATED, KEYS, MAX_LINE, says_generated

MAX_BYTES: Final = 512 << 10  # of a file that is looked at
MAX_PATH: Final = 500  # characters
MINIFIED: Final = 200  # bytes of a line on average, where one is longer than MAX_LINE
LOCKFILES: Final = tuple(
    glob for glob in PROTECTED if "lock" in glob or glob in {"go.sum", "npm-shrinkwrap.json"}
)

Secrets = Callable[[str], Sequence[str]]  # names of the kinds of secret in a text


@dataclass(frozen=True, kw_only=True)
class ChangedFile:
    """One file of the result. Lines are without their ends, and numbered from 1."""

    path: str
    language: str  # id, "" = unknown
    lines: tuple[str, ...]
    introduced: frozenset[int]  # lines that the base did not have, and that are shown
    removed: Mapping[int, tuple[str, ...]] = field(default_factory=dict)  # lines taken away before line N
    hidden: frozenset[int] = frozenset()  # introduced lines that are too long to be shown


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """What nobody looked at."""

    path: str
    why: str  # a few words, the same for all paths with that reason


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a review looks at."""

    messages: tuple[str, ...]  # of its commits, oldest first
    files: tuple[ChangedFile, ...]
    unseen: tuple[Unseen, ...] = ()


def why_unseen(path: str, text: bytes, secrets: Secrets) -> str:
    """Why a file's text is sent to no model, in a few words; "" where it may be."""
    if not path.isprintable() or len(path) > MAX_PATH:
        return "its name cannot be shown"
    if matches(KEYS, path.lower()):
        return "made to hold secrets"
    if matches(LOCKFILES, path) or made_from(path, text) is not None:
        return "a lockfile"
    if matches(GENERATED, path) or says_generated(text):
        return "generated or foreign"
    if len(text) > MAX_BYTES:
        return f"more than {MAX_BYTES >> 10} KiB"
    return _why_unread(text, secrets)


def _why_unread(text: bytes, secrets: Secrets) -> str:
    try:
        shown = text.decode()
    except UnicodeDecodeError:
        return "not UTF-8 text"
    if "\0" in shown:
        return "binary"
    lines = split_lines(text)
    if max(map(len, lines), default=0) > MAX_LINE and len(text) > MINIFIED * len(lines):
        return "minified"
    return "holds what looks like a secret" if secrets(shown) else ""


def looked_at(
    path: str,
    language: str,
    text: bytes,
    introduced: frozenset[int],
    removed: Callable[[], Mapping[int, Sequence[bytes]]],
    secrets: Secrets,
) -> ChangedFile | Unseen:
    """The file as it is shown, or why it is not; `removed` is asked only of what is shown so far."""
    why = why_unseen(path, text, secrets)
    if not why and not introduced:
        why = "lines are taken away only"
    shown = {} if why else removed()
    gone = {at: tuple(_line(line) for line in lines) for at, lines in shown.items()}
    if secrets("\n".join(line for lines in gone.values() for line in lines)):
        why = "holds what looks like a secret"
    if why:
        return Unseen(path=path, why=why)
    lines = split_lines(text)
    hidden = frozenset(number for number in introduced if len(lines[number - 1]) > MAX_LINE)
    return ChangedFile(
        path=path,
        language=language,
        lines=tuple(map(_line, lines)),
        introduced=introduced - hidden,
        removed=gone,
        hidden=hidden,
    )


def _line(line: bytes) -> str:
    return line.rstrip(b"\r\n").decode(errors="replace")
