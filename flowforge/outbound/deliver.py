"""Hand letters of the outbox to whoever delivers them: at least once, with a pause that grows, and an end.

A letter is taken (hidden and counted) in one transaction, delivered outside of any, and settled in another: no row
is locked while a stranger's server thinks. Who dies in between leaves a letter that comes again.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from flowforge.core.errors import FlowForgeError, Temporary
from flowforge.store import outbox
from flowforge.store.database import Database
from flowforge.store.outbox import Letter
from flowforge.store.scope import Actor, Scope

KEPT = 7 * 86400.0  # seconds that a delivered letter stays to be looked at

log = logging.getLogger(__name__)

RELAY = Actor(kind="relay")


class Deliver(Protocol):
    """Carries one letter out. The same letter may come twice; its id says so."""

    def __call__(self, letter: Letter) -> None:
        """Raises:
        Temporary: it may be taken later; its delay is honoured where it is longer than ours.
        FlowForgeError: it never will be.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a letter is tried. Seconds."""

    first: float = 5.0
    longest: float = 3600.0
    attempts: int = 12  # about half a day in all

    def pause(self, attempts: int, draw: float) -> float:
        """Before the next try, after so many: twice as long each time, spread over its upper half by `draw`."""
        whole = min(self.longest, self.first * 2.0 ** max(0, attempts - 1))
        return whole * (0.5 + draw / 2)


@dataclass(frozen=True, kw_only=True)
class Post:
    """Delivers the letters of one kind; any number may run at once."""

    database: Database  # of role ff_system
    kind: str
    deliver: Deliver
    draw: Callable[[], float]  # 0 <= x < 1
    patience: Patience = Patience()
    most: int = 20  # letters taken at once
    hold: float = 120.0  # seconds within which a taken letter must be settled, or it comes again

    def empty(self) -> int:
        """Deliver what is due; returns how many letters were settled for good.

        Raises:
            Temporary: the database is away.
        """
        with self.database.transaction(Scope.system(), actor=RELAY) as transaction:
            letters = outbox.take(transaction, self.kind, most=self.most, hold=self.hold)
        return sum(self._carry(letter) for letter in letters)

    def forget(self) -> int:
        """Delete what was delivered long ago."""
        with self.database.transaction(Scope.system(), actor=RELAY) as transaction:
            return outbox.forget(transaction, KEPT)

    def _carry(self, letter: Letter) -> bool:
        try:
            self.deliver(letter)
        except Temporary as error:
            if letter.attempts < self.patience.attempts:
                return self._later(letter, error)
            return self._done(letter, f"given up after {letter.attempts} tries: {error.sentence}")
        except FlowForgeError as error:
            return self._done(letter, f"{error.reason}: {error.sentence}")
        except Exception as error:
            log.exception("letter %s: a bug in its delivery", letter.id)
            return self._done(letter, f"internal_error: {type(error).__name__}")
        return self._done(letter, "")

    def _later(self, letter: Letter, error: Temporary) -> bool:
        delay = max(error.delay, self.patience.pause(letter.attempts, self.draw()))
        with self.database.transaction(Scope.system(), actor=RELAY) as transaction:
            outbox.later(transaction, letter.id, delay, error.sentence)
        return False

    def _done(self, letter: Letter, error: str) -> bool:
        if error:
            log.warning("letter %s (%s of job %s): %s", letter.id, letter.kind, letter.job, error)
        with self.database.transaction(Scope.system(), actor=RELAY) as transaction:
            outbox.done(transaction, letter.id, error=error)
        return True


def nobody_to_tell(letter: Letter) -> None:
    """For an installation without git hosts: every letter is delivered as it is taken."""
