"""What people do with pushes and questions in the machine's model: undo, approve, edit, reject, or nothing for too long."""

from collections.abc import Mapping
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from flowforge.core.decision import QuestionKind, Verb
from flowforge.core.errors import Reason
from flowforge.core.job import FINAL, State
from flowforge.jobs.decide import Decision, decide
from flowforge.jobs.pushing import LANDED, OPEN
from flowforge.jobs.undo import undo
from flowforge.pipeline.undoing import UNDO
from tests.faults.hands import FILE, VAULT, Hand, refusal
from tests.faults.hands import Phase as At
from tests.faults.oracle import Row
from tests.faults.steps import still_under_way
from tests.faults.watched import Watched

CROWD = 4  # open jobs: what meets in one place is more telling than what waits
GOOD: Mapping[str, str] = {FILE: "b\n"}
BAD: tuple[Mapping[str, str], ...] = ({}, {"another": "b\n"}, {FILE: "<<<<<<< a\n"})
SAYS = (  # what a person may say, mostly what makes sense
    *[(Verb.APPROVE, {}), (Verb.REJECT, {}), (Verb.EDIT, GOOD)] * 2,
    (Verb.APPROVE, GOOD),
    *((Verb.EDIT, files) for files in BAD),
)

some = st.integers(0, 11)  # picks one of what there is


