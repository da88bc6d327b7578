"""What a stream reads at one look, while its job ends at the worst moment."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from flowforge.api import stories
from flowforge.api.live import Batch
from flowforge.api.stories import Decoders, Stories
from flowforge.api.stream_models import LogQuery
from flowforge.core.errors import Reason
from flowforge.core.job import Ending, Job, Result, State
from flowforge.store import events
from flowforge.store import jobs as table
from flowforge.store.database import Database
from flowforge.store.scope import Scope
from flowforge.store.transaction import Transaction
from tests.conftest import TestDatabase
from tests.integration.jobs.world import World, make_world

pytestmark = pytest.mark.services

Look = Callable[[Transaction, Job], Batch[Any]]
STORIES = Stories(desk=None, artifacts=None)  # type: ignore[arg-type]  # whoever has a transaction asks no desk
LOOKS: dict[str, Look] = {
    "events": lambda tx, job: STORIES.events(tx, job.id, 0),
    "log": lambda tx, job: STORIES.log(tx, job.id, 0, LogQuery()),
    "both": lambda tx, job: STORIES._both(tx, job, 0, Decoders(), logs=True),
}


class Ends:
    """Ends the job, once, behind a number of the questions that a look asks."""

    def __init__(self, world: World, job: Job, after: int) -> None:
        self.other = Database(world.database.urls.system, connections=1)
        self.job, self.after, self.asked = job, after, 0

    def around(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*words: Any, **more: Any) -> Any:
            found = ask(*words, **more)
            self.asked += 1
            if self.asked == self.after:
                self.end()
            return found

        return asked

    def end(self) -> None:
        ending = Ending(result=Result.SUCCESS, reason=Reason.PUSHED, sentence="pushed")
        with self.other.transaction(Scope.system()) as tx:
            assert events.append_log(tx, self.job.id, self.job.fence, "test", b"the last line") is not None
            assert table.end(tx, self.job, State.SUCCESS, ending) is not None
        self.other.close()


@pytest.mark.parametrize("after", range(1, 6))
@pytest.mark.parametrize("look", list(LOOKS))
def test_a_job_that_ends_while_it_is_looked_at_is_looked_at_again_or_seen_whole(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch, look: str, after: int
) -> None:
    """A look that knows the last number and not that it is the last would be waited behind for ever."""
    world = make_world(database)
    job = world.claim(world.submit())
    assert job is not None
    ends = Ends(world, job, after)
    for module, name in ((stories.read, "get"), (stories.story, "head"), (stories.read, "events")):
        monkeypatch.setattr(module, name, ends.around(getattr(module, name)))
    for name in ("after", "log_next", "log_after"):
        monkeypatch.setattr(events, name, ends.around(getattr(events, name)))
    with world.transaction() as tx:
        batch = LOOKS[look](tx, job)
    if ends.asked < after:
        return  # a look asks less than that
    last = world.value("SELECT last_seq FROM jobs WHERE id = %(job)s", job=job.id)
    assert batch.final or batch.head < last, "nobody would ring for what is left"
    if batch.final:
        assert told(batch, look) == everything(world, job.id, look)


def told(batch: Batch[Any], look: str) -> list[object]:
    return [item.text for item in batch.items] if look == "log" else [item.seq for item in batch.items]


def everything(world: World, job: UUID, look: str) -> list[object]:
    if look == "log":
        return ["the last line"]
    seqs = world.column("SELECT seq FROM job_events WHERE job = %(job)s", job=job)
    if look == "both":
        seqs += world.column("SELECT seq FROM log_chunks WHERE job = %(job)s", job=job)
    return sorted(seqs, key=int)  # type: ignore[call-overload]  # they are numbers
