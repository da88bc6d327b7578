"""A model of the job machine: two workers, a relay, people and a remote, one step at a time in any order.

`python -m tests.faults.machine --steps 10000 --seed N` takes that many steps and prints how often each rule ran; the
test suite takes a thousand with a fresh seed. Between any two steps of a worker anything may happen to its job, so a
worker that stands still, a lease that runs out and a reply that never comes are orders of steps like all others.
After each the oracle is asked; at the end of each run every job must come to its end.
"""

import argparse
import json
import secrets
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import psycopg2
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg2.extras import RealDictCursor

from flowforge.artifacts.store import Artifacts
from flowforge.core.concurrency import Concurrency
from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.core.job import FINAL, State
from flowforge.jobs.relay import Relay
from flowforge.jobs.session import Stop
from flowforge.jobs.sweep import sweep
from flowforge.store import jobs as table
from flowforge.store import schedule
from flowforge.store.admin import create_database, role_urls, upgrade, with_database
from flowforge.store.database import Database
from flowforge.store.schedule import Worker
from flowforge.wiring.embedded import start_postgres
from tests.conftest import TestDatabase
from tests.faults import oracle
from tests.faults.hands import Bell, Hand, Stale, Yard, lost
from tests.faults.hands import Phase as At
from tests.faults.oracle import Row, Truth
from tests.integration.jobs.world import World, make_world

LEASE = 600.0  # seconds: leases run out when a rule says so, and not by themselves
LENGTH = 60  # steps of one run
RUNS = 25  # with one seed
BRANCHES = ("one", "two")
CROWD = 4  # open jobs: what meets in one place is more telling than what waits
ROUNDS = 30  # in which all jobs must end once nothing goes wrong any more
GROUPS = (None, Concurrency(group="branch", policy="supersede"), Concurrency(group="all", policy="reject"))

T = TypeVar("T")
some = st.integers(0, 11)  # picks one of what there is


@dataclass(frozen=True, kw_only=True)
class Steady(Truth):
    """The truth over one connection: it is asked many times a second."""

    connection: Any
    known: dict[str, list[Row]] = field(default_factory=dict)  # answers that several promises ask for

    def rows(self, query: str, **values: object) -> list[Row]:
        with self.connection.cursor(cursor_factory=RealDictCursor) as cursor:
            plain = {name: str(one) if isinstance(one, UUID) else one for name, one in values.items()}
            asked = cursor.mogrify(query, plain).decode()
            if asked not in self.known:
                cursor.execute(asked)
                self.known[asked] = list(cursor.fetchall())
            return self.known[asked]

    def look_anew(self) -> None:
        self.known.clear()


@dataclass(kw_only=True)
class Ground:
    """Where machines run: one database, one folder, and what all runs have counted."""

    database: TestDatabase
    folder: Path
    connection: Any
    ran: Counter[str] = field(default_factory=Counter)
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def steps(self) -> int:
        return sum(number for name, number in self.ran.items() if ":" not in name)


@contextmanager
def ground(database: TestDatabase, folder: Path) -> Iterator[Ground]:
    connection = psycopg2.connect(database.admin_url)
    connection.autocommit = True
    try:
        yield Ground(database=database, folder=folder, connection=connection)
    finally:
        connection.close()


_CLAIMABLE = """
SELECT state = 'queued' AND attempts < max_attempts AND (run_after IS NULL OR run_after <= now())
   AND NOT EXISTS (SELECT FROM jobs w WHERE w.state = 'running' AND w.repository = j.repository AND w.id <> j.id
                   AND (w.ref_key = j.ref_key OR w.concurrency_group = j.concurrency_group AND j.concurrency_group <> ''))
   AS so FROM jobs j WHERE id::text = %(id)s
"""


class EveryRule:
    """Hypothesis' flags of rules, all set: few jobs come far where most of what moves them is left out."""

    def is_enabled(self, _name: str) -> bool:
        return True


def refusal(doing: Callable[[], T]) -> tuple[T | None, Reason | None]:
    """What came of it: a value, or why it was refused."""
    try:
        return doing(), None
    except Refused as error:
        return None, error.reason


