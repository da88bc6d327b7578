"""Named places at which a test may kill or stop the process, so that a fault strikes where it is meant to.

Off, and costing one look at the environment, unless FLOWFORGE_TEST_MODE=1. Then FLOWFORGE_FAILPOINTS lists
`name:action`, separated by commas: `push.after_remote:kill9@2` kills the process with SIGKILL when it comes to that
place for the second time; without a number it is the first. The places are listed in `flowforge/docs/faults.md`.
"""

import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from flowforge.core.errors import Broken, Reason

MODE, LIST = "FLOWFORGE_TEST_MODE", "FLOWFORGE_FAILPOINTS"

ACTIONS: Mapping[str, int] = {"kill9": signal.SIGKILL, "stop": signal.SIGSTOP}
_ENTRY = re.compile(r"(?P<name>[a-z_]+(\.[a-z_]+)+):(?P<action>[a-z0-9]+)(@(?P<time>[1-9]\d{0,5}))?")


def failpoint(name: str) -> None:
    """Say that this place was reached. Does nothing outside test mode."""
    if os.environ.get(MODE) == "1":
        _planned(os.environ.get(LIST, "")).reach(name)


def signal_self(number: int) -> None:
    """Sent to this very thread: what is sent to the process may reach another thread first, and this one runs on."""
    signal.raise_signal(number)


@dataclass(kw_only=True)
class Failpoints:
    """What shall happen where: (name, how often it was reached) -> signal. Any thread may reach a place."""

    plan: Mapping[tuple[str, int], int]
    act: Callable[[int], None] = signal_self
    _reached: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def reach(self, name: str) -> None:
        with self._lock:
            self._reached[name] += 1
            number = self.plan.get((name, self._reached[name]))
        if number is not None:
            self.act(number)


def parse(text: str) -> Mapping[tuple[str, int], int]:
    """Read the list.

    Raises:
        Broken: an entry is not `name:action` or `name:action@time`, or its action is unknown.
    """
    plan: dict[tuple[str, int], int] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        found = _ENTRY.fullmatch(entry)
        if found is None or found["action"] not in ACTIONS:
            raise Broken(
                Reason.CONFIGURATION,
                f"{LIST}: {entry!r} is no failpoint",
                next_action=f"write name:action or name:action@time; actions are {', '.join(ACTIONS)}",
            )
        plan[found["name"], int(found["time"] or 1)] = ACTIONS[found["action"]]
    return plan


@cache  # the counts live as long as the process, one set for each list
def _planned(text: str) -> Failpoints:
    return Failpoints(plan=parse(text))
