"""What the model service needs from outside, as Protocols, and the values that cross them.

Each has a form in one process (`in_process`, for `flowforge run` and tests) and one in the service's stores.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from flowforge.core.spend import Usage
from flowforge.hooks.contracts import ModelAnswer


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


class Ledger(Protocol):
    """Money. Reserving is one atomic step over every budget that applies; calls are safe from many threads."""

    def reserve(self, asker: Asker, amount: Decimal) -> str:
        """Set `amount` dollars aside and return the reservation's id.

        Raises:
            Refused: with reason `budget_exhausted`, when a budget or the job's calls do not allow it.
        """
        ...

    def settle(self, reservation: str, cost: Decimal) -> None:
        """Book what the call cost and give the rest back. Settling twice books once."""
        ...

    def release(self, reservation: str) -> None:
        """Give all of it back: nothing was billed."""
        ...


class Limiter(Protocol):
    """Rates: calls a minute and an hour, for user, organization and everybody."""

    def admit(self, asker: Asker, amount: Decimal) -> None:
        """Count one call that may cost `amount`.

        Raises:
            Temporary: with reason `busy` and the delay after which it would be admitted.
        """
        ...


class Cache(Protocol):
    """Answers by exact key; a key names organization, provider, model and the whole question."""

    def get(self, key: str) -> ModelAnswer | None: ...

    def put(self, key: str, answer: ModelAnswer) -> None: ...


class Record(Protocol):
    """Takes every call, whatever became of it: one for the usage table, one for the audit."""

    def __call__(self, call: Call, /) -> None: ...
