"""What cannot be done about a job any more, or not yet: the documented answer, and not a row of it has changed."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from flowforge.core.access import Role
from flowforge.core.decision import AskedFile, Question, QuestionKind, Verb
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Ending, Event, Job, Result, State
from flowforge.jobs.cancel import cancel
from flowforge.jobs.decide import Decision, decide
from flowforge.jobs.ending import Next, asked, cancelled
from flowforge.jobs.questions import asking_of
from flowforge.jobs.retry import retry
from flowforge.jobs.run import move
from flowforge.jobs.undo import undo
from flowforge.store import decisions
from flowforge.store import jobs as table
from flowforge.store.stages import StageRow
from flowforge.store.transaction import Transaction
from tests.conftest import TestDatabase
from tests.integration.jobs.world import World, make_world
from tests.unit.jobs.test_questions import VAULT

pytestmark = pytest.mark.services

DONE = Ending(result=Result.SUCCESS, reason=Reason.UP_TO_DATE, sentence="nothing to do")
RED = Ending(result=Result.FAILURE, reason=Reason.TESTS_FAILED, sentence="red")
TABLES = ("jobs", "job_events", "decisions", "stage_runs", "push_intents", "outbox", "audit_logs")


FILE = AskedFile(path="a.py", commit="c" * 40, kind="content", fingerprint="f", open=False, result=b"a\n")
OPEN = replace(FILE, open=True)
YES_OR_NO = Question(kind=QuestionKind.APPROVE, sentence="may it?", files=(FILE,), tree="t", who=Role.ADMIN)
TO_WRITE = Question(kind=QuestionKind.RESOLVE, sentence="write it", files=(OPEN,), again="resolve")
STAGE = StageRow(
    stage="approve",
    result="error",
    reason="decision_needed",
    sentence="may it?",
    next_action="",
    evidence="",
    outputs={},
    seconds=0.1,
    work={},
    checkpoint="",
)


@pytest.fixture
def world(database: TestDatabase) -> World:
    return make_world(database)


def queued(world: World) -> Job:
    return world.submit()


def running(world: World) -> Job:
    mine = world.claim(world.submit())
    assert mine is not None
    return mine


def ended(world: World, ending: Ending = DONE, event: Event = Event.SUCCEED) -> Job:
    mine = running(world)
    with world.everywhere() as tx:
        move(tx, mine, Next(event=event, ending=ending))
    return world.job(mine)


def failed(world: World) -> Job:
    return ended(world, RED, Event.FAIL)


def given_up(world: World) -> Job:
    return ended(world, cancelled(), Event.CANCEL)


def waiting(world: World, question: Question = YES_OR_NO) -> Job:
    mine = running(world)
    with world.everywhere() as tx:
        decisions.ask(tx, mine, asking_of(question, STAGE, mine, VAULT, 3600.0, dict))
        table.ask(tx, mine, asked(RED))
    return world.job(mine)


def to_write(world: World) -> Job:
    return waiting(world, TO_WRITE)


def decided(world: World) -> Job:
    job = waiting(world, replace(YES_OR_NO, who=Role.USER))
    with world.transaction() as tx:
        return decide(tx, world.principal, job.id, Decision(verb=Verb.APPROVE), VAULT)


Act = Callable[[World, Transaction, UUID], object]


def says(verb: Verb, files: dict[str, str] | None = None, number: int | None = None) -> Act:
    decision = Decision(verb=verb, files=files or {}, number=number)

    def act(world: World, tx: Transaction, job: UUID) -> object:
        return decide(tx, world.principal, job, decision, VAULT)

    act.__name__ = " ".join([verb, *decision.files, *([str(number)] if number else [])])
    return act


def retries(world: World, tx: Transaction, job: UUID) -> object:
    return retry(tx, world.principal, job, world.door)


def undoes(world: World, tx: Transaction, job: UUID) -> object:
    return undo(tx, world.principal, job, world.door)


def cancels(world: World, tx: Transaction, job: UUID) -> object:
    return cancel(tx, world.principal, job)


APPROVES, REJECTS, EDITS = says(Verb.APPROVE), says(Verb.REJECT), says(Verb.EDIT, {"a.py": "x\n"})
STATE, INVALID = Reason.CONFLICT_OF_STATE, Reason.INVALID_REQUEST


def rows(world: World) -> dict[str, list[str]]:
    """Every row of what a job is made of, as text."""
    with world.everywhere() as tx:
        return {
            name: sorted(
                str(row["row"])
                for row in tx.rows(f"SELECT to_jsonb(t)::text AS row FROM {name} t")  # noqa: S608 (a name of ours)
            )
            for name in TABLES
        }


@pytest.mark.parametrize(
    ("job", "act", "reason"),
    [
        *[(state, retries, STATE) for state in (queued, running, waiting, decided)],
        *[(state, undoes, STATE) for state in (queued, running, waiting, decided, ended, failed, given_up)],
        *[(state, cancels, STATE) for state in (ended, failed)],
        *[
            (state, act, STATE)
            for state in (queued, running, decided, ended, failed, given_up)
            for act in (APPROVES, REJECTS, EDITS)
        ],
        (waiting, says(Verb.REJECT, number=2), STATE),
        (waiting, says(Verb.REJECT, {"a.py": "x\n"}), INVALID),
        (waiting, APPROVES, Reason.NOT_ALLOWED),  # the stage wants an admin
        (waiting, EDITS, INVALID),  # it asks for a yes or a no
        (to_write, APPROVES, INVALID),
        (to_write, says(Verb.EDIT), INVALID),
        (to_write, says(Verb.EDIT, {"a.py": "x\n", "b.py": "y\n"}), INVALID),
        (to_write, says(Verb.EDIT, {"a.py": "<<<<<<< mine\n"}, number=1), INVALID),
    ],
)
def test_what_is_refused_changes_nothing(
    world: World, job: Callable[[World], Job], act: Act, reason: Reason
) -> None:
    found = job(world)
    before = rows(world)
    with pytest.raises(Refused) as refused, world.transaction() as tx:
        act(world, tx, found.id)
    assert refused.value.reason is reason
    assert refused.value.next_action
    assert rows(world) == before


@pytest.mark.parametrize("job", [queued, waiting, running], ids=["queued", "waiting", "running"])
def test_a_second_cancel_gives_the_same_answer_and_changes_nothing(
    world: World, job: Callable[[World], Job]
) -> None:
    found = job(world)
    first = world.cancel(found)
    before = rows(world)
    assert world.cancel(found) == first
    assert rows(world) == before
    expected = (State.RUNNING, True) if job is running else (State.CANCELLED, False)
    assert (first.state, first.cancel_requested) == expected


def test_of_many_who_decide_at_once_one_is_heard(world: World) -> None:
    job = waiting(world, replace(YES_OR_NO, who=Role.USER, last=True))
    verbs = iter([Verb.APPROVE, Verb.REJECT] * 4)

    def answer() -> Reason | None:
        with world.transaction() as tx:
            try:
                decide(tx, world.principal, job.id, Decision(verb=next(verbs)), VAULT)
            except Refused as refused:
                return refused.reason
            return None

    answers = world.at_once(answer, threads=8, times=8)
    assert (answers.count(None), answers.count(STATE)) == (1, 7)
    assert world.kinds(job).count("decision.made") == 1
    assert world.job(job).state is State.QUEUED
