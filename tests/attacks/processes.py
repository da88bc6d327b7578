"""What other processes of the machine could read of a service's children: their words and their environment."""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

PART = b"flowforge.wiring.child"  # a process of the service itself: its environment is its settings
PAUSE = 0.02  # seconds between two looks
_WRAPPER = """#!/bin/sh
{{ printf '%s\\0' "$@"; cat /proc/$$/environ; echo; }} >> {record}
exec {real} "$@"
"""


@dataclass(kw_only=True)
class Watch:
    """Looks at /proc again and again while it is entered, and keeps a record of every git that was started by name."""

    folder: Path
    seen: dict[int, bytes] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def text(self) -> bytes:
        return b"\n".join([*self.seen.values(), self.gits])

    @property
    def gits(self) -> bytes:
        return record(self.folder).read_bytes()

    def _look(self) -> None:
        roots = {pid for pid in _pids() if _parent(pid) == os.getpid() and PART in _words(pid)}
        while not self._stop.wait(PAUSE):
            parents = {pid: parent for pid in _pids() if (parent := _parent(pid))}
            for pid in parents:
                if _descends(pid, parents, roots):
                    self._note(pid)

    def _note(self, pid: int) -> None:
        try:
            words = _words(pid)  # first: the environment that is read after it is no older
            if words and PART not in words:
                self.seen[pid] = words + b"\n" + Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:  # it has just ended
            return


def record(folder: Path) -> Path:
    return folder / "gits"


def recording_git(folder: Path, real: str) -> str:
    """A PATH whose `git` writes down what it was started with, before it is git."""
    (folder / "bin").mkdir()
    wrapper = folder / "bin" / "git"
    wrapper.write_text(_WRAPPER.format(record=record(folder), real=real))
    wrapper.chmod(0o755)
    record(folder).touch()
    return f"{folder / 'bin'}:{os.environ['PATH']}"


def _pids() -> list[int]:
    return [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _parent(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def _descends(pid: int, parents: Mapping[int, int], roots: set[int]) -> bool:
    while pid in parents:
        pid = parents[pid]
        if pid in roots:
            return True
    return False
