"""The transaction door against a real server."""

import uuid

import pytest

from flowforge.core.errors import Broken
from flowforge.store.database import Database
from flowforge.store.scope import Scope
from tests.conftest import TestDatabase


def test_a_transaction_commits_when_its_block_ends(database: TestDatabase) -> None:
    organization = uuid.uuid4()
    with database.system.transaction(Scope.system()) as tx:
        tx.insert("organizations", {"id": organization, "name": "One", "slug": "one"})
    with database.app.transaction(Scope.organization(organization)) as tx:
        assert tx.value("SELECT name FROM organizations") == "One"


def test_the_app_role_may_not_ask_for_all_rows(database: TestDatabase) -> None:
    with pytest.raises(Broken, match="one organization"), database.app.transaction(Scope.system()):
        pass


def test_a_superuser_is_refused(database: TestDatabase) -> None:
    with pytest.raises(Broken, match="superuser"), Database(database.admin_url).transaction(Scope.nobody()):
        pass
