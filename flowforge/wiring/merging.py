"""`flowforge merge-file` and `merge-driver`: git's own merge first, and in its place only what is better than it.

Git calls the driver for every file, so little is imported here: what reads texts as trees is, in a child that may
crash, hang or be killed, and only where git leaves a conflict. Until that child has answered, git's own merge stands
in the file.
"""

import importlib
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flowforge.core.conflict import Conflict
from flowforge.core.markers import Markers
from flowforge.git.mergefile import MergeAsked, ThreeFiles, merge_file

OPEN = "flowforge.git.openfile", "conflict_of"  # (ThreeFiles, path) -> Conflict | None
ANSWER = "flowforge.wiring.answering", "answer"  # (MergeAsked, Conflict) -> bytes, as `packed`
_DEADLINE = 15.0  # seconds a file
_MEMORY = 2 << 30  # bytes of the child
_MOST, _CANNOT = 127, 255  # of exit codes: conflicts, and git's own for files that cannot be merged
_WORDS, _ALL, _NO_MEMORY = 5, "--all", "--no-memory"


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What came of the rungs: the text, how many conflicts they answered and left, a line for each thing to tell."""

    text: bytes
    left: int
    answered: int = 0
    told: tuple[str, ...] = ()


def driven(words: list[str]) -> int | None:
    """What git calls, `[--all] [--no-memory] %O %A %B %L %P`, without a parser for options; None for any other call."""
    options = [word for word in words[:-_WORDS] if word in {_ALL, _NO_MEMORY}]
    given = words[len(options) :]
    if len(given) != _WORDS or given[0].startswith("-") or not given[3].isdigit():
        return None
    base, current, other, size, path = given
    files = ThreeFiles(current=Path(current), base=Path(base), other=Path(other))
    if not 0 < int(size) <= 1000:  # noqa: PLR2004 (as the option says)
        return None
    return merge_asked(
        MergeAsked(
            files=files,
            path=path,
            markers=Markers(size=int(size)),
            every=_ALL in options,
            driver=True,
            memory=_NO_MEMORY not in options,
        )
    )


def merge_asked(asked: MergeAsked) -> int:
    """Merge, write, and return the exit code: how many conflicts are left, or 255 where nothing could be merged."""
    own = merge_file(asked.files, asked.markers)
    if own is None:
        _say(asked, "git cannot merge these files; none was changed")
        return 1 if asked.driver else _CANNOT
    answered = Answered(text=own.text, left=own.conflicts)
    try:
        conflict = _open(asked) if own.conflicts else None
        if not asked.stdout:
            _write(asked.files.current, own.text)
        if conflict is not None:
            answered = _better(answered, _apart(asked, conflict))
            if not asked.stdout and answered.text != own.text:
                _write(asked.files.current, answered.text)
    except OSError as error:
        _say(asked, f"{str(asked.files.current)!r} cannot be written: {error.strerror}")
        return 1 if asked.driver else _CANNOT
    for line in answered.told:
        _say(asked, line)
    if asked.stdout:
        sys.stdout.buffer.write(answered.text)
        sys.stdout.buffer.flush()
    return min(answered.left, _MOST)


def _better(own: Answered, found: Answered | None) -> Answered:
    """Git's own merge, unless the rungs answered something."""
    if found is None or found.answered:
        return found or own
    return replace(own, told=found.told)


def _open(asked: MergeAsked) -> Conflict | None:
    """What git left open, read before its own merge takes the file's place."""
    found: Conflict | None = None
    try:
        found = _named(OPEN)(asked.files, asked.path)
    except Exception as error:  # noqa: BLE001 (whatever is wrong with a text: git's own merge stands)
        _say(asked, f"git's own merge stands: {type(error).__name__}: {error}")
    return found


def _named(load: tuple[str, str]) -> Callable[..., Any]:
    """What is imported only where it is needed."""
    found: Callable[..., Any] = getattr(importlib.import_module(load[0]), load[1])
    return found


def _say(asked: MergeAsked, line: str) -> None:
    with suppress(OSError):
        print(f"flowforge: {asked.path}: {line}".encode("utf-8", "replace").decode(), file=sys.stderr)


def _write(place: Path, text: bytes) -> None:
    """Whole or not at all: beside the file first, then in its place; a link's target is written, not the link."""
    real = place.resolve()
    handle, name = tempfile.mkstemp(prefix=".flowforge-", dir=real.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
        shutil.copymode(real, name)
        Path(name).replace(real)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


# ------------------------------------------------------------------------------------------------- the child


def _apart(asked: MergeAsked, conflict: Conflict) -> Answered | None:
    """What the rungs make of it, found out in a child; None where that is nothing, or (with a line) failed."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(asked, conflict, writer)
    os.close(writer)
    try:
        got = _taken(reader, time.monotonic() + _DEADLINE)
    finally:
        os.close(reader)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    answered = _read(got) if got is not None else None
    if answered is None:
        why = "it took too long" if got is None else f"the rungs failed (status {status})"
        _say(asked, f"git's own merge stands: {why}")
    return answered


def _child(asked: MergeAsked, conflict: Conflict, writer: int) -> None:
    """Never returns: whatever happens here, the caller's stack is not unwound twice."""
    try:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        answer: bytes = _named(ANSWER)(asked, conflict)
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(answer)
    except BaseException as error:  # noqa: BLE001 (this process ends here, with whatever it met)
        with suppress(BaseException):
            _say(asked, f"{type(error).__name__}: {error}")
        os._exit(1)
    os._exit(0)


def _taken(reader: int, until: float) -> bytes | None:
    """Everything that the child writes; None where it is not done by then."""
    parts: list[bytes] = []
    while select.select([reader], [], [], max(0.0, until - time.monotonic()))[0]:
        piece = os.read(reader, 1 << 20)
        if not piece:
            return b"".join(parts)
        parts.append(piece)
    return None


def packed(answered: Answered) -> bytes:
    """As bytes: three numbers, a line for each thing to tell, the text; and a mark by which the end is known."""
    lines = (" ".join(line.split()) for line in answered.told)
    head = f"{answered.left} {answered.answered} {len(answered.told)}\n"
    head += "".join(f"{line}\n" for line in lines)
    return head.encode("utf-8", "replace") + answered.text + b"."


def _read(got: bytes) -> Answered | None:
    head, _, rest = got.partition(b"\n")
    numbers = head.split()
    if len(numbers) != 3 or not rest.endswith(b"."):  # noqa: PLR2004 (as packed)
        return None
    left, count, lines = map(int, numbers)
    *told, text = rest[:-1].split(b"\n", lines)
    return Answered(
        text=text, left=left, answered=count, told=tuple(line.decode("utf-8", "replace") for line in told)
    )
