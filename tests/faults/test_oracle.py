"""The oracle can say no: each promise is broken on purpose, where that is possible, and heard."""

import subprocess
from collections.abc import Callable
from uuid import UUID

import psycopg2

from tests.acceptance.house import Project, eventually
from tests.faults.oracle import PROMISES, broken_promises, strays
from tests.faults.site import Site, orphans

MakeProject = Callable[..., Project]

# What is done to the truth by the database's own master, and who must notice; in an order in which each is heard alone.
LIES = {
    "O10": "UPDATE jobs SET outputs = jsonb_set(outputs, '{test,tree}', '\"x\"') WHERE id = %(job)s",
    "O9": "UPDATE log_chunks SET start_byte = start_byte + 1 WHERE job = %(job)s",
    "O8": "UPDATE jobs SET lease_until = now() WHERE id = %(job)s",
    "O4": "UPDATE job_executions SET fence = 0 WHERE job = %(job)s",
    "O5": "DELETE FROM job_events WHERE kind = 'job.claim' AND job = %(job)s",
    "O3": "UPDATE jobs SET state = 'cancelled' WHERE id = %(job)s",
    "O1": "UPDATE jobs SET state = 'running' WHERE id = %(job)s",
    "O2": "UPDATE push_intents SET new_sha = repeat('0', 40) WHERE job = %(job)s",
}


def lie(site: Site, statement: str, job: UUID) -> None:
    with psycopg2.connect(site.house.truth.database) as connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no trigger stops the lie
        cursor.execute(statement, {"job": str(job)})
        assert cursor.rowcount > 0
    connection.close()


def test_every_broken_promise_is_heard(site: Site, make_project: MakeProject) -> None:
    assert set(LIES) == set(PROMISES)
    with site.worker():
        job = make_project().run()
    try:
        for name, statement in LIES.items():
            assert name not in heard(site, job.id)
            lie(site, statement, job.id)
            assert name in heard(site, job.id)
    finally:  # nobody after this shall meet the job that the lies have made: it would run
        lie(site, "UPDATE jobs SET state = 'cancelled', rung_at = NULL WHERE id = %(job)s", job.id)


def heard(site: Site, job: UUID) -> set[str]:
    return {words.partition(":")[0] for words in broken_promises(site.house.truth, [job])}


def test_processes_that_are_left_are_found(site: Site) -> None:
    folder = site.house.truth.data / "workspaces"
    folder.mkdir(exist_ok=True)
    parent = subprocess.run(
        ["/bin/sh", "-c", "sleep 47.11 >&- 2>&- & echo $!"], cwd=folder, capture_output=True, check=True
    )
    left = parent.stdout.decode().strip()
    try:
        assert [words for words in orphans() if words.startswith(f"{left}: ")] != []
        assert int(left) in dict(strays(site.house.truth.data))
    finally:
        subprocess.run(["kill", "-9", left], check=True)
    eventually(lambda: int(left) not in dict(strays(site.house.truth.data)), "it is gone", 5)
