"""The first organization and its operator, made when there is none."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from flowforge.accounts.tokens import create_token
from flowforge.core.access import Role
from flowforge.store import accounts
from flowforge.store.audit import write_audit
from flowforge.store.database import Database
from flowforge.store.ids import Ids
from flowforge.store.scope import Scope
from flowforge.store.transaction import Transaction

_LOCK = 0x66696E64  # two processes that start at once make one organization


@dataclass(frozen=True, kw_only=True)
class First:
    """What was made; the token is shown once and cannot be read again."""

    organization: UUID
    user: UUID
    token: str = field(repr=False)


def bootstrap(
    database: Database,
    *,
    ids: Ids,
    name: str = "default",
    email: str = "operator@localhost",
    random: Callable[[int], bytes] = os.urandom,
) -> First | None:
    """Make the first organization with an operator and a token; None when there is one already.

    `database` must be connected as ff_system.
    """
    with database.transaction(Scope.system()) as tx:
        tx.run("SELECT pg_advisory_xact_lock(%(lock)s)", lock=_LOCK)
        if accounts.has_organizations(tx):
            return None
        return add_organization(tx, name=name, email=email, ids=ids, random=random)


def add_organization(
    tx: Transaction,
    *,
    name: str,
    email: str,
    ids: Ids,
    role: Role = Role.OPERATOR,
    random: Callable[[int], bytes] = os.urandom,
) -> First:
    """Make an organization, its first user and a token for that user."""
    organization, user = ids(), ids()
    accounts.add_organization(tx, id_=organization, name=name, slug=slug_of(name))
    accounts.add_user(tx, id_=user, organization=organization, email=email, name=email, role=role)
    write_audit(
        tx,
        organization=organization,
        action="organization.create",
        resource="organization",
        resource_id=organization,
    )
    token = create_token(tx, organization=organization, user=user, name="first", ids=ids, random=random)
    return First(organization=organization, user=user, token=token.text)


def slug_of(name: str) -> str:
    """A name for urls: lower case letters, digits and single hyphens, at most 63."""
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in name.lower()).split()
    return "-".join(words)[:63].strip("-") or "organization"
