"""The oracle can say no: each promise is broken on purpose, where that is possible, and heard."""

import subprocess
from base64 import b64encode
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import psycopg2
import pytest

from flowforge.queues.connection import connect
from tests.acceptance.house import SECRET, USER, Project, eventually
from tests.conftest import TestDatabase
from tests.faults.oracle import (
    PROMISES,
    Truth,
    broken_promises,
    no_secret_shows,
    strays,
    what_is_spent_is_what_is_billed,
)
from tests.faults.site import Site, orphans

MakeProject = Callable[..., Project]

# What is done to the truth by the database's own master, and who must notice; in an order in which each is heard alone.
LIES = {
    "O10": "UPDATE jobs SET outputs = jsonb_set(outputs, '{test,tree}', '\"x\"') WHERE id = %(job)s",
    "O9": "UPDATE log_chunks SET start_byte = start_byte + 1 WHERE job = %(job)s",
    "O8": "UPDATE jobs SET lease_until = now() WHERE id = %(job)s",
    "O4": "UPDATE job_executions SET fence = 0 WHERE job = %(job)s",
    "O6": "INSERT INTO model_usage (organization, job, provider, model, operation, cost_usd) "
    "SELECT organization, id, 'p', 'm', 'o', 0.01 FROM jobs WHERE id = %(job)s",
    "O7": f"UPDATE jobs SET next_action = 'use {SECRET}' WHERE id = %(job)s",  # noqa: S608 (our own word)
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
    finally:  # nobody after this shall meet what the lies have made: the job would run, the secret would be found
        lie(
            site,
            "UPDATE jobs SET state = 'cancelled', rung_at = NULL, next_action = '' WHERE id = %(job)s",
            job.id,
        )
        lie(site, "DELETE FROM model_usage WHERE job = %(job)s", job.id)


def heard(site: Site, job: UUID) -> set[str]:
    return {words.partition(":")[0] for words in broken_promises(site.house.truth, [job])}


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
    eventually(lambda: int(left) not in dict(strays(site.house.truth.data)), "it is gone", 5)
