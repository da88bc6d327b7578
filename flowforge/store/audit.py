"""Who did what: one row for everything that changes something. Moves of jobs are written by a trigger."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from flowforge.store.accounts import MAX_PAGE
from flowforge.store.tables import AUDIT_LOGS
from flowforge.store.transaction import Transaction


@dataclass(frozen=True, kw_only=True)
class AuditRow:
    id: int
    at: datetime
    organization: UUID | None
    actor: str
    user_id: UUID | None
    token: str
    action: str
    resource: str
    resource_id: str
    details: Mapping[str, object]
    address: str
    user_agent: str
    request_id: str


_WRITE = """
-- The actor is the transaction's own (`Database.transaction(scope, actor=...)`).
INSERT INTO audit_logs (organization, actor, user_id, token, action, resource, resource_id, details, address,
                        user_agent, request_id)
VALUES (%(organization)s, coalesce(nullif(current_setting('ff.actor', true), ''), 'system'),
        nullif(current_setting('ff.user_id', true), '')::uuid, coalesce(current_setting('ff.token', true), ''),
        %(action)s, %(resource)s, %(resource_id)s, %(details)s,
        coalesce(current_setting('ff.address', true), ''), coalesce(current_setting('ff.user_agent', true), ''),
        coalesce(current_setting('ff.request_id', true), ''))
"""


def write_audit(
    tx: Transaction,
    *,
    organization: UUID | None,
    action: str,
    resource: str,
    resource_id: object = "",
    details: Mapping[str, object] | None = None,
) -> None:
    """Note an action of the transaction's actor. `details` must hold no secret."""
    tx.run(
        _WRITE,
        organization=organization,
        action=action,
        resource=resource,
        resource_id=str(resource_id),
        details=details or {},
    )


def list_audit(
    tx: Transaction,
    *,
    resource: str = "",
    resource_id: str = "",
    action: str = "",
    before: int | None = None,
    limit: int = 50,
) -> list[AuditRow]:
    """A page, newest first: rows with an id below `before`, all filters applied."""
    columns = [getattr(AUDIT_LOGS, f.name) for f in fields(AuditRow)]
    query = AUDIT_LOGS.select(*columns).order_by(AUDIT_LOGS.at.desc(), AUDIT_LOGS.id.desc())
    wanted = {"resource": resource, "resource_id": resource_id, "action": action}
    for name, value in wanted.items():
        if value:
            query = query.where(getattr(AUDIT_LOGS, name) == value)
    if before is not None:
        query = query.where(AUDIT_LOGS.id < before)
    return [AuditRow(**row) for row in tx.rows(query.limit(min(max(limit, 1), MAX_PAGE)))]