class Control(Watched):
    """Rules for pushes that are taken back, and for jobs that wait for a person."""

    # ------------------------------------------------------------------------------------------------------- undo

    @precondition(lambda self: len(self.open()) < CROWD and self.pushers())
    @rule(which=some)
    def undo(self, which: int) -> None:
        row = self.row(self.pick(self.pushers(), which))
        expected = self.answer_to_undo(row)
        waits = still_under_way([one for one in self.meant(row["id"]) if one["kind"] == "push"])
        child, error = refusal(lambda: self.undoes(row["id"]))
        self.jobs += [child] if child else []
        assert error is expected, f"the undo of {row['id']} ({row['state']}) was answered by {error}"
        if child is not None:
            assert (self.row(child)["run_after"] is not None) is waits, f"it should wait: {waits}"
            self.hold_delays()
        self.did("undo", "child" if child else "refused")

    def undoes(self, job: UUID) -> UUID:
        with self.world.transaction() as transaction:
            return undo(transaction, self.world.principal, job, self.world.door).id

    def undos(self) -> list[UUID]:
        return [row["id"] for row in self.open(State.QUEUED) if row["trigger"] == UNDO]

    def pushers(self) -> list[UUID]:
        """Jobs that meant to push, and those that undo them."""
        self.truth.look_anew()
        rows = self.truth.rows(
            "SELECT DISTINCT job FROM push_intents WHERE organization::text = %(organization)s",
            organization=self.world.principal.organization,
        )
        known = {row["job"] for row in rows}
        return [job for job in self.jobs if job in known]

    def answer_to_undo(self, row: Row) -> Reason | None:
        """Refused where it has not ended, where nothing of it can have landed, and the second time."""
        mine = [one for one in self.meant(row["id"]) if one["kind"] == "push"]
        landed = any(one["outcome"] in LANDED | OPEN for one in mine)
        children = [one for one in self.rows() if one["parent_job"] == row["id"] and one["trigger"] == UNDO]
        twice = any(State(one["state"]) not in FINAL - {State.SUCCESS} for one in children)
        fine = State(row["state"]) in FINAL and landed and not twice
        return None if fine else Reason.CONFLICT_OF_STATE

    # ------------------------------------------------------------------------------------------------- questions

    @precondition(lambda self: self.may_ask())
    @rule(which=some, kind=st.sampled_from(QuestionKind), held_up=st.booleans())
    def ask(self, which: int, kind: QuestionKind, held_up: bool) -> None:
        """A hand comes as far as its push and stops for a person; something may happen before that is written."""
        hand = self.pick(self.may_ask(), which)
        if hand.phase is At.CLAIMED:
            self.begins(hand)
        if not hand.idle and hand.phase is At.WORKING:
            self.prepares(hand, bundle_lost=False)
        how = "refused" if hand.idle else self.writes(hand, lambda: hand.ask(kind))
        if not hand.idle and not held_up:
            how = self.ends(hand)
        self.did("ask", how)

    def may_ask(self) -> list[Hand]:
        early = self.at(At.CLAIMED, At.WORKING, At.WORKED)
        return [hand for hand in early if not hand.undoes]

    @precondition(lambda self: self.waiting())
    @rule(which=some, says=st.sampled_from(SAYS), before=st.sampled_from((None, 0, 1)))
    def decide(self, which: int, says: tuple[Verb, Mapping[str, str]], before: int | None) -> None:
        """A person decides: on whatever is asked, on the question that they saw, or on one `before` that is over."""
        question, (verb, files) = self.pick(self.waiting(), which), says
        seen = None if before is None else question["number"] - before
        expected = answer_to_decision(question, verb, files, seen)
        job, error = self.decides(question["job"], Decision(verb=verb, files=files, number=seen))
        assert error is expected, f"{verb} with {files} of {question['kind']} was answered by {error}"
        if expected is None:
            ended = ("failed", Reason.REJECTED) if verb is Verb.REJECT else ("queued", None)
            assert (job["state"], job["reason"]) == ended
            self.second = question["job"]
        self.did("decide", "refused" if error else verb)

    decide_too = decide  # whoever waits is decided on more often than anything else happens to it

    @precondition(lambda self: self.second is not None or any(self.decided()))
    @rule(which=some, verb=st.sampled_from(Verb))
    def decide_what_is_not_asked(self, which: int, verb: Verb) -> None:
        """The second of two who decide at once; or somebody decides on a job that has ended, or runs."""
        others = [job for job in self.decided() if self.row(job)["state"] != State.WAITING]
        identity = self.second or (self.pick(others, which) if others else None)
        self.second = None
        if identity is None or self.row(identity)["state"] == State.WAITING:
            return
        before = self.row(identity)
        files = GOOD if verb is Verb.EDIT else {}
        after, error = self.decides(identity, Decision(verb=verb, files=files))
        assert error is Reason.CONFLICT_OF_STATE
        assert (after["state"], after["last_seq"]) == (before["state"], before["last_seq"])
        self.did("decide_what_is_not_asked", str(before["state"]))

    @precondition(lambda self: self.waiting())
    @rule(which=some, swept=st.booleans())
    def nobody_decides(self, which: int, swept: bool) -> None:
        """For too long; the sweep comes at once, or somebody may still be before it."""
        job = self.pick(self.waiting(), which)["job"]
        self.forget(job)
        if swept:
            self.sweeps(ring_lost=3600.0)
            row = self.row(job)
            assert (row["state"], row["reason"]) == ("failed", Reason.DECISION_EXPIRED)
        self.did("nobody_decides", str(self.row(job)["state"]))

    def decided(self) -> list[UUID]:
        """Jobs that have asked something once."""
        self.truth.look_anew()
        rows = self.truth.rows(
            "SELECT DISTINCT job FROM decisions WHERE organization::text = %(organization)s",
            organization=self.world.principal.organization,
        )
        known = {row["job"] for row in rows}
        return [job for job in self.jobs if job in known]

    def decides(self, job: UUID, decision: Decision) -> tuple[Row, Reason | None]:
        """How the job stands after it, and why it was refused."""

        def doing() -> None:
            with self.world.transaction() as transaction:
                decide(transaction, self.world.principal, job, decision, VAULT)

        error = refusal(doing)[1]
        return self.row(job), error


def answer_to_decision(
    question: Row, verb: Verb, files: Mapping[str, str], seen: int | None
) -> Reason | None:
    """Refused for another question; an approval where there is no answer; texts that do not belong there."""
    if seen not in {None, question["number"]}:
        return Reason.CONFLICT_OF_STATE
    if verb is Verb.EDIT:
        return None if files == GOOD else Reason.INVALID_REQUEST
    nothing = verb is Verb.APPROVE and question["kind"] == QuestionKind.RESOLVE
    return Reason.INVALID_REQUEST if files or nothing else None
