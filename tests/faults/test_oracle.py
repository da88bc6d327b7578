"""The oracle can say no: each promise is broken on purpose, where that is possible, and heard."""

import subprocess
from base64 import b64encode
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import psycopg2
import pytest

from flowforge.queues.connection import connect
from tests.acceptance.house import SECRET, USER, Project, ending, eventually
from tests.acceptance.stories import apart, pipeline, shop
from tests.conftest import TestDatabase
from tests.faults.oracle import (
    PROMISES,
    Truth,
    no_secret_shows,
    strays,
    what_is_spent_is_what_is_billed,
)
from tests.faults.site import Site, orphans
from tests.faults.updates import pushed

MakeProject = Callable[..., Project]

# What is done to the truth by the database's own master, who must notice, and what is said then; in an order in which
# each is heard anew.
LIES = (
    (
        "O10",
        "trees are",
        "UPDATE jobs SET outputs = jsonb_set(outputs, '{test,tree}', '\"x\"') WHERE id = %(job)s",
    ),
    ("O9", "goes on at", "UPDATE log_chunks SET start_byte = start_byte + 1 WHERE job = %(job)s"),
    ("O9", "numbers", "UPDATE log_chunks SET seq = seq + 1000 WHERE job = %(job)s"),
    ("O8", "holds a lease", "UPDATE jobs SET lease_until = now() WHERE id = %(job)s"),
    ("O8", "is open", "UPDATE job_executions SET completed_at = NULL WHERE job = %(job)s"),
    (
        "O4",
        "then 0",
        """INSERT INTO job_executions (organization, job, attempt, fence, worker)
           SELECT organization, id, 2, 0, 'w' FROM jobs WHERE id = %(job)s""",
    ),
    ("O4", "of no attempt", "UPDATE job_executions SET fence = -1 WHERE job = %(job)s AND fence > 0"),
    (
        "O6",
        "and settled",
        """INSERT INTO model_usage (organization, job, provider, model, operation, cost_usd)
           SELECT organization, id, 'p', 'm', 'o', 0.01 FROM jobs WHERE id = %(job)s""",
    ),
    ("O7", "table jobs", f"UPDATE jobs SET next_action = 'use {SECRET}' WHERE id = %(job)s"),  # noqa: S608 (our own word)
    (
        "O5",
        "queued, then",
        "UPDATE job_events SET data = data - 'to' WHERE kind = 'job.claim' AND job = %(job)s",
    ),
    (
        "O5",
        "began as",
        "UPDATE job_events SET data = data - 'to' WHERE kind = 'job.submit' AND job = %(job)s",
    ),
    ("O3", "cancelled job", "UPDATE jobs SET state = 'cancelled' WHERE id = %(job)s"),
    ("O2", "no push of it has landed", "UPDATE push_intents SET outcome = 'moved' WHERE job = %(job)s"),
    ("O2", "without an intent", "UPDATE push_intents SET old_sha = repeat('1', 40) WHERE job = %(job)s"),
    ("O2", "no update is left", "UPDATE push_intents SET outcome = 'pushed' WHERE job = %(job)s"),
    (
        "O1",
        "is still running",
        "UPDATE jobs SET state = 'running' WHERE id = %(job)s",
    ),  # and is taken back soon
)


def lie(site: Site, statement: str, job: UUID) -> None:
    with psycopg2.connect(site.house.truth.database) as connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no trigger stops the lie
        cursor.execute(statement, {"job": str(job)})
        assert cursor.rowcount > 0
    connection.close()


def test_every_broken_promise_is_heard(site: Site, make_project: MakeProject) -> None:
    assert {name for name, _, _ in LIES} == set(PROMISES)
    with site.worker():
        job = make_project().run()
    try:
        for name, words, statement in LIES:
            before = heard(site, job.id, name, words)
            lie(site, statement, job.id)
            assert len(heard(site, job.id, name, words)) > len(before), (name, words)
    finally:  # nobody after this shall meet what the lies have made: the job would run, the secret would be found
        lie(
            site,
            "UPDATE jobs SET state = 'cancelled', rung_at = NULL, next_action = '' WHERE id = %(job)s",
            job.id,
        )
        lie(site, "DELETE FROM model_usage WHERE job = %(job)s", job.id)


def heard(site: Site, job: UUID, name: str, words: str) -> list[str]:
    """What this promise says with these words."""
    return [one for one in PROMISES[name](site.house.truth, [job]) if words in one]


def test_a_job_that_is_gone_is_missed(site: Site) -> None:
    assert len(heard(site, uuid4(), "O1", "was accepted and is gone")) == 1


