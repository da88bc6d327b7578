"""Statements over organizations, users, tokens and repositories. Row policies decide whose rows they reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from peewee import fn

from flowforge.core.access import Operation, Role
from flowforge.store.tables import REPOSITORIES
from flowforge.store.transaction import Row, Transaction

MAX_PAGE = 200

_HOLDER = "SELECT id, organization, user_id, role, scopes, hash FROM ff_use_token(%(hash)s)"


@dataclass(frozen=True, kw_only=True)
class KnownToken:
    """A token that is valid now, with the role of the user it belongs to."""

    id: UUID
    organization: UUID
    user: UUID
    role: Role
    scopes: frozenset[Operation]
    hash: bytes


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A repository as everybody may see it; whether it has credentials, never which."""

    id: UUID
    organization: UUID
    name: str
    url: str
    host: str
    default_branch: str
    settings: Mapping[str, object] = field(default_factory=dict)
    is_active: bool = True
    has_credentials: bool = False
    last_synced_at: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def has_policy(self) -> bool:
        """Whether its rules do what its own history has earned."""
        return "policy" in self.settings


_TABLE: Any = REPOSITORIES  # peewee makes its columns from their names
_COLUMNS = tuple(f.name for f in fields(Repository) if f.name != "has_credentials")


def add_organization(tx: Transaction, *, id_: UUID, name: str, slug: str) -> None:
    tx.insert("organizations", {"id": id_, "name": name, "slug": slug})


def has_organizations(tx: Transaction) -> bool:
    return bool(tx.value("SELECT EXISTS (SELECT FROM organizations)"))


def add_user(tx: Transaction, *, id_: UUID, organization: UUID, email: str, name: str, role: Role) -> None:
    row = {"id": id_, "organization": organization, "email": email, "name": name, "role": role.name.lower()}
    tx.insert("users", row)


def add_token(
    tx: Transaction,
    *,
    id_: UUID,
    organization: UUID,
    user: UUID,
    name: str,
    shown: str,
    hash_: bytes,
    scopes: Sequence[Operation],
    expires_at: datetime | None = None,
) -> None:
    row = {
        "id": id_,
        "organization": organization,
        "user_id": user,
        "name": name,
        "shown": shown,
        "hash": hash_,
        "scopes": sorted(scopes),
        "expires_at": expires_at,
    }
    tx.insert("tokens", row)


def use_token(tx: Transaction, hash_: bytes) -> KnownToken | None:
    """The valid token of this hash, from any scope; notes that it was used."""
    row = tx.prepared_row(_HOLDER, hash=hash_)
    if row is None:
        return None
    return KnownToken(
        id=row["id"],
        organization=row["organization"],
        user=row["user_id"],
        role=Role[row["role"].upper()],
        scopes=frozenset(Operation(word) for word in row["scopes"]),
        hash=row["hash"],
    )


def revoke_token(tx: Transaction, id_: UUID) -> bool:
    """End a token now; False when there is none that was valid."""
    sql = "UPDATE tokens SET revoked_at = now() WHERE id = %(id)s AND revoked_at IS NULL"
    return tx.run(sql, id=id_) == 1


def add_repository(
    tx: Transaction,
    *,
    id_: UUID,
    organization: UUID,
    name: str,
    url: str,
    host: str = "",
    default_branch: str = "",
    credentials: bytes | None = None,
    settings: Mapping[str, object] | None = None,
) -> Repository:
    """Store a repository.

    Raises:
        Duplicate: the organization has one of this name.
    """
    row = {
        "id": id_,
        "organization": organization,
        "name": name,
        "url": url,
        "host": host,
        "default_branch": default_branch,
        "credentials": credentials,
        "settings": settings or {},
    }
    tx.insert("repositories", row)
    added = get_repository(tx, id_)
    if added is None:
        raise RuntimeError(
            "a repository that was just added cannot be seen; its scope is another organization"
        )
    return added


def get_repository(tx: Transaction, id_: UUID) -> Repository | None:
    row = tx.row(_repositories().where(_TABLE.id == id_))
    return _repository(row) if row else None


def find_repository(tx: Transaction, name: str) -> Repository | None:
    row = tx.row(_repositories().where(_TABLE.name == name))
    return _repository(row) if row else None


def list_repositories(tx: Transaction, *, after: str = "", limit: int = 50) -> list[Repository]:
    """A page by name: the `limit` (at most 200) repositories whose names follow `after`."""
    query = _repositories().order_by(_TABLE.name).limit(min(max(limit, 1), MAX_PAGE))
    if after:
        query = query.where(_TABLE.name > after)
    return [_repository(row) for row in tx.rows(query)]


def update_repository(tx: Transaction, id_: UUID, changes: Mapping[str, object]) -> Repository | None:
    """Set the columns that `changes` names; None when there is no such repository."""
    values = {getattr(_TABLE, name): value for name, value in changes.items()}
    changed = _TABLE.update({**values, _TABLE.updated_at: fn.now()}).where(_TABLE.id == id_)
    return get_repository(tx, id_) if tx.run(changed) else None


def read_credentials(tx: Transaction, id_: UUID) -> bytes | None:
    """The sealed credentials of a repository."""
    value = tx.value("SELECT credentials FROM repositories WHERE id = %(id)s", id=id_)
    return None if value is None else bytes(value)


def _repositories() -> Any:
    columns = [getattr(_TABLE, name) for name in _COLUMNS]
    return _TABLE.select(*columns, _TABLE.credentials.is_null(False).alias("has_credentials"))


def _repository(row: Row) -> Repository:
    return Repository(**row)
