"""What time does to rows."""

import uuid
from decimal import Decimal

from flowforge.store import ledger
from flowforge.store.admin import connected
from flowforge.store.ledger import Spender
from flowforge.store.maintenance import Maintained, Retention, maintain
from flowforge.store.scope import Scope
from tests.conftest import TestDatabase

SYSTEM = Scope.system()


def test_a_fresh_database_needs_nothing(database: TestDatabase) -> None:
    assert maintain(database.system) == Maintained(made=(), dropped=(), erased=0, forgotten=0, expired=0)


def test_what_is_over_goes_and_what_is_to_come_is_made(database: TestDatabase) -> None:
    organization, repository, job = (uuid.uuid4() for _ in range(3))
    with connected(database.admin_url) as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_logs'::regclass "
                       "AND inhrelid <> 'audit_logs_rest'::regclass ORDER BY 1 DESC LIMIT 1")  # fmt: skip
        (last,) = cursor.fetchone()
        cursor.execute(f"DROP TABLE {last}")
    with database.system.transaction(SYSTEM) as tx:
        of = {"organization": organization}
        tx.insert("organizations", {"id": organization, "name": "o", "slug": "o"})
        tx.insert("repositories", {**of, "id": repository, "name": "r", "url": "https://x/r"})
        row = {**of, "id": job, "repository": repository, "branch": "b", "target": "t", "task": "rebase"}
        tx.insert("jobs", row)
        for expires in ("2020-01-01Z", "2040-01-01Z"):
            text = {"sealed_text": b"x", "expires_at": expires}
            kind = {"stage": "s", "path": "p", "kind": "content", "method": "", "success": True}
            tx.insert("conflict_resolutions", {**of, "job": job, **kind, **text})
        for done in ("2020-01-01Z", None):
            tx.insert("outbox", {**of, "job": job, "kind": "x", "done_at": done})
        spender = Spender(organization=organization)
        ledger.reserve(tx, id_=uuid.uuid4(), spender=spender, amount=Decimal(1), seconds=-1)
    done = maintain(database.system, Retention(audit_days=0))
    assert last in done.made
    assert [name.startswith("audit_logs_") for name in done.dropped] == [True], "last week's"
    assert (done.erased, done.forgotten, done.expired) == (1, 1, 1)
    with database.system.transaction(SYSTEM) as tx:
        assert tx.value("SELECT count(*) FROM conflict_resolutions") == 2
        assert tx.value("SELECT count(*) FROM outbox") == 1