class Machine(RuleBasedStateMachine):
    """The rules. What is expected of each is said from the rows as they were before it."""

    ground: ClassVar[Ground]
    swarm: ClassVar[bool] = False  # each run goes without some of the rules, as hypothesis likes it

    def __init__(self) -> None:
        super().__init__()
        chooser: Any = self._rules_strategy  # there is no public way to let all rules take part in every run
        assert hasattr(chooser, "enabled_rules_strategy"), "hypothesis chooses its rules otherwise now"
        if not self.swarm:
            chooser.enabled_rules_strategy = st.just(EveryRule())

    @initialize()
    def opens(self) -> None:
        number = next(self.ground.numbers)
        self.world: World = make_world(self.ground.database, f"m{number}")
        self.yard = Yard(folder=self.ground.folder / f"m{number}")
        self.remote = self.yard.remote
        self.truth = Steady(
            database="", served=Path("/"), data=self.yard.folder, connection=self.ground.connection
        )
        for branch in ("main", *BRANCHES):
            self.remote.person_pushes(branch)
        url, repository = self.remote.url, self.world.repository
        self.world.run("UPDATE repositories SET url = %(url)s WHERE id = %(id)s", url=url, id=repository)
        self.artifacts = Artifacts(self.yard.folder / "artifacts")
        self.workers = [f"{name}{number}" for name in "AB"]
        mirrors = [self.yard.mirror(owner) for owner in self.workers]
        self.hands = [
            self.hand(owner, mirror)
            for owner, mirror in zip(self.workers, mirrors, strict=True)
            for _ in range(2)
        ]
        self.bell = Bell()
        system = self.world.database.system
        self.relay = Relay(database=system, bell=self.bell, wait=lambda _seconds: None, alive=3600.0)
        self.jobs: list[UUID] = []
        self.keys: dict[str, tuple[object, UUID]] = {}
        self.before: dict[UUID, Row] = {}
        self.traced: list[object] = []
        self.lapsed = False  # whether a sweep would find a lease that has run out

    def hand(self, owner: str, mirror: Stale) -> Hand:
        return Hand(
            owner=owner,
            mirror=replace(mirror, seen=[]),
            database=self.world.database.system,
            artifacts=self.artifacts,
        )

    # ------------------------------------------------------------------------------------------------- what people do

    @precondition(lambda self: len(self.open()) < CROWD)
    @rule(
        branch=st.sampled_from(BRANCHES),
        priority=st.sampled_from((0, 5, 9)),
        key=st.sampled_from(("", "", "k1", "k2")),
        group=st.sampled_from(GROUPS),
    )
    def submit(self, branch: str, priority: int, key: str, group: Concurrency | None) -> None:
        body = (branch, priority, group)
        known = self.keys.get(key)
        job, error = refusal(
            lambda: self.world.submit(
                branch=branch, priority=priority, idempotency_key=key, concurrency=group
            )
        )
        if job is None:
            assert error is (Reason.INVALID_REQUEST if known else Reason.GROUP_BUSY)
            assert known is None or known[0] != body, "the same request with the same key was refused"
            self.did("submit", str(error))
            return
        if known:
            assert (job.id, body) == (known[1], known[0]), "a key gave another job"
        else:
            self.jobs.append(job.id)
            if key:
                self.keys[key] = (body, job.id)
        self.did("submit", "same" if known else "new")

    @precondition(lambda self: self.busy())
    @rule(which=some)
    def cancel(self, which: int) -> None:
        row = self.row(self.pick(self.jobs, which))
        _, error = refusal(lambda: self.world.cancel(self.world.job(row["id"])))
        late = State(row["state"]) in FINAL - {State.CANCELLED}
        assert error is (Reason.CONFLICT_OF_STATE if late else None)
        self.did("cancel", "refused" if late else self.row(row["id"])["state"])

    @precondition(lambda self: len(self.open()) < min(CROWD, len(self.jobs)))
    @rule(which=some)
    def retry(self, which: int) -> None:
        row = self.row(self.pick(self.jobs, which))
        child, error = refusal(lambda: self.world.retry(self.world.job(row["id"])))
        early = State(row["state"]) not in FINAL
        busy = row["concurrency_group"] in {one["concurrency_group"] for one in self.open()}
        kept_out = busy and row["concurrency_policy"] == "reject"
        expected = Reason.GROUP_BUSY if kept_out else None
        assert error is (Reason.CONFLICT_OF_STATE if early else expected)
        self.jobs += [child.id] if child else []
        self.did("retry", "child" if child else "refused")

    @precondition(lambda self: self.busy())
    @rule(what=st.sampled_from(("main", *BRANCHES, "closes or opens")))
    def remote_changes(self, what: str) -> None:
        """A person pushes, or the host begins or ends to refuse every push."""
        if what == "closes or opens":
            self.remote.close(closed=not self.remote.closed)
        else:
            self.remote.person_pushes(what, self.remote.tip(what))
        self.did("remote_changes", what)

    # ------------------------------------------------------------------------------------------- what the relay does

    @precondition(lambda self: self.idle() and any(row["rung_at"] is None for row in self.open(State.QUEUED)))
    @rule()
    def ring(self) -> None:
        self.beat()
        rung = self.relay.ring()
        for job in rung:
            assert self.row(job)["state"] == State.QUEUED
            assert self.row(job)["rung_at"] is not None
        self.did("ring", "some" if rung else "none")

    @precondition(lambda self: self.lapsed or any(row["rung_at"] for row in self.open()))
    @rule(impatient=st.booleans())
    def sweep(self, impatient: bool) -> None:
        self.sweeps(ring_lost=0.0 if impatient else 3600.0)
        self.did("sweep")

    @precondition(lambda self: self.running())
    @rule(which=some, swept=st.booleans())
    def a_lease_runs_out(self, which: int, swept: bool) -> None:
        """Its worker stands still; the sweep comes at once, or it may still go on before."""
        job = self.pick(self.running(), which)
        self.expire(job)
        if swept:
            self.sweeps(ring_lost=3600.0)
            assert self.row(job)["state"] != State.RUNNING
        self.did("a_lease_runs_out", str(self.row(job)["state"]))

    @precondition(lambda self: self.busy() and self.idle())
    @rule(whose=some, by=some, further=st.integers(0, 6))
    def another_takes_over(self, whose: int, by: int, further: int) -> None:
        """A worker stands still; its job is swept, and another has it and comes more or less far."""
        job, other = self.pick(self.busy(), whose).mine.id, self.pick(self.idle(), by)
        self.expire(job)
        self.sweeps(ring_lost=3600.0)
        taken = self.claims(job, other)
        for _ in range(further):
            if not other.idle:
                self.goes_on(other, bundle_lost=False, reply_lost=False)
        self.did("another_takes_over", taken)

    @precondition(lambda self: any(row["run_after"] for row in self.before.values()))
    @rule()
    def delays_pass(self) -> None:
        self.pass_delays()
        self.did("delays_pass")

    # --------------------------------------------------------------------------------------------- what Redis does

    @precondition(lambda self: self.bell.rings or self.bell.deaf)
    @rule(what=st.sampled_from(("forgets", "goes or comes", "repeats")))
    def redis(self, what: str) -> None:
        if what == "forgets":
            self.bell.rings.clear()
        elif what == "repeats":
            self.bell.rings *= 2
        else:
            self.bell.deaf = not self.bell.deaf
        self.did("redis", what)

    # --------------------------------------------------------------------------------------------- what workers do

    @precondition(lambda self: self.bell.rings and self.idle())
    @rule(which=some, whose=some)
    def hear(self, which: int, whose: int) -> None:
        job = self.bell.rings.pop(which % len(self.bell.rings))
        self.did("hear", self.claims(job, self.pick(self.idle(), whose)))

    @precondition(lambda self: self.open(State.QUEUED) and self.idle())
    @rule(which=some, whose=some)
    def hear_what_nobody_rang(self, which: int, whose: int) -> None:
        job = self.pick(self.jobs, which)
        self.did("hear_what_nobody_rang", self.claims(job, self.pick(self.idle(), whose)))

    @precondition(lambda self: self.busy())
    @rule(whose=some, times=st.integers(1, 7), bundle_lost=st.booleans(), reply=st.sampled_from("yyn"))
    def work(self, whose: int, times: int, bundle_lost: bool, reply: str) -> None:
        """A hand goes on, after however long it stood still."""
        hand = self.pick(self.busy(), whose)
        for _ in range(times):
            if not hand.idle:
                done = f"{hand.phase}: {self.goes_on(hand, bundle_lost=bundle_lost, reply_lost=reply == 'n')}"
                self.ground.ran[f"work: after {done}"] += 1
        self.did("work")

    # Every other thing that may happen has a rule; without more of these little would be done.
    work_too = work_as_well = works_on = works_more = work

    def goes_on(self, hand: Hand, *, bundle_lost: bool, reply_lost: bool) -> str:
        """The next step of a hand, and what became of it."""
        steps: Mapping[At, Callable[[], str]] = {
            At.CLAIMED: lambda: self.begins(hand),
            At.WORKING: lambda: self.writes(hand, lambda: self.rebases(hand, lost=bundle_lost)),
            At.WORKED: lambda: self.writes(hand, lambda: self.intends(hand)),
            At.INTENDED: hand.look,
            At.LOOKED: lambda: hand.push(reply_lost=reply_lost),
            At.PUSHED: lambda: self.writes(hand, hand.settle),
            At.DONE: lambda: self.ends(hand),
        }
        return steps[hand.phase]()

    @precondition(lambda self: self.busy())
    @rule(whose=some, what=st.sampled_from(("dies", "drains", "fails", "fails in passing")))
    def hand_stops(self, whose: int, what: str) -> None:
        """A worker is killed or told to leave, or the pipeline ends badly before there is anything to push."""
        hand = self.pick(self.busy(), whose)
        early = hand.phase in {At.CLAIMED, At.WORKING, At.WORKED}
        if what == "dies":
            hand.drop()
        elif what == "drains":
            hand.stop(Stop.DRAINED)
        elif early and what == "fails":
            hand.fail(Refused(Reason.TESTS_FAILED, "one test fails"))
        elif early:
            hand.fail(Temporary(Reason.REPOSITORY_UNREACHABLE, "nobody answers", delay=3600.0))
        self.did("hand_stops", what)

    @precondition(lambda self: self.busy())
    @rule(whose=some)
    def renew(self, whose: int) -> None:
        """What the lease thread of a worker does for all of its jobs."""
        owner = self.pick(self.busy(), whose).owner
        held = [hand for hand in self.busy() if hand.owner == owner]
        expected = {hand: self.stale(hand) for hand in held}
        for hand in held:
            with self.world.everywhere() as transaction:
                answer = table.renew(transaction, {hand.mine.id: hand.mine.fence}, LEASE)
            assert (hand.mine.id not in answer) is expected[hand], (
                "a lease was renewed that is another's, or lost"
            )
            if expected[hand]:
                hand.stop(Stop.LOST)
            elif answer[hand.mine.id]:
                hand.stop(Stop.CANCELLED)
        self.did("renew", "stale" if any(expected.values()) else "good")

    # ------------------------------------------------------------------------------------------------- invariants

    @invariant()
    def promises_hold(self) -> None:
        if not hasattr(self, "before"):
            return
        rows = {row["id"]: row for row in self.rows()}  # looks anew, and what follows sees the same
        assert set(map(str, rows)) == set(map(str, self.jobs)), "a job is gone, or nobody asked for it"
        for identity, row in rows.items():
            self.row_is_sound(row, self.before.get(identity))
        self.one_writes(rows.values())
        self.before = {job: rows[job] for job in self.jobs}  # in the order of submits: ids are random
        before, self.traced = self.traced, self.traces(self.before.values())
        if self.traced != before:
            self.oracle_is_content()

    def traces(self, rows: Iterable[Row]) -> list[object]:
        """What changes whenever something is written about a job, or a ref moves."""
        logs = sorted((self.remote.path / "logs").rglob("*"))
        about = [
            (row["id"], row["state"], row["fence"], row["last_seq"], row["cancel_requested"]) for row in rows
        ]
        return [*about, *((str(log), log.stat().st_size) for log in logs if log.is_file())]

    def oracle_is_content(self) -> None:
        told = [f"{name}: {what}" for name in PROMISES for what in PROMISES[name](self.truth, self.jobs)]
        assert not told, told
        self.moves_are_audited()

    def row_is_sound(self, row: Row, before: Row | None) -> None:
        assert (row["lease_until"] is not None) is (row["state"] == State.RUNNING), row["state"]
        assert 0 <= row["attempts"] <= row["max_attempts"]
        if before is not None:
            assert row["fence"] >= before["fence"], "a fence went down"
            if State(before["state"]) in FINAL:
                assert (row["state"], row["reason"]) == (before["state"], before["reason"]), (
                    "an end has changed"
                )

    def one_writes(self, rows: Iterable[Row]) -> None:
        running = [row for row in rows if row["state"] == State.RUNNING]
        for what in ("ref_key", "concurrency_group"):
            keys = [row[what] for row in running if row[what]]
            assert len(keys) == len(set(keys)), f"two jobs run with one {what}"

    def moves_are_audited(self) -> None:
        query = """
            SELECT j.id, (SELECT array_agg(e.kind ORDER BY e.seq) FROM job_events e
                          WHERE e.job = j.id AND e.data ? 'to') AS told,
                   (SELECT array_agg(a.action ORDER BY a.id) FROM audit_logs a
                    WHERE a.resource = 'job' AND a.resource_id = j.id::text) AS audited
            FROM jobs j WHERE j.organization::text = %(organization)s
        """
        for row in self.truth.rows(query, organization=self.world.principal.organization):
            assert row["told"] == row["audited"], f"job {row['id']}: {row['told']}, audited {row['audited']}"

    # --------------------------------------------------------------------------------------------------- the end

    def teardown(self) -> None:
        if not hasattr(self, "before"):
            return
        try:
            self.all_come_to_their_end()
        finally:
            self.clear()

    def all_come_to_their_end(self) -> None:
        """Nothing goes wrong any more: both workers died, and others take what is left."""
        self.remote.close(closed=False)
        for hand in self.hands:
            hand.drop()
        for _ in range(ROUNDS):
            for job in self.running():
                self.expire(job)
            self.pass_delays()
            self.sweeps(ring_lost=0.0)
            for row in self.rows():
                if row["state"] == State.QUEUED and self.claims(row["id"], self.hands[0]) == "had":
                    self.runs_well(self.hands[0])
            if all(State(row["state"]) in FINAL for row in self.rows()):
                break
        self.promises_hold()
        self.oracle_is_content()
        left = [*oracle.accepted_jobs_end(self.truth, self.jobs)]
        left += [*oracle.nothing_is_left_over(self.truth, self.jobs)]
        assert not left, left

    def runs_well(self, hand: Hand) -> None:
        self.begins(hand)
        for step in (lambda: self.rebases(hand, lost=False), lambda: self.intends(hand)):
            if hand.phase is not At.DONE:
                assert self.writes(hand, step) == "written"
        if hand.phase is At.INTENDED:
            hand.look()
            hand.push(reply_lost=False)
            assert self.writes(hand, hand.settle) == "written"
        self.ends(hand)

    def clear(self) -> None:
        """Whatever was found, the next run begins with an empty queue."""
        self.world.run(
            """UPDATE jobs SET state = 'cancelled', result = 'cancellation', reason = 'cancelled'
               WHERE organization = %(organization)s AND state IN ('pending', 'queued', 'running', 'waiting')""",
            organization=self.world.principal.organization,
        )
        with self.world.everywhere() as transaction:
            for worker in self.workers:
                schedule.gone(transaction, worker)
        self.yard.close()

    # ----------------------------------------------------------------------------------------------- short words

    def did(self, name: str, how: str = "") -> None:
        self.ground.ran[name] += 1
        if how:
            self.ground.ran[f"{name}: {how}"] += 1

    def pick(self, of: Sequence[T], which: int) -> T:
        return of[which % len(of)]

    def rows(self) -> list[Row]:
        self.truth.look_anew()
        return self.truth.rows(
            "SELECT * FROM jobs WHERE organization::text = %(organization)s ORDER BY id",
            organization=self.world.principal.organization,
        )

    def row(self, job: UUID | str) -> Row:
        self.truth.look_anew()
        return self.truth.rows("SELECT * FROM jobs WHERE id::text = %(id)s", id=str(job))[0]

    def running(self) -> list[UUID]:
        return [row["id"] for row in self.open(State.RUNNING)]

    def open(self, *states: State) -> list[Row]:
        wanted = states or tuple(set(State) - FINAL)
        return [row for row in self.before.values() if row["state"] in wanted]

    def idle(self) -> list[Hand]:
        return [hand for hand in self.hands if hand.idle]

    def busy(self) -> list[Hand]:
        return [hand for hand in self.hands if not hand.idle]

    def at(self, *phases: At) -> list[Hand]:
        return [hand for hand in self.busy() if hand.phase in phases]

    def stale(self, hand: Hand) -> bool:
        row = self.row(hand.mine.id)
        return (row["state"], row["fence"]) != (State.RUNNING, hand.mine.fence)

    def beat(self) -> None:
        with self.world.everywhere() as transaction:
            for worker in self.workers:
                schedule.beat(transaction, Worker(id=worker, host="h", version="1", slots=2), draining=False)

    def sweeps(self, *, ring_lost: float) -> None:
        self.lapsed = False
        sweep(self.world.database.system, ring_lost=ring_lost)
        self.hold_delays()

    def expire(self, job: UUID | str) -> None:
        self.lapsed = True
        self.world.run(
            "UPDATE jobs SET lease_until = now() - interval '1 s' WHERE id = %(id)s AND state = 'running'",
            id=job,
        )

    def hold_delays(self) -> None:
        """A delay passes when a rule says so: how fast this machine is must not decide what happens."""
        self.world.run(
            "UPDATE jobs SET run_after = now() + interval '1 h' WHERE organization = %(organization)s"
            " AND run_after > now() AND state = 'queued'",
            organization=self.world.principal.organization,
        )

    def pass_delays(self) -> None:
        self.world.run(
            "UPDATE jobs SET run_after = now() - interval '1 s' WHERE organization = %(organization)s"
            " AND run_after IS NOT NULL AND state = 'queued'",
            organization=self.world.principal.organization,
        )

    def claims(self, job: UUID | str, hand: Hand) -> str:
        """A claim succeeds exactly where the job is to be had."""
        before = self.row(job)
        expected = bool(self.truth.rows(_CLAIMABLE, id=str(job))[0]["so"])
        mine = self.world.claim(self.world.job(before["id"]), hand.owner, lease=LEASE)
        assert (mine is not None) is expected, (
            f"claimed: {mine is not None}, and it was to be had: {expected}"
        )
        if mine is None:
            return "not to be had"
        assert (mine.fence, mine.attempts) == (before["fence"] + 1, before["attempts"] + 1)
        hand.take(mine)
        return "had"

    def writes(self, hand: Hand, step: Callable[[], object]) -> str:
        """A step that writes is refused exactly where the job is another's; a stale hand is free then."""
        stale = self.stale(hand)
        assert lost(step) is stale, f"fence {hand.mine.fence} of {hand.mine.id}: stale is {stale}"
        if stale:
            hand.drop()
        return "refused" if stale else "written"

    def begins(self, hand: Hand) -> str:
        """A beginning is written with what comes next, so only a session that knows that it is lost is refused."""
        knows = hand.session.why is Stop.LOST
        assert lost(hand.begin) is knows
        if knows:
            hand.drop()
        return "refused" if knows else "written"

    def rebases(self, hand: Hand, *, lost: bool) -> None:
        tip, upstream = self.remote.tip(hand.mine.branch), self.remote.tip("main")
        hand.finish_work(tip, upstream, lost=lost)

    def intends(self, hand: Hand) -> None:
        """An intent is refused exactly where the cancel was first, or where a push from elsewhere may have landed."""
        assert hand.work is not None
        row, meant = self.row(hand.mine.id), self.meant(hand.mine.id)
        outcomes = {one["outcome"] for one in meant}
        doubts = {one["old_sha"] for one in meant if one["outcome"] in {"intended", "unknown"}}
        expected = None
        if row["cancel_requested"] and not outcomes & {"intended", "unknown", "pushed", "already"}:
            expected = Reason.CANCELLED
        elif not outcomes & {"pushed", "already"} and doubts - {hand.work.old_head}:
            expected = Reason.REMOTE_MOVED
        _, error = refusal(hand.intend)
        assert error is expected, f"the intent was answered by {error}, not by {expected}"
        if error:
            hand.fail(Refused(error, "the push may not begin"))

    def meant(self, job: UUID | str) -> list[Row]:
        return self.truth.rows("SELECT * FROM push_intents WHERE job::text = %(id)s", id=str(job))

    def ends(self, hand: Hand) -> str:
        job, stale = hand.mine, self.stale(hand)
        moved = hand.end()
        self.hold_delays()
        assert (moved is None) is stale, (
            f"fence {job.fence} of {job.id} ended it: {moved is not None}, stale: {stale}"
        )
        if moved is None:
            return "refused"
        ending = moved.job.ending
        return moved.job.state.value + (f" {ending.reason.value}" if ending and moved.job.final else "")