def test_there_and_back_and_there_again_is_three_jobs_with_a_move_each(site: Site) -> None:
    """A retry means the very update that the first job has made and an undo has taken back: no commit was rebased."""
    project = site.house.project()
    files = shop(pipeline(test="true", to="target"))
    base = project.repository.commit(files, branch="main", message="Open the shop")
    project.repository.commit({**files, "docs/new.md": "new\n"}, base, branch="topic", message="More")
    with site.worker():
        first = project.run()
        back = site.house.ended(site.house.undo(first))
        with site.house.client as client:
            again = site.house.ended(client.retry(first.id))
    assert [ending(one)[1] for one in (first, back, again)] == ["pushed", "undone", "pushed"]
    made, taken, made_again = project.pushes("main")
    assert made == made_again
    assert (taken.old, taken.new) == (made.new, made.old)
    site.keeps_its_promises(first, back, again)
    lie(site, "UPDATE push_intents SET outcome = 'moved' WHERE job = %(job)s", again.id)
    lie(site, "UPDATE jobs SET state = 'cancelled' WHERE id = %(job)s", again.id)
    assert heard(site, again.id, "O3", "cancelled job")  # both moves cannot be the first one's


@pytest.mark.parametrize(
    ("to", "branch"), [("target", "main"), ("new-branch", "flowforge/topic")]
)  # the second is deleted again, and its reflog with it
def test_what_is_pushed_elsewhere_and_taken_back_is_counted_there(site: Site, to: str, branch: str) -> None:
    project = site.house.project()
    apart(project.repository, pipeline(test="true", to=to))
    with site.worker():
        job = project.run()
        back = site.house.ended(site.house.undo(job))
    assert (ending(job), ending(back)) == (("success", "pushed"), ("success", "undone"))
    site.keeps_its_promises(job, back)
    assert set(pushed(project.repository.path)) == {f"refs/heads/{branch}"}
    for one in (job, back):
        lie(site, "UPDATE push_intents SET old_sha = repeat('1', 40) WHERE job = %(job)s", one.id)
        assert heard(site, one.id, "O2", "without an intent")


def test_a_secret_is_found_wherever_it_is_kept(site: Site) -> None:
    truth = site.house.truth
    assert truth.said is not None
    for file in (truth.data / "planted", truth.said / "planted.log"):
        file.write_text(f"Authorization: Basic {b64encode(f'{USER}:{SECRET}'.encode()).decode()}\n")
        assert list(no_secret_shows(truth, [])) == [f"a secret is in file {file}"]
        file.unlink()
    with connect(site.redis_url) as redis:
        for name, put in (
            ("planted", ("SET", SECRET)),
            ("planted", ("RPUSH", "x", SECRET)),
            (SECRET, ("SET", 1)),
        ):
            redis.execute_command(put[0], name, *put[1:])
            assert list(no_secret_shows(truth, [])) == [f"a secret is in Redis under {name}"]
            redis.execute_command("DEL", name)
    assert list(no_secret_shows(truth, [])) == []


@pytest.mark.parametrize(
    ("bill", "state", "said"),
    [
        ("0.50", "settled", ""),
        ("0.50", "reserved", ""),
        ("0.20", "expired", ""),
        ("0.20", "settled", "only $0.20 were billed"),
        ("0.51", "settled", "$0.51 are billed"),
        ("0.51", "reserved", "$0.51 are billed"),
        ("0.50", "released", "$0.50 are billed"),
    ],
)
def test_the_bill_and_the_ledger_are_compared(
    database: TestDatabase, bill: str, state: str, said: str
) -> None:
    truth = Truth(database=database.admin_url, served=Path("/"), data=Path("/"), billed=lambda: Decimal(bill))
    with psycopg2.connect(database.admin_url) as connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "INSERT INTO budget_reservations (id, organization, amount_usd, cost_usd, state, totals, expires_at) "
            "VALUES (gen_random_uuid(), gen_random_uuid(), 0.5, 0.5, %s, '[]', now())",
            (state,),
        )
    connection.close()
    found = list(what_is_spent_is_what_is_billed(truth, []))
    assert [said in words for words in found] == ([True] if said else [])


def test_a_budget_that_is_overdrawn_is_heard(database: TestDatabase) -> None:
    truth = Truth(database=database.admin_url, served=Path("/"), data=Path("/"))
    with psycopg2.connect(database.admin_url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO budgets (id, period, amount_usd) VALUES (gen_random_uuid(), 'monthly', 5)"
        )
        cursor.execute(
            "INSERT INTO budget_totals (kind, subject, starts_at, spent_usd, reserved_usd) "
            "SELECT 'budget', id, now(), 4, 1 FROM budgets"
        )
        connection.commit()
        assert list(what_is_spent_is_what_is_billed(truth, [])) == []
        cursor.execute("UPDATE budget_totals SET reserved_usd = 1.01")
    connection.close()
    assert len(list(what_is_spent_is_what_is_billed(truth, []))) == 1


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
    eventually(lambda: int(left) not in dict(strays(site.house.truth.data)), "it is gone")
