"""The wire to Postgres breaks while a job talks: its log is whole, in order, and nothing of it stands twice."""

from collections.abc import Iterator

import pytest

from tests.acceptance.house import ending, eventually
from tests.acceptance.stories import apart, pipeline
from tests.faults.proxy import Trouble
from tests.faults.wired import WiredSite, all_succeed

LEASE = {"FLOWFORGE_LEASE_SECONDS": "30", "FLOWFORGE_RENEW_SECONDS": "0.5"}  # so that no attempt is lost
WRITE = (b"INSERT INTO log_chunks", b"COMMIT")
LINES = 30
SAYS = f"for i in $(seq {LINES}); do echo line $i; sleep 0.1; done"


@pytest.fixture(autouse=True)
def healthy(wired: WiredSite) -> Iterator[None]:
    yield
    wired.heal()
    eventually(wired.ready, "the service is ready again")


@pytest.mark.parametrize("do", ["swallow", "cut"])
def test_a_log_whose_commits_are_not_answered_is_whole_and_nothing_of_it_stands_twice(
    wired: WiredSite, do: str
) -> None:
    """`swallow`: Postgres has committed, and nobody hears so. `cut`: it never heard the COMMIT."""
    project = wired.house.project()
    apart(project.repository, pipeline(test=SAYS))
    trouble = Trouble(do=do, on=WRITE, times=4)  # type: ignore[arg-type]  # one of its words
    with wired.process("worker", **LEASE):
        wired.database_wire.trouble(trouble)
        job = project.submit()
        all_succeed(wired, [job])
    assert [one for _, one in wired.database_wire.struck].count(trouble) == 4
    assert ending(wired.house.job(job.id)) == ("success", "pushed")
    said = wired.house.log(job).splitlines()
    assert [line for line in said if line.startswith("line ")] == [f"line {n + 1}" for n in range(LINES)]
    told = wired.house.truth.rows(
        "SELECT data ->> 'stage' AS stage FROM job_events WHERE job::text = %(job)s AND kind = 'stage.started'",
        job=job.id,
    )
    stages = [row["stage"] for row in told]
    assert sorted(set(stages)) == sorted(stages), "an event that went along stands once as well"
