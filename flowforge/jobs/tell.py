"""Tell whoever listens that a job has moved: readers by a signal, plugins by their hooks, the metrics. All may be deaf."""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from flowforge.core.job import State
from flowforge.core.telemetry import Silent, Telemetry
from flowforge.jobs import measure
from flowforge.store.jobs import Moved
from flowforge.store.transaction import Transaction

_NO_MATTER = frozenset(
    {State.PENDING, State.RUNNING}
)  # to the relay: nothing can be rung for because of these
CAME = "came"  # said to the relay of a job that is new: it frees no slot
Publish = Callable[[UUID, int], object]  # job, highest number of its story
Notify = Callable[..., object]  # `Registry.notify`: hook name, then its values


def _deaf(*_words: object, **_values: object) -> None:
    """Nobody listens: readers and the relay look by themselves."""


@dataclass(frozen=True, kw_only=True)
class Teller:
    """No call may raise, block for long or change what happened."""

    publish: Publish = _deaf
    rouse: Callable[[UUID, int, str], object] | None = None  # as `publish`, and says a word to the relay:
    # CAME for a new job, "" where a slot may be free as well
    wake: Callable[[], object] = _deaf  # the relay alone: more may run now, although no job has moved
    notify: Notify = _deaf
    telemetry: Telemetry = field(default_factory=Silent)

    def moved(self, transaction: Transaction, moved: Moved) -> None:
        """Tell of the move once it is true."""
        transaction.after_commit(lambda: self.tell(moved))

    def news(self, transaction: Transaction, job: UUID, seq: int) -> None:
        """Tell readers that the job's story goes on."""

        def publish() -> None:
            self.publish(job, seq)

        transaction.after_commit(publish)

    def freed(self, transaction: Transaction) -> None:
        """Let the relay look once what is in its way is gone: a pause, a group, a want of slots."""
        transaction.after_commit(self._wake)

    def _wake(self) -> None:
        self.wake()

    def tell(self, moved: Moved) -> None:
        ending = moved.job.ending
        measure.ended(self.telemetry, moved.job)
        self._spread(moved)
        self.notify(
            "job_changed",
            job_id=str(moved.job.id),
            state=moved.job.state.value,
            reason="" if ending is None else ending.reason.value,
        )

    def _spread(self, moved: Moved) -> None:
        job = moved.job
        if self.rouse is None or job.state in _NO_MATTER:
            self.publish(job.id, moved.seq)
        else:
            new = job.state is State.QUEUED and not job.attempts
            self.rouse(job.id, moved.seq, CAME if new else "")


SILENT = Teller()
