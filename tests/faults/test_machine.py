"""A slice of the search through the machine's model, and that it finds what it is there to find.

`python -m tests.faults.machine --steps 10000` is the whole of it.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flowforge.core.job import Ending, Job, State
from flowforge.git.push import DEADLINE
from flowforge.jobs import decide as deciding
from flowforge.jobs import pushing, run
from flowforge.jobs import undo as undoing
from flowforge.jobs.ending import Facts, Next
from flowforge.jobs.recorder import FencedRecorder
from flowforge.jobs.tell import Teller
from flowforge.pipeline.undoing import Replaced, Undoing
from flowforge.store import decisions
from flowforge.store import jobs as table
from flowforge.store.jobs import Moved, Pushes
from flowforge.store.transaction import Row, Transaction
from tests.conftest import TestDatabase
from tests.faults import hands
from tests.faults.ground import Ground, ground
from tests.faults.machine import walk
from tests.faults.yard import Stale

pytestmark = pytest.mark.services

STEPS = 1000
ENOUGH = 10_000  # steps within which a broken machine is found; most are after a few hundred
Patch = pytest.MonkeyPatch


@pytest.fixture
def here(database: TestDatabase, tmp_path: Path) -> Iterator[Ground]:
    with ground(database, tmp_path) as made:
        yield made


def test_a_thousand_steps_in_any_order_break_no_promise(
    here: Ground, record_property: Callable[[str, object], None]
) -> None:
    start = secrets.randbelow(1 << 32)
    print(f"seed {start}")  # again with: python -m tests.faults.machine --steps 1000 --seed ...
    walk(here, STEPS, start)
    record_property("seed", start)
    record_property("count", here.steps)
    assert here.steps >= STEPS
    assert here.ran["work: after looked: pushed"], "it has come as far as a push"


def without_the_fence(patch: Patch, _here: Ground) -> None:
    patch.setattr(table, "_MINE", table._MINE.replace("AND fence = %(fence)s", ""))


def two_may_write_one_ref(patch: Patch, here: Ground) -> None:
    with here.connection.cursor() as cursor:
        cursor.execute("DROP INDEX jobs_one_writer")
    cut = table._CLAIM.replace("w.ref_key = j.ref_key", "false")
    assert cut != table._CLAIM
    patch.setattr(table, "_CLAIM", cut)


def push_by_force(patch: Patch, _here: Ground) -> None:
    honest = Stale.push

    def push(self: Stale, *argv: str, ref: str, sha: str, deadline: float) -> bytes:
        forced = ("--force" if word.startswith("--force-with-lease") else word for word in argv)
        return honest(self, *forced, ref=ref, sha=sha, deadline=deadline)

    patch.setattr(Stale, "push", push)


def intents_are_forgotten(patch: Patch, _here: Ground) -> None:
    patch.setattr(table, "pushes", lambda _tx, _job: Pushes(pushed=False, unsettled=False))


def what_landed_is_pushed_again(patch: Patch, _here: Ground) -> None:
    patch.setattr(pushing, "landed", lambda _earlier, _old: "")


def a_key_makes_two_jobs(_patch: Patch, here: Ground) -> None:
    with here.connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " NEW.idempotency_key := NULL; RETURN NEW; END $$"
        )
        cursor.execute("CREATE TRIGGER a_forget BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION forget()")


def a_push_is_undone_twice(patch: Patch, _here: Ground) -> None:
    patch.setattr(undoing, "_refuse_twice", lambda _tx, _parent, _branch: None)


def whatever_is_there_is_undone(patch: Patch, _here: Ground) -> None:
    class Whatever(dict[str, Replaced]):
        def __contains__(self, _tip: object) -> bool:
            return True

        def __missing__(self, _tip: str) -> Replaced:
            return next(iter(self.values()))

    def found(*words: Any) -> Undoing | None:
        honest = undoing.undoing_of(*words)
        return honest and replace(honest, pushes=Whatever(honest.pushes))

    patch.setattr(hands, "undoing_of", found)


def an_undo_waits_for_no_push(patch: Patch, _here: Ground) -> None:
    honest = undoing._pushed
    patch.setattr(undoing, "_pushed", lambda ref, rows: replace(honest(ref, rows), wait=0.0))


def a_push_is_sent_however_late(patch: Patch, _here: Ground) -> None:
    honest = FencedRecorder.may_push
    patch.setattr(FencedRecorder, "may_push", lambda self: max(honest(self), 1.0))


def a_push_is_sent_without_a_lease(patch: Patch, _here: Ground) -> None:
    def may_push(self: FencedRecorder) -> float:
        return self._meant_at + DEADLINE - self.session.clock()

    patch.setattr(FencedRecorder, "may_push", may_push)


def a_push_in_doubt_waits_for_a_person(patch: Patch, _here: Ground) -> None:
    honest = run.decide

    def decide(facts: Facts) -> Next | None:
        return honest(replace(facts, unsettled=facts.unsettled and not facts.may_ask))

    patch.setattr(run, "decide", decide)


def an_old_question_is_decided(patch: Patch, _here: Ground) -> None:
    honest = deciding._open_question
    patch.setattr(deciding, "_open_question", lambda tx, job, _number: honest(tx, job, None))


def the_second_decision_counts(patch: Patch, _here: Ground) -> None:
    honest = deciding._open_question

    def open_question(tx: Transaction, job: Job, number: int | None) -> Row:
        last = decisions.last(tx, job.id)
        return last if last and job.state is State.QUEUED else honest(tx, job, number)

    patch.setattr(deciding, "_open_question", open_question)
    cut = decisions._QUEUE.replace("state = 'waiting' RETURNING", "state IN ('waiting', 'queued') RETURNING")
    assert cut != decisions._QUEUE
    patch.setattr(decisions, "_QUEUE", cut)


def a_rejected_job_goes_on(patch: Patch, _here: Ground) -> None:
    def ended(tx: Transaction, job: Job, _ending: Ending, teller: Teller, **_how: bool) -> Moved:
        return deciding._queued(tx, job, teller)

    patch.setattr(deciding, "_ended", ended)


def a_question_is_never_too_old(patch: Patch, _here: Ground) -> None:
    patch.setattr(decisions, "overdue", lambda _tx, _most: [])


@pytest.mark.parametrize(
    ("spoil", "start"),  # a seed that comes upon it soon
    [
        (without_the_fence, 1),
        (two_may_write_one_ref, 1),
        (push_by_force, 3),
        (intents_are_forgotten, 1),
        (what_landed_is_pushed_again, 1),
        (a_key_makes_two_jobs, 1),
        (a_push_is_undone_twice, 1),
        (whatever_is_there_is_undone, 1),
        (an_undo_waits_for_no_push, 2),
        (a_push_is_sent_however_late, 1),
        (a_push_is_sent_without_a_lease, 1),
        (a_push_in_doubt_waits_for_a_person, 1),
        (an_old_question_is_decided, 1),
        (the_second_decision_counts, 2),
        (a_rejected_job_goes_on, 3),
        (a_question_is_never_too_old, 2),
    ],
)
def test_a_machine_that_was_spoilt_is_found(
    here: Ground, monkeypatch: Patch, spoil: Callable[[Patch, Ground], None], start: int
) -> None:
    spoil(monkeypatch, here)
    with pytest.raises(AssertionError):
        walk(here, ENOUGH, start)
    print(f"{spoil.__name__} was found after {here.steps} steps")
