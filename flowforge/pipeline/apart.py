"""Calls that nobody can stop, made apart: in a thread that is left behind when nobody waits for it any more.

A thread cannot be killed. One that hangs past a limit or a cancel goes on by itself until whatever it waits for ends;
what it answers then is heard by nobody.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

LOOK = 0.1  # seconds between two looks at whether to go on waiting


@dataclass(kw_only=True)
class Apart(Generic[T]):
    """One call in a thread of its own, and what came of it."""

    run: Callable[[], T]
    answer: T | None = None
    error: BaseException | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> None:
        try:
            self.answer = self.run()
        except BaseException as error:  # noqa: BLE001 (raised again, or told, by who waits)
            self.error = error
        finally:
            self.ended.set()

    def wait(self, name: str, check: Callable[[], object]) -> None:
        """Start, and wait for the end; what `check` raises ends the waiting only."""
        threading.Thread(target=self, name=name, daemon=True).start()
        while not self.ended.wait(LOOK):
            check()


def call_apart(run: Callable[[], T], name: str, check: Callable[[], object]) -> T:
    """What `run` returns or raises, unless `check` raises before it has ended."""
    call = Apart(run=run)
    call.wait(name, check)
    if call.error is not None:
        raise call.error
    return call.answer  # type: ignore[return-value]  # it has ended without an error, so this is run's own
