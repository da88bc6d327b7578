"""Locks between jobs on one machine, by flock: they end with their holder, however it ends."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.git.command import Door
from flowforge.git.objects import disk

_TICK = 0.02


class Lock:
    """One lock file. Shared or exclusive; a second `take` changes the kind."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise disk(error) from error
        self._path = path

    @property
    def handle(self) -> int:
        """The descriptor, for a child that must hold the lock too."""
        return self._file

    def take(self, *, exclusive: bool, door: Door, wait: float) -> None:
        """Wait up to `wait` seconds for the lock.

        Raises:
            Temporary: busy.
            Refused: cancelled.
        """
        kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        until = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(self._file, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                return
            if door.cancelled():
                raise Refused(Reason.CANCELLED, "stopped while waiting for the mirror: the job was cancelled")
            if time.monotonic() > until:
                raise Temporary(
                    Reason.BUSY,
                    f"another job has been using the mirror for more than {wait:g} seconds",
                    delay=10.0,
                    next_action="nothing: the job runs again by itself",
                )
            time.sleep(_TICK)

    def free(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._file)


@contextmanager
def locked(path: Path, *, exclusive: bool, door: Door, wait: float) -> Iterator[Lock]:
    """Hold the lock at `path` for a while."""
    lock = Lock(path)
    try:
        lock.take(exclusive=exclusive, door=door, wait=wait)
        yield lock
    finally:
        lock.close()
