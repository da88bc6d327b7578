"""Tokens, the first organization, repositories and money, against a real database."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from flowforge.accounts.bootstrap import First, bootstrap, slug_of
from flowforge.accounts.repositories import (
    Changes,
    Login,
    add_repository,
    get_repository,
    list_repositories,
    read_login,
    update_repository,
)
from flowforge.accounts.spending import StoredBooks, hold_installation_to
from flowforge.accounts.tokens import believe, create_token, hash_of, revoke_token
from flowforge.core.access import Operation, Role
from flowforge.core.errors import Broken, Reason, Refused
from flowforge.llm.ports import Asker
from flowforge.store import budgets
from flowforge.store.audit import list_audit
from flowforge.store.ids import make_ids
from flowforge.store.scope import Actor, Scope
from flowforge.vault.envelope import Vault
from flowforge_plugins.keys.local_key import LocalKey
from tests.conftest import TestDatabase

IDS = make_ids()
VAULT = Vault(LocalKey(b"k" * 32))
LOGIN = Login(username="bot", secret="hunter22")


def plain(url: str) -> str:
    if not url.startswith("https://"):
        raise Refused(Reason.INVALID_URL, f"{url!r} is no url")
    return url


@pytest.fixture
def first(database: TestDatabase) -> First:
    made = bootstrap(database.system, ids=IDS)
    assert made is not None
    return made


class TestTokens:
    def test_the_first_token_belongs_to_an_operator(self, database: TestDatabase, first: First) -> None:
        principal = believe(database.app, first.token)
        assert principal.organization == first.organization
        assert (principal.user, principal.role) == (first.user, Role.OPERATOR)
        assert principal.scopes == frozenset(Operation)
        assert first.token not in repr(first)

    def test_there_is_one_first_organization(self, database: TestDatabase, first: First) -> None:
        assert bootstrap(database.system, ids=IDS) is None

    def test_only_a_hash_is_kept(self, database: TestDatabase, first: First) -> None:
        with database.system.transaction(Scope.system()) as tx:
            row = tx.row("SELECT * FROM tokens")
        assert row is not None
        assert row["hash"] == hash_of(first.token)
        assert row["shown"] == first.token[:11]
        assert first.token not in json.dumps(row, default=str)

    def test_using_a_token_is_noted(self, database: TestDatabase, first: First) -> None:
        believe(database.app, first.token)
        with database.system.transaction(Scope.system()) as tx:
            assert tx.value("SELECT last_used_at > now() - interval '1 minute' FROM tokens")

    @pytest.mark.parametrize(
        "text",
        ["", "ff_", "ff_" + "A" * 43, "ff_" + "A" * 500, "xx", "ff_\u00e4", "ff_\0", "ff_' OR true --"],
    )
    def test_a_token_that_is_none_is_not_believed(
        self, database: TestDatabase, first: First, text: str
    ) -> None:
        with pytest.raises(Refused) as caught:
            believe(database.app, text)
        assert caught.value.reason is Reason.NOT_SIGNED_IN
        assert not text or text not in str(caught.value)

    def test_expired_revoked_and_inactive_are_one_answer(self, database: TestDatabase, first: First) -> None:
        of = {"organization": first.organization, "user": first.user, "ids": IDS}
        with database.app.transaction(Scope.organization(first.organization)) as tx:
            old = create_token(tx, **of, name="old", expires_at=datetime.now(UTC) - timedelta(seconds=1))
            ended = create_token(tx, **of, name="ended", scopes={Operation.READ})
        assert believe(database.app, ended.text).scopes == {Operation.READ}
        with database.app.transaction(Scope.organization(first.organization)) as tx:
            revoke_token(tx, organization=first.organization, token=ended.id)
        for text in (old.text, ended.text):
            with pytest.raises(Refused, match="not valid"):
                believe(database.app, text)
        with database.system.transaction(Scope.system()) as tx:
            tx.run("UPDATE users SET is_active = false")
        with pytest.raises(Refused, match="not valid"):
            believe(database.app, first.token)

    def test_a_token_of_another_organization_cannot_be_revoked(
        self, database: TestDatabase, first: First
    ) -> None:
        with database.system.transaction(Scope.system()) as tx:
            id_ = tx.value("SELECT id FROM tokens")
        other = uuid.uuid4()
        with pytest.raises(Refused), database.app.transaction(Scope.organization(other)) as tx:
            revoke_token(tx, organization=other, token=id_)
        believe(database.app, first.token)


@pytest.mark.parametrize(
    ("name", "slug"),
    [("default", "default"), ("\u00c4 B--c!", "b-c"), ("", "organization"), ("x" * 99, "x" * 63)],
)
def test_a_slug_is_made_of_any_name(name: str, slug: str) -> None:
    assert slug_of(name) == slug


class TestRepositories:
    def add(self, database: TestDatabase, first: First, name: str = "app", **extra: object) -> uuid.UUID:
        with database.app.transaction(Scope.organization(first.organization)) as tx:
            known = {"check_url": plain, "ids": IDS, "vault": VAULT, "login": LOGIN}
            url = f"https://git.example/{name}"
            return add_repository(
                tx, organization=first.organization, name=name, url=url, **{**known, **extra}
            ).id

    def test_it_is_added_listed_and_found(self, database: TestDatabase, first: First) -> None:
        ids = [self.add(database, first, name) for name in ("b", "a", "team/c")]
        with database.app.transaction(Scope.organization(first.organization)) as tx:
            assert [r.name for r in list_repositories(tx)] == ["a", "b", "team/c"]
            assert [r.name for r in list_repositories(tx, after="a", limit=1)] == ["b"]
            found = get_repository(tx, ids[0])
        assert (found.name, found.has_credentials, found.is_active) == ("b", True, True)

    def test_its_login_is_sealed_for_its_place(self, database: TestDatabase, first: First) -> None:
        one, two = self.add(database, first, "one"), self.add(database, first, "two")
        with database.system.transaction(Scope.system()) as tx:
            assert read_login(tx, one, vault=VAULT) == LOGIN
            assert b"hunter22" not in tx.value("SELECT credentials FROM repositories WHERE id = %(i)s", i=one)
            tx.run("UPDATE repositories SET credentials = (SELECT credentials FROM repositories WHERE id = %(a)s) "
                   "WHERE id = %(b)s", a=one, b=two)  # fmt: skip
            with pytest.raises(Broken):
                read_login(tx, two, vault=VAULT)
            with pytest.raises(Broken):
                read_login(tx, one, vault=Vault(LocalKey(b"x" * 32)))

    def test_a_name_that_is_taken_is_said(self, database: TestDatabase, first: First) -> None:
        self.add(database, first)
        with pytest.raises(Refused, match="named 'app' already") as caught:
            self.add(database, first)
        assert caught.value.reason is Reason.CONFLICT_OF_STATE

    @pytest.mark.parametrize("name", ["", " a", "a b", "-a", "a/", "a\0", "x" * 201, "\u202ea"])
    def test_an_impossible_name_is_refused(self, database: TestDatabase, first: First, name: str) -> None:
        with pytest.raises(Refused, match="no name"):
            self.add(database, first, name)

    @pytest.mark.parametrize("secret", ["", "a\0b", "x" * 20_000])
    def test_an_impossible_secret_is_refused_without_repeating_it(
        self, database: TestDatabase, first: First, secret: str
    ) -> None:
        with pytest.raises(Refused, match="the secret is") as caught:
            self.add(database, first, login=replace(LOGIN, secret=secret))
        assert "xxx" not in str(caught.value)

    def test_changes_reach_the_row_and_the_audit(self, database: TestDatabase, first: First) -> None:
        id_ = self.add(database, first)
        scope = Scope.organization(first.organization)
        with database.app.transaction(scope, actor=Actor(kind="user", user=first.user)) as tx:
            changes = Changes(default_branch="main", is_active=False, settings={"x": 1})
            changed = update_repository(tx, id_, changes, check_url=plain, vault=VAULT)
            audit = list_audit(tx, resource="repository", resource_id=str(id_))
        assert (changed.default_branch, changed.is_active, changed.settings) == ("main", False, {"x": 1})
        assert changed.has_credentials
        assert [row.action for row in audit] == ["repository.update", "repository.add"]
        assert audit[0].user_id == first.user
        assert "hunter22" not in repr(audit)

    def test_a_login_does_not_follow_to_another_url(self, database: TestDatabase, first: First) -> None:
        id_ = self.add(database, first)
        with database.app.transaction(Scope.organization(first.organization)) as tx:
            moved = update_repository(
                tx, id_, Changes(url="https://evil.example/app"), check_url=plain, vault=VAULT
            )
            assert not moved.has_credentials
            with pytest.raises(Refused):
                update_repository(tx, id_, Changes(url="ssh://x"), check_url=plain, vault=VAULT)

    def test_another_organization_s_is_not_found(self, database: TestDatabase, first: First) -> None:
        id_ = self.add(database, first)
        for wanted in (id_, uuid.uuid4()):
            with (
                pytest.raises(Refused) as caught,
                database.app.transaction(Scope.organization(uuid.uuid4())) as tx,
            ):
                get_repository(tx, wanted)
            assert caught.value.reason is Reason.NOT_FOUND


def test_the_installation_s_own_cap_follows_the_setting(database: TestDatabase, first: First) -> None:
    asker = Asker(organization=first.organization)
    stored = StoredBooks(database=database.system, ids=IDS, vault=VAULT)
    for setting, allowed in ((Decimal(0), True), (Decimal(1), False), (Decimal(5), True), (Decimal(0), True)):
        hold_installation_to(database.system, setting, IDS)
        if allowed:
            stored.release(stored.reserve(asker, Decimal(2)))
            continue
        with pytest.raises(Refused, match="which the installation's monthly budget has no room"):
            stored.reserve(asker, Decimal(2))


def test_what_an_operator_set_for_the_installation_outlives_the_setting(
    database: TestDatabase, first: First
) -> None:
    def stands() -> tuple[Decimal, str] | None:
        with database.system.transaction(Scope.system()) as tx:
            found = budgets.one(tx, period="monthly")
        return None if found is None else (found.amount, found.set_by)

    hold_installation_to(database.system, Decimal(5), IDS)
    assert stands() == (5, "setting")
    with database.system.transaction(Scope.system()) as tx:
        budgets.set_budget(tx, id_=IDS(), period="monthly", amount=Decimal(9))
    for setting in (Decimal(5), Decimal(0)):
        hold_installation_to(database.system, setting, IDS)
        assert stands() == (9, "person")
    with database.system.transaction(Scope.system()) as tx:
        budgets.remove_budget(tx, period="monthly")
    hold_installation_to(database.system, Decimal(5), IDS)
    assert stands() == (5, "setting")
