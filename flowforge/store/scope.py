"""On whose behalf a transaction runs, and who shall stand in the audit log."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What a transaction may see: one organization's rows, or (for the relay and the worker) all rows."""

    of: UUID | None = None
    all_rows: bool = False

    @classmethod
    def organization(cls, organization: UUID) -> "Scope":
        return cls(of=organization)

    @classmethod
    def system(cls) -> "Scope":
        """Every organization's rows; only a connection of role ff_system may ask for it."""
        return cls(all_rows=True)

    @classmethod
    def nobody(cls) -> "Scope":
        """No rows at all: for what is asked before somebody is known (a token, a health check)."""
        return cls()

    @property
    def setting(self) -> str:
        """The value of `ff.organization` that the row policies read."""
        return str(self.of) if self.of is not None else ""


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts, for audit rows that triggers write; empty strings where unknown."""

    kind: str = "system"  # user | token | worker | relay | system
    user: UUID | None = None
    token: str = ""  # the token's id, never the token
    address: str = ""
    user_agent: str = ""
    request_id: str = ""


SYSTEM = Actor()
