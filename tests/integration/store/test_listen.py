"""Hearing what transactions notify."""

import threading
import time

import pytest

from flowforge.core.errors import Temporary
from flowforge.store.admin import connected
from flowforge.store.database import Database
from flowforge.store.listen import listening
from flowforge.store.scope import Scope
from tests.conftest import TestDatabase


def signal(door: Database) -> None:
    with door.transaction(Scope.nobody()) as tx:
        tx.notify("ff_jobs")


def test_a_commit_is_heard_by_who_listens(database: TestDatabase) -> None:
    with listening(database.urls.system, "ff_jobs") as listener:
        assert listener.wait(0), "whatever came before it listened"
        assert not listener.wait(0.05)
        threading.Timer(0.1, signal, [database.app]).start()
        began = time.monotonic()
        assert listener.wait(10)
        assert time.monotonic() - began < 5
        assert not listener.wait(0.05)


def test_what_is_rolled_back_is_not_heard(database: TestDatabase) -> None:
    def fail() -> None:
        with database.app.transaction(Scope.nobody()) as tx:
            tx.notify("ff_jobs")
            raise KeyError

    with listening(database.urls.system, "ff_jobs") as listener:
        listener.wait(0)
        with pytest.raises(KeyError):
            fail()
        assert not listener.wait(0.1)


def test_a_lost_connection_is_said_then_made_again(database: TestDatabase) -> None:
    with listening(database.urls.system, "ff_jobs") as listener:
        listener.wait(0)
        with connected(database.admin_url) as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ff_system'"
            )
        with pytest.raises(Temporary):
            listener.wait(5)
        assert listener.wait(0), "something may have been missed"
        signal(database.app)
        assert listener.wait(10)
