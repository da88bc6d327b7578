"""Questions that may be answered later, at the provider's price for batches: asked now, collected when the job comes again.

A batch is one question. Its id stands in the books with its reservation, so any worker collects it, and it is paid once.
A worker that is killed between handing a question in and noting its id leaves a reservation that is booked at its worst.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Protocol

from flowforge.core.errors import FlowForgeError, Reason, Temporary
from flowforge.core.spend import Usage, booked, sane
from flowforge.hooks.contracts import BatchProvider, ModelAnswer, ModelRequest
from flowforge.llm.ports import Batch, Books, Call, Query
from flowforge.llm.prices import Prices

LOW: Final = 3  # the highest priority whose jobs may wait for a batch
SOONEST, LATEST = 60.0, 900.0  # seconds between two looks at a batch
LIMIT: Final = 60.0  # seconds for one request to the provider


class MakeCall(Protocol):
    """A call about the question, as it is booked."""

    def __call__(
        self,
        result: str,
        *,
        usage: Usage = ...,
        cost: Decimal = ...,
        request_id: str = "",
        reservation: str = "",
    ) -> Call: ...


@dataclass(frozen=True, kw_only=True)
class Later:
    """One question that is asked in a batch."""

    provider: BatchProvider
    books: Books
    prices: Prices
    request: ModelRequest
    query: Query
    worst: Decimal
    tell: Callable[[Call, Callable[[], None]], None]  # book, patiently, and let everybody know
    call: MakeCall

    def collect(self, batch: Batch) -> ModelAnswer | None:
        """The answer; None where there is none and the question must be asked anew.

        Raises:
            Temporary: with reason `batch_pending`, it is being worked on.
            Refused, Broken: as the provider says; nothing was billed.
        """
        try:
            answer = self.provider.collect(batch.id, LIMIT)
        except FlowForgeError as error:
            call = self.call(error.reason.value, request_id=error.evidence)
            self.tell(call, lambda: self.books.release(batch.reservation, call))
            if isinstance(error, Temporary):
                return None
            raise
        if answer is None:
            raise pending(batch.age)
        whole = answer.stop != "cut"
        told, kept = answer.usage, replace(answer, usage=sane(answer.usage))
        price = self.prices.of(self.request.model, kept.usage.prompt, batch=True)
        call = self.call(
            kept.stop,
            usage=kept.usage,
            cost=booked(told, price, self.worst),
            request_id=kept.request_id,
            reservation=batch.reservation,
        )
        self.tell(call, lambda: self.books.settle(call, self.query, kept if whole else None))
        return kept if whole else None

    def withdraw(self, batch: Batch) -> None:
        """Cancel what nobody waits for; where it is answered already it is booked.

        Raises:
            Temporary: it is not known yet what became of it; and as the provider says.
        """
        self.provider.withdraw(batch.id, LIMIT)
        self.collect(batch)

    def submit(self, reservation: str) -> None:
        """Hand the question in; its reservation has begun.

        Raises:
            Temporary: always; with reason `batch_pending` where it was taken.
            Refused, Broken: as the provider says.
        """
        try:
            id_ = self.provider.submit(self.request, LIMIT)
        except FlowForgeError as error:
            call = self.call(error.reason.value, request_id=error.evidence)
            self.tell(call, lambda: self.books.release(reservation, call))
            raise
        taken = replace(self.call("batch"), milliseconds=0)
        self.tell(taken, lambda: self.books.submitted(reservation, self.query, id_))
        raise pending(0.0)


def pending(age: float) -> Temporary:
    """Of a batch that was handed in so many seconds ago; its job looks less often the longer it takes."""
    return Temporary(
        Reason.BATCH_PENDING,
        f"the model works on a batch that was handed in {age / 60:.0f} minutes ago",
        delay=min(LATEST, max(SOONEST, age / 4)),
        next_action="nothing: the job comes again; without `model: {batch: true}` it would be answered at once",
    )
