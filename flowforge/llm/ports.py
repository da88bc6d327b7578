"""What the model service needs from outside, as Protocols, and the values that cross them.

Each has a form in one process (`in_process`, for `flowforge run` and tests) and one in the service's stores.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from flowforge.core.errors import Reason, Temporary
from flowforge.core.spend import Usage
from flowforge.hooks.contracts import ModelAnswer


def _never() -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Asker:
    """For whom a call is made, and the caps of the job it is made in."""

    organization: UUID
    user: UUID | None = None
    repository: UUID | None = None
    job: UUID | None = None
    priority: int = 5  # 0-9 as in the job's row; low is 0-3
    job_usd: Decimal = Decimal("2.00")  # all calls of the job together
    job_calls: int = 40  # calls that may cost something
    line: str = ""  # a line of the job's money that the call counts under too, as "review"; "" = none
    line_usd: Decimal = Decimal(0)  # all calls of that line together
    batch: bool = False  # its questions may be answered later, where its priority is low
    waits: bool = True  # for what passes by itself; False: it has waited long enough, and goes to a person
    cancelled: Callable[[], bool] = field(default=_never, compare=False, repr=False)  # nobody waits any more


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call as it is booked and audited; never its text."""

    asker: Asker
    provider: str
    model: str
    operation: str  # resolve | repair | review
    result: str  # end, max_tokens, refusal, other, cut, or the reason of the error
    usage: Usage
    cost: Decimal  # US dollars
    milliseconds: int
    cache_hit: bool  # answered from our own store: nothing was sent, nothing is billed
    request_id: str  # the provider's, for its support
    prompt_hash: str  # SHA-256 of the text that was sent
    reservation: str = ""  # under which it was settled; "" where nothing was billed
    saved: Decimal = Decimal(0)  # of an answer from store: what it would cost now


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is about to be asked, and the exact key of its answer."""

    asker: Asker
    key: str  # names organization, provider, model, version of the prompts and the whole question
    provider: str
    model: str
    operation: str
    version: str = ""  # of the prompts


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A question that was handed in and not collected yet."""

    id: str  # the provider's
    reservation: str
    age: float  # seconds


class Books(Protocol):
    """Money, answers and records of calls, which change together or not at all. Safe from many threads.

    The life of a reservation: `reserve`, then `begin`, then `settle` or `release`. One that nobody ends expires: it is
    given back where its call never began, and booked at its worst where it did.
    """

    def reserve(self, asker: Asker, amount: Decimal) -> str:
        """Set `amount` dollars aside under every budget that applies, in one step; returns the reservation's id.

        Raises:
            Refused: with reason `budget_exhausted`, when a budget or the job's calls do not allow it.
        """
        ...

    def answered(self, query: Query) -> ModelAnswer | None:
        """The answer that was stored for this query, if there is one."""
        ...

    def begin(self, reservation: str, query: Query) -> ModelAnswer | None:
        """The stored answer; or None, and it is noted that the call is sent now.

        Raises:
            Temporary: the reservation has ended; nothing must be sent.
        """
        ...

    def submitted(self, reservation: str, query: Query, batch: str) -> None:
        """Note that the question is in a batch, and hold its reservation for as long as that may take."""
        ...

    def batch_of(self, query: Query) -> Batch | None:
        """The batch that this question is in, for as long as its reservation stands."""
        ...

    def abandoned(self, provider: str) -> Sequence[tuple[Query, Batch]]:
        """Some batches whose jobs have ended, and whose reservations stand."""
        ...

    def settle(self, call: Call, query: Query, answer: ModelAnswer | None) -> None:
        """Book what the call cost in place of its reservation, record it, and store its answer: all of it, once.

        Done twice it is done once. `answer` is None where there is none that is worth to be used again.
        """
        ...

    def release(self, reservation: str, call: Call | None = None) -> None:
        """Give all of it back, since nothing was billed, and record the call if one was made."""
        ...

    def note(self, call: Call) -> None:
        """Record a call for which nothing was reserved: it was answered from the store."""
        ...


class Limiter(Protocol):
    """Rates: requests, tokens and cost in a time, for user, organization and everybody."""

    def admit(self, asker: Asker, tokens: int, amount: Decimal) -> None:
        """Count one call of at most so many tokens and dollars.

        Raises:
            Temporary: with reason `model_limit` and the delay after which it would be admitted.
            Refused: it never would be.
        """
        ...


class Told(Protocol):
    """Hears of every call once it is recorded, whatever became of it."""

    def __call__(self, call: Call, /) -> None: ...


def ended(reservation: str) -> Temporary:
    """Of a reservation that cannot carry a call any more: the next attempt makes another."""
    return Temporary(
        Reason.SERVICE_UNAVAILABLE,
        f"the reservation {reservation} of a model call ended before the call was made",
        delay=0.5,
        next_action="nothing: the call is tried again",
    )
