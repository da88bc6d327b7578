"""Who may do what: roles, operations and one table."""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from uuid import UUID


class Role(IntEnum):
    """Each role may do what the lower ones may. OPERATOR runs the installation, not an organization."""

    VIEWER = 1
    USER = 2
    MAINTAINER = 3
    ADMIN = 4
    OPERATOR = 5


class Operation(StrEnum):
    READ = "read"
    SUBMIT = "submit"
    CONTROL = "control"  # cancel, retry, undo, decide
    CONFIGURE = "configure"  # repositories and their secrets
    ADMINISTER = "administer"  # members, budgets, tokens of others
    OPERATE = "operate"  # settings of the installation


_NEEDS = {
    Operation.READ: Role.VIEWER,
    Operation.SUBMIT: Role.USER,
    Operation.CONTROL: Role.USER,
    Operation.CONFIGURE: Role.MAINTAINER,
    Operation.ADMINISTER: Role.ADMIN,
    Operation.OPERATE: Role.OPERATOR,
}


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who is asking, once the token was believed."""

    organization: UUID
    user: UUID | None
    role: Role
    token: str = ""  # the token's id (never the token) for the audit
    scopes: frozenset[Operation] = field(default_factory=lambda: frozenset(Operation))


def may(principal: Principal, operation: Operation) -> bool:
    """Role and token scope must both allow it; whose object it is, the store's row policies decide."""
    return operation in principal.scopes and principal.role >= _NEEDS[operation]
