"""A circuit breaker: what a provider is known to answer is not asked again by every call that comes.

Closed, every call goes through. Some outages in a row, or too many among the last minute's calls, open it for all models
of the provider; a key that is not accepted, or an account that is not billed, opens it at once for the model that was
asked for. Open, calls are answered without being sent. After the server's own delay and a random part of a growing one,
one call is sent to try: its success closes the breaker, its failure keeps it open for longer. What is refused because of
one request says nothing about the others and is not counted.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from flowforge.core.errors import Broken, FlowForgeError, Reason, Temporary

AFTER: Final = 5  # outages in a row
WINDOW: Final = 60.0  # seconds whose calls are looked at
SHARE, LEAST = 0.5, 10  # of at least so many calls in the window, outages
FIRST, LONGEST = 5.0, 300.0  # seconds of our first pause, and of our longest
REFUSED: Final = 60.0  # seconds before a key or account that was not accepted is tried again

Moved = Callable[[str, FlowForgeError | None], None]  # whose, and the error it opened with; None = it closed


@dataclass(kw_only=True)
class _Circuit:
    """What is known of one provider, or of one of its models."""

    name: str
    error: FlowForgeError | None = None  # with which it opened; None = closed
    until: float = 0.0  # on the clock: no call before
    probing: bool = False  # the one call that tries is on its way
    opened: int = 0  # how often in a row
    in_a_row: int = 0  # outages
    past: deque[tuple[float, bool]] = field(default_factory=deque)  # when, and whether it was an outage

    def stands_in_the_way(self, now: float) -> bool:
        return self.error is not None and (self.probing or now < self.until)

    def close(self) -> bool:
        """True where it was open."""
        was_open = self.error is not None
        self.error, self.probing, self.opened, self.in_a_row = None, False, 0, 0
        return was_open

    def open(self, error: FlowForgeError, until: float) -> bool:
        """True where it was closed."""
        was_closed = self.error is None
        self.error, self.until, self.probing, self.opened = error, until, False, self.opened + 1
        self.past.clear()
        return was_closed

    def note(self, now: float, *, outage: bool) -> None:
        self.in_a_row = self.in_a_row + 1 if outage else 0
        self.past.append((now, outage))
        while self.past[0][0] <= now - WINDOW:
            self.past.popleft()

    def too_many(self, after: int) -> bool:
        outages = sum(outage for _, outage in self.past)
        return self.in_a_row >= after or (len(self.past) >= LEAST and outages >= SHARE * len(self.past))


class Breaker:
    """Of one provider in one process. Every call that `admit` let through comes back by `done` or `unsent`.

    `after` outages in a row open it; 0 = it never opens. `moved` hears of every opening and closing.
    """

    def __init__(
        self,
        provider: str,
        *,
        clock: Callable[[], float],
        random: Callable[[], float],
        after: int = AFTER,
        moved: Moved = lambda _whose, _error: None,
    ) -> None:
        self._provider, self._after, self._moved = provider, after, moved
        self._clock, self._random = clock, random
        self._whole = _Circuit(name=provider)
        self._models: dict[str, _Circuit] = {}
        self._lock = threading.Lock()

    def admit(self, model: str) -> None:
        """Let a call pass, or answer in the provider's place.

        Raises:
            Temporary: with reason `model_unavailable`, and the time until a call is tried again as its delay.
            Broken: the key or the account is not accepted, in the provider's words.
        """
        with self._lock:
            now, circuits = self._clock(), self._of(model)
            shut = next((one for one in circuits if one.stands_in_the_way(now)), None)
            if shut is not None:
                raise self._in_its_place(shut, now)
            for circuit in circuits:
                circuit.probing = circuit.error is not None

    def unsent(self, model: str) -> None:
        """A call that was let through was not made after all."""
        with self._lock:
            for circuit in self._of(model):
                circuit.probing = False

    def done(self, model: str, error: FlowForgeError | None) -> None:
        """Learn from how a call ended; None = it was answered."""
        if not self._after:
            return
        with self._lock:
            whole, own = self._of(model)
            if isinstance(error, Temporary):
                own.probing = False
                moved = self._failed(whole, error) if _is_outage(error) else []
            elif isinstance(error, Broken) and error.reason is Reason.CONFIGURATION:
                moved = self._answered(whole)
                moved += [(own.name, error)] if own.open(error, self._clock() + REFUSED) else []
            else:
                moved = self._answered(whole) + ([(own.name, None)] if own.close() else [])
            whole.probing = False
        for whose, what in moved:
            self._moved(whose, what)

    def _of(self, model: str) -> tuple[_Circuit, _Circuit]:
        own = self._models.setdefault(model, _Circuit(name=f"{self._provider}/{model}"))
        return self._whole, own

    def _answered(self, whole: _Circuit) -> list[tuple[str, FlowForgeError | None]]:
        whole.note(self._clock(), outage=False)
        return [(whole.name, None)] if whole.close() else []

    def _failed(self, whole: _Circuit, error: Temporary) -> list[tuple[str, FlowForgeError | None]]:
        now = self._clock()
        whole.note(now, outage=True)
        if whole.error is not None and not whole.probing:  # it was sent before the breaker opened
            return []
        if not whole.probing and not whole.too_many(self._after):
            return []
        ours = min(LONGEST, FIRST * 2.0 ** min(whole.opened, 16))
        until = now + error.delay + self._random() * ours
        return [(whole.name, error)] if whole.open(error, until) else []

    def _in_its_place(self, shut: _Circuit, now: float) -> FlowForgeError:
        error = shut.error
        assert error is not None  # noqa: S101 (it stands in the way; for the type checker)
        if isinstance(error, Broken):
            return Broken(error.reason, error.sentence, next_action=error.next_action)
        return Temporary(
            Reason.MODEL_UNAVAILABLE,
            f"the model provider {self._provider!r} is not asked for now, as it failed too often: {error.sentence}",
            delay=max(1.0, shut.until - now),
            next_action="nothing: the job asks again later; if it lasts, look at the provider's status page",
        )


def _is_outage(error: Temporary) -> bool:
    return error.reason is Reason.MODEL_UNAVAILABLE
