"""The life of one claimed job inside a worker, as the doors to other processes see it."""

from typing import Protocol


class Session(Protocol):
    """Every door that starts processes for a job (git, sandbox, pool) asks it whether to go on.

    `cancelled` is asked several times a second; True means: kill what runs and raise `Refused(cancelled)`. Who
    starts a process in a session of its own may also lend its group, so that it dies at once when the lease is
    lost or the worker ends, even if the thread that waits for it does not get to ask::

        session.adopt(child.pid)
        try:
            ...
        finally:
            session.release(child.pid)  # before it is reaped: a pid that is free may be another's
    """

    def cancelled(self) -> bool: ...

    def adopt(self, group: int) -> None:
        """Lend a process group; it is killed at once when the session has stopped already."""
        ...

    def release(self, group: int) -> None:
        """Take it back; unknown groups are ignored."""
        ...
