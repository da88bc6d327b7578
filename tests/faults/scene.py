"""One run of the machine's model as it begins, and short words for what is done and looked at in it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from flowforge.artifacts.store import Artifacts
from flowforge.core.access import Role
from flowforge.core.job import FINAL, State
from flowforge.git.push import DEADLINE
from flowforge.jobs.pause import resume
from flowforge.jobs.relay import Relay
from flowforge.jobs.sweep import sweep
from flowforge.jobs.tell import SILENT
from flowforge.jobs.undo import MARGIN
from flowforge.store import schedule
from flowforge.store.schedule import Worker
from tests.faults.ground import EveryRule, Ground, Steady
from tests.faults.hands import Hand
from tests.faults.hands import Phase as At
from tests.faults.oracle import Row
from tests.faults.yard import Bell, Stale, Yard
from tests.integration.jobs.world import World, make_world

LEASE = 600.0  # seconds: leases run out when a rule says so, and not by themselves
LONG = DEADLINE + MARGIN + 5  # seconds: no push that was meant before may be under way after
BRANCHES = ("one", "two")

T = TypeVar("T")


class Scene(RuleBasedStateMachine):
    """An organization with a repository, two workers of two hands, a relay and a bell."""

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
        self.relay = Relay(database=system, bell=self.bell, wait=lambda _seconds: (), alive=3600.0)
        self.now = 0.0  # seconds, by the hands' own clocks
        self.undone: set[UUID] = set()  # jobs whose push was taken back, or had come to nothing
        self.second: UUID | None = None  # a job that somebody else decides on as well
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
            clock=lambda: self.now,
        )

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
        overdue = self.waiting("d.expires_at < now()")
        assert not overdue, f"nobody decided in time, and {overdue} wait on"

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

    def waiting(self, which: str = "true") -> list[Row]:
        """The open questions of waiting jobs."""
        self.truth.look_anew()
        return self.truth.rows(
            f"""SELECT d.* FROM decisions d JOIN jobs j ON j.id = d.job AND j.state = 'waiting'
               WHERE j.organization::text = %(organization)s AND d.decision IS NULL AND {which} ORDER BY d.id""",  # noqa: S608 (our own words)
            organization=self.world.principal.organization,
        )

    def forget(self, job: UUID) -> None:
        """Let the time be over in which a person could decide."""
        self.lapsed = True
        self.world.run(
            "UPDATE decisions SET expires_at = now() - interval '1 s' WHERE job = %(job)s AND decision IS NULL",
            job=job,
        )

    def meant(self, job: UUID | str) -> list[Row]:
        """What a job meant to push, with its age in seconds."""
        self.truth.look_anew()
        return self.truth.rows(
            """SELECT *, extract(epoch FROM clock_timestamp() - created_at)::float8 AS age
               FROM push_intents WHERE job::text = %(id)s""",
            id=str(job),
        )

    def pass_time(self) -> None:
        """So long that no push which was meant can be sent any more, by the clocks of hands and database alike."""
        self.now += LONG
        with self.ground.connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")  # no trigger asks who has the job
            cursor.execute(
                "UPDATE push_intents SET created_at = created_at - make_interval(secs => %s)"
                " WHERE organization::text = %s",
                (LONG, str(self.world.principal.organization)),
            )
            cursor.execute("SET session_replication_role = origin")
        self.pass_delays()

    def pass_delays(self) -> None:
        self.world.run(
            "UPDATE jobs SET run_after = now() - interval '1 s' WHERE organization = %(organization)s"
            " AND run_after IS NOT NULL AND state = 'queued'",
            organization=self.world.principal.organization,
        )
