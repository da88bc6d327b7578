"""What must hold of the machine's model after each step, and in the end; and short words for its steps."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
)

from flowforge.artifacts.store import Artifacts
from flowforge.core.access import Role
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import FINAL, State
from flowforge.jobs.pause import resume
from flowforge.jobs.relay import Relay
from flowforge.jobs.session import Stop
from flowforge.jobs.sweep import sweep
from flowforge.jobs.tell import SILENT
from flowforge.store import schedule
from flowforge.store.schedule import Worker
from tests.faults import oracle
from tests.faults.ground import EveryRule, Ground, Steady
from tests.faults.hands import Bell, Hand, Stale, Yard, lost, refusal
from tests.faults.hands import Phase as At
from tests.faults.oracle import Row
from tests.integration.jobs.world import World, make_world

LEASE = 600.0  # seconds: leases run out when a rule says so, and not by themselves
BRANCHES = ("one", "two")
ROUNDS = 30  # in which all jobs must end once nothing goes wrong any more

T = TypeVar("T")


_CLAIMABLE = """
SELECT state = 'queued' AND attempts < max_attempts AND (run_after IS NULL OR run_after <= now())
   AND NOT EXISTS (SELECT FROM jobs w WHERE w.state = 'running' AND w.repository = j.repository AND w.id <> j.id
                   AND (w.ref_key = j.ref_key OR w.concurrency_group = j.concurrency_group AND j.concurrency_group <> ''))
   AND NOT EXISTS (SELECT FROM pauses p WHERE p.organization = j.organization)
   AS so FROM jobs j WHERE id::text = %(id)s
"""


PROMISES = {
    name: promise for name, promise in oracle.PROMISES.items() if name in {"O2", "O3", "O4", "O5", "O9"}
}


class Watched(RuleBasedStateMachine):
    """A machine and what must hold of it. What is expected of a step is said from the rows as they were before it."""

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
        self.boss = replace(self.world.principal, role=Role.MAINTAINER)
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
        self.paused: UUID | None = None
        self.lapsed = False  # whether a sweep would find a lease that has run out

    def hand(self, owner: str, mirror: Stale) -> Hand:
        return Hand(
            owner=owner,
            mirror=replace(mirror, seen=[]),
            database=self.world.database.system,
            artifacts=self.artifacts,
        )

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
        self.resumes()
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

    def resumes(self) -> None:
        if self.paused is not None:
            with self.world.transaction() as transaction:
                resume(transaction, self.boss, self.paused, SILENT)
            self.paused = None

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
        open_ = [one for one in meant if one["outcome"] in {"intended", "unknown"}]
        doubts = {one["old_sha"] for one in open_}
        found = hand.work.old_head in {
            one["new_sha"] for one in open_
        }  # its own commit: that push has landed
        expected = None
        if row["cancel_requested"] and not outcomes & {"intended", "unknown", "pushed", "already"}:
            expected = Reason.CANCELLED
        elif not found and not outcomes & {"pushed", "already"} and doubts - {hand.work.old_head}:
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