PROMISES = {
    name: promise for name, promise in oracle.PROMISES.items() if name in {"O2", "O3", "O4", "O5", "O9"}
}


def walk(ground: Ground, steps: int, start: int, tell: Callable[[int], object] = lambda _steps: None) -> None:
    """Take at least so many steps from a seed on; the first broken promise is raised with the steps that led to it."""
    batch = 0
    while ground.steps < steps:
        runs = max(1, min(RUNS, (steps - ground.steps) // LENGTH))
        chosen = settings(
            max_examples=runs,
            stateful_step_count=LENGTH,
            deadline=None,
            database=None,
            phases=(Phase.generate,),  # making the steps fewer takes long, and what is found has few
            suppress_health_check=list(HealthCheck),
        )
        about = {"ground": ground, "swarm": batch % 3 == 2}
        machine = seed(start + batch)(type("Bound", (Machine,), about))
        run_state_machine_as_test(machine, settings=chosen)
        batch += 1
        tell(ground.steps)


@contextmanager
def own_ground() -> Iterator[Ground]:
    """A PostgreSQL for this search alone."""
    with tempfile.TemporaryDirectory(prefix="ff-machine-") as made:
        folder = Path(made)
        with start_postgres(folder / "postgres", durable=False) as url:
            name = f"ff_machine_{uuid.uuid4().hex[:12]}"
            create_database(url, name)
            admin = with_database(url, name)
            upgrade(admin)
            urls = role_urls(admin)
            database = TestDatabase(
                admin_url=admin, urls=urls, app=Database(urls.app), system=Database(urls.system)
            )
            with ground(database, folder) as found:
                yield found
            database.app.close()
            database.system.close()


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    given = parser.parse_args(argv)
    print(f"seed {given.seed}", file=sys.stderr, flush=True)
    with own_ground() as found:
        walk(
            found, given.steps, given.seed, lambda steps: print(f"{steps} steps", file=sys.stderr, flush=True)
        )
        counted = dict(sorted(found.ran.items()))
        print(
            json.dumps(
                {"name": "machine", "seed": given.seed, "steps": found.steps, "rules": counted}, indent=1
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
