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
from collections.abc import Callable, Mapping, Sequence

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
    run_state_machine_as_test,
)

from flowforge.core.concurrency import Concurrency
from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.core.job import FINAL, State
from flowforge.jobs.pause import pause
from flowforge.jobs.session import Stop
from flowforge.pipeline.undoing import UNDO
from flowforge.store import jobs as table
from tests.faults.control import CROWD, Control, some
from tests.faults.ground import Ground, own_ground
from tests.faults.hands import Hand, refusal
from tests.faults.hands import Phase as At
from tests.faults.scene import BRANCHES, LEASE

UNSEEN = "unseen"
SENDING = (At.INTENDED, At.LOOKED)  # phases in which a hand may come too late
LENGTH = 60  # steps of one run
RUNS = 25  # with one seed
GROUPS = (None, Concurrency(group="branch", policy="supersede"), Concurrency(group="all", policy="reject"))


class Machine(Control):
    """The rules: what may happen next."""

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
        row = self.row(self.pick([job for job in self.jobs if self.row(job)["trigger"] != UNDO], which))
        child, error = refusal(lambda: self.world.retry(self.world.job(row["id"])))
        early = State(row["state"]) not in FINAL
        busy = row["concurrency_group"] in {one["concurrency_group"] for one in self.open()}
        kept_out = busy and row["concurrency_policy"] == "reject"
        expected = Reason.GROUP_BUSY if kept_out else None
        assert error is (Reason.CONFLICT_OF_STATE if early else expected)
        self.jobs += [child.id] if child else []
        self.did("retry", "child" if child else "refused")

    @precondition(lambda self: self.paused is not None or len(self.busy()) > 1)
    @rule(narrow=st.booleans())
    def pause_or_resume(self, narrow: bool) -> None:
        """Of the organization, or of its one repository: nothing starts, and what runs goes on."""
        if self.paused is not None:
            self.resumes()
        else:
            repository = self.world.repository if narrow else None
            with self.world.transaction() as transaction:
                self.paused = pause(
                    transaction,
                    self.boss,
                    self.world.door,
                    repository=repository,
                    target="",
                    reason="a freeze",
                ).id
        self.did("pause_or_resume", "resumed" if self.paused is None else "paused")

    @precondition(lambda self: self.busy())
    @rule(what=st.sampled_from(("main", *BRANCHES, "closes or opens", UNSEEN, UNSEEN)))
    def remote_changes(self, what: str) -> None:
        """A person pushes, at best where a hand has looked just before; or the host begins or ends to refuse pushes."""
        looked = [hand.mine.branch for hand in self.at(At.LOOKED)]
        branch = next(iter(looked), BRANCHES[0]) if what == UNSEEN else what
        if what == "closes or opens":
            self.remote.close(closed=not self.remote.closed)
        else:
            self.remote.person_pushes(branch, self.remote.tip(branch))
        self.did("remote_changes", what)

    # ------------------------------------------------------------------------------------------- what the relay does

    @precondition(lambda self: self.idle() and any(row["rung_at"] is None for row in self.open(State.QUEUED)))
    @rule()
    def ring(self) -> None:
        self.beat()
        rung = self.relay.ring()
        assert not (rung and self.paused), "a paused job was rung for"
        for job in rung:
            assert self.row(job)["state"] == State.QUEUED
            assert self.row(job)["rung_at"] is not None
        self.did("ring", "some" if rung else "none")

    @precondition(lambda self: self.lapsed or any(row["rung_at"] for row in self.open(State.QUEUED)))
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

    @precondition(lambda self: self.idle() and self.undos())
    @rule(which=some, by=some, further=st.integers(0, 7))
    def an_undo_runs(self, which: int, by: int, further: int) -> None:
        """It waits until no push is under way, and comes more or less far: else few would come to anything."""
        self.pass_time()
        hand = self.pick(self.idle(), by)
        taken = self.claims(self.pick(self.undos(), which), hand)
        for _ in range(further):
            if not hand.idle:
                taken = self.goes_on(hand, bundle_lost=False, reply_lost=False)
        self.did("an_undo_runs", taken)

    @precondition(lambda self: any(row["run_after"] for row in self.before.values()) or self.at(*SENDING))
    @rule(wakes=st.booleans())
    def time_passes(self, wakes: bool) -> None:
        """And perhaps a hand that stood still before its push goes on with it."""
        self.pass_time()
        hand, how = next(iter(self.at(*SENDING)), None), ""
        while wakes and hand is not None and hand.phase in SENDING and not hand.idle:
            how = self.goes_on(hand, bundle_lost=False, reply_lost=False)
        self.did("time_passes", how)

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
            At.WORKING: lambda: self.prepares(hand, bundle_lost=bundle_lost),
            At.WORKED: lambda: self.writes(hand, lambda: self.intends(hand)),
            At.INTENDED: hand.look,
            At.LOOKED: lambda: self.pushes(hand, reply_lost=reply_lost),
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
