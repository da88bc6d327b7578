"""Watch one started command to its end: read what it says, hold its limits, kill it as a whole.

Ends are seen from outside only: by the process's own exit, by counters of its control group, by the clock.
Nothing that the command writes can look like an end.
"""

import os
import select
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from flowforge.sandbox.contract import Why

_LOOK = 0.05  # seconds between two looks at limits and at `cancelled`
_READ = 1 << 16
_DRAIN = 1.0  # seconds for output still in the pipe once the command has ended


@dataclass(frozen=True, kw_only=True)
class Watched:
    """How it ended: raw exit status as subprocess gives it, and what was read."""

    returncode: int
    why: Why
    output: int
    seconds: float


@dataclass(kw_only=True)
class Supervisor:
    """One command being watched. `kill` must leave nothing of it alive; `broken` names a limit it broke."""

    process: subprocess.Popen[bytes]
    said: int  # reading end of the pipe that its output goes to
    timeout: float
    allowed: int  # bytes of output
    on_output: Callable[[bytes], None]
    cancelled: Callable[[], bool]
    kill: Callable[[], None]
    broken: Callable[[], Why]
    _seen: int = 0
    _why: Why = Why.EXITED
    _started: float = field(default_factory=time.monotonic)

    def watch(self, release: Callable[[], None]) -> Watched:
        """Release it, and stay until it has ended or was killed; whatever is raised, it is dead afterwards."""
        try:
            release()
            self._follow()
        finally:
            self.kill()
            self.process.wait()
        return Watched(
            returncode=self.process.returncode,
            why=self._why,
            output=self._seen,
            seconds=time.monotonic() - self._started,
        )

    def _follow(self) -> None:
        pipe = self.said
        os.set_blocking(pipe, False)
        ended = os.pidfd_open(self.process.pid)
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        poll.register(ended, select.POLLIN)
        try:
            self._loop(poll, pipe, ended)
        finally:
            os.close(ended)

    def _loop(self, poll: select.poll, pipe: int, ended: int) -> None:
        looked = 0.0
        while self._why is Why.EXITED:
            ready = {descriptor for descriptor, _event in poll.poll(_LOOK * 1000)}
            if pipe in ready and not self._read(pipe):
                poll.unregister(pipe)
            if ended in ready:
                self.kill()  # what it left behind must not write on
                self._drain(pipe)
                self._why = self._why or self.broken()
                return
            if time.monotonic() - looked >= _LOOK:
                self._why = self._why or self._look()
                looked = time.monotonic()

    def _look(self) -> Why:
        if time.monotonic() - self._started > self.timeout:
            return Why.TIMEOUT
        return Why.CANCELLED if self.cancelled() else self.broken()

    def _drain(self, pipe: int) -> None:
        end = time.monotonic() + _DRAIN
        while self._why is Why.EXITED and time.monotonic() < end and self._read(pipe):
            continue

    def _read(self, pipe: int) -> bool:
        """Hand on what is there; False where the pipe is empty and closed, or empty for now."""
        try:
            part = os.read(pipe, _READ)
        except BlockingIOError:
            return False
        room = self.allowed - self._seen
        if part[:room]:
            self.on_output(part[:room])
        self._seen += min(len(part), room)
        if len(part) > room:
            self._why = Why.OUTPUT_LIMIT
        return bool(part)


@dataclass(kw_only=True)
class DiskWatch:
    """Whether a folder has grown by more than `allowed` bytes, asked often and answered cheaply.

    Free space is looked at each time; the folder is only counted when that has shrunk by what is allowed.
    """

    folder: Path
    allowed: int
    _free: int = field(init=False)
    _size: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._free = _free(self.folder)

    def grown(self) -> bool:
        free = _free(self.folder)
        if self._free - free <= self.allowed - self._size:
            return False
        self._size, self._free = _size(self.folder), free
        return self._size > self.allowed


def _free(folder: Path) -> int:
    space = os.statvfs(folder)
    return space.f_bfree * space.f_frsize


def _size(folder: Path) -> int:
    """Bytes on disk of every file below; what vanishes while we count is not counted."""
    total = 0
    for place, _folders, files in os.walk(folder, onerror=None):
        for name in files:
            try:
                total += os.lstat(os.path.join(place, name)).st_blocks * 512  # noqa: PTH118 (many files)
            except OSError:
                continue
    return total
