"""What must hold of the machine's model after each step, and in the end."""

from collections.abc import Iterable

from hypothesis.stateful import invariant

from flowforge.core.job import FINAL, State
from flowforge.store import schedule
from tests.faults import oracle
from tests.faults.oracle import Row
from tests.faults.steps import Steps

ROUNDS = 30  # in which all jobs must end once nothing goes wrong any more
PROMISES = {
    name: promise for name, promise in oracle.PROMISES.items() if name in {"O2", "O3", "O4", "O5", "O9"}
}


class Watched(Steps):
    """A machine and what must hold of it. What is expected of a step is said from the rows as they were before it."""

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
        self.undos_take_back_what_was_pushed()

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

    def undos_take_back_what_was_pushed(self) -> None:
        """Each undo means exactly a push of its parent, backwards."""
        query = """
            SELECT u.job FROM push_intents u JOIN jobs j ON j.id = u.job
            WHERE u.kind = 'undo' AND u.organization::text = %(organization)s AND NOT EXISTS (
                SELECT FROM push_intents p WHERE p.job = j.parent_job AND p.kind = 'push' AND p.ref = u.ref
                    AND (p.old_sha, p.new_sha) = (u.new_sha, u.old_sha))
        """
        strange = self.truth.rows(query, organization=self.world.principal.organization)
        assert not strange, f"{strange} undo what nobody has pushed"

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
            for question in self.waiting():
                self.forget(question["job"])
            self.pass_time()
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
