"""API tokens: 32 random bytes, shown once, kept as a hash."""

import base64
import hashlib
import hmac
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from flowforge.core.access import Operation, Principal
from flowforge.core.errors import Reason, Refused
from flowforge.store import accounts
from flowforge.store.audit import write_audit
from flowforge.store.database import Database
from flowforge.store.errors import once_more
from flowforge.store.ids import Ids
from flowforge.store.scope import Actor, Scope
from flowforge.store.transaction import Transaction

PREFIX, SHOWN = "ff_", 11
_MAX = 260  # characters; more is no token of ours and is not hashed


@dataclass(frozen=True, kw_only=True)
class NewToken:
    """A token at the only moment in which its text is known."""

    id: UUID
    text: str = field(repr=False)


def hash_of(text: str) -> bytes:
    """SHA-256 is enough for 32 random bytes: there is nothing to guess."""
    return hashlib.sha256(text.encode()).digest()


def create_token(
    tx: Transaction,
    *,
    organization: UUID,
    user: UUID,
    name: str,
    ids: Ids,
    scopes: Collection[Operation] = frozenset(Operation),
    expires_at: datetime | None = None,
    random: Callable[[int], bytes] = os.urandom,
) -> NewToken:
    """Make a token for a user; only its hash is stored."""
    token = NewToken(id=ids(), text=PREFIX + base64.urlsafe_b64encode(random(32)).decode().rstrip("="))
    accounts.add_token(
        tx,
        id_=token.id,
        organization=organization,
        user=user,
        name=name,
        shown=token.text[:SHOWN],
        hash_=hash_of(token.text),
        scopes=list(scopes),
        expires_at=expires_at,
    )
    write_audit(tx, organization=organization, action="token.create", resource="token", resource_id=token.id)
    return token


def revoke_token(tx: Transaction, *, organization: UUID, token: UUID) -> None:
    """End a token at once.

    Raises:
        Refused: the organization has no such valid token.
    """
    if not accounts.revoke_token(tx, token):
        raise Refused(
            Reason.NOT_FOUND, f"there is no valid token {token}", next_action="list the tokens that are valid"
        )
    write_audit(tx, organization=organization, action="token.revoke", resource="token", resource_id=token)


def believe(database: Database, text: str, *, address: str = "") -> Principal:
    """Who holds this token.

    Raises:
        Refused: nobody: it is unknown, expired or revoked, or its user is not active. Which one is not said.
    """
    known = None
    if text.startswith(PREFIX) and len(text) <= _MAX and text.isascii():
        known = once_more(lambda: _used(database, text, address))
    if known is None or not hmac.compare_digest(known.hash, hash_of(text)):
        raise Refused(
            Reason.NOT_SIGNED_IN,
            "this token is not valid",
            next_action="ask for a new one: flowforge auth token",
        )
    return Principal(
        organization=known.organization,
        user=known.user,
        role=known.role,
        token=str(known.id),
        scopes=known.scopes,
    )


def _used(database: Database, text: str, address: str) -> accounts.KnownToken | None:
    with database.transaction(Scope.nobody(), actor=Actor(kind="token", address=address)) as tx:
        return accounts.use_token(tx, hash_of(text))
