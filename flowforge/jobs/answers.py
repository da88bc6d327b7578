"""What persons see of a repository's memory, and how they make it forget."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flowforge.core.access import Operation, Principal, may
from flowforge.core.errors import FlowForgeError, Reason, Refused
from flowforge.jobs.memory import place
from flowforge.store import answers as table
from flowforge.store.accounts import get_repository
from flowforge.store.answers import Chosen, Shelf
from flowforge.store.audit import write_audit
from flowforge.store.transaction import Row, Transaction
from flowforge.vault.envelope import Vault

MOST = 10_000  # answers that one request forgets: well below a statement's time
_KEY = re.compile(r"[0-9a-f]{64}")
_BEGINNING = re.compile(r"[0-9a-f]{1,64}")
_GLOB = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")
_PARTS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_LIKE = {"**/": "%", "**": "%", "*": "%", "?": "_"}
_LAST = "\U0010ffff"  # no path goes on with it, and it comes after all that may follow


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which answers, as somebody asks for them; None leaves all."""

    key: str | None = None  # whole
    beginning: str | None = None  # of a key
    path: str | None = None  # a glob
    person: str | None = None  # who wrote or approved them: id or name
    before: datetime | None = None  # used last before


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    count: int
    more: bool  # there are others that were meant


def page(
    transaction: Transaction,
    repository: UUID,
    wanted: Wanted,
    *,
    limit: int,
    after: tuple[datetime, bytes] | None = None,
) -> list[Row]:
    """Answers of a repository without their texts, newest first.

    Raises:
        Refused: not_found; another organization's is answered the same.
    """
    _refuse_unknown(transaction, repository)
    return table.page(transaction, repository, chosen(wanted), limit=limit, after=after)


def show(transaction: Transaction, repository: UUID, key: str, vault: Vault) -> tuple[Row, bytes | None]:
    """One answer and its text; None where that does not open.

    Raises:
        Refused: not_found.
    """
    row = table.one(transaction, repository, bytes.fromhex(key)) if _KEY.fullmatch(key) else None
    if row is None:
        raise _missing(key)
    shelf = Shelf(organization=row["organization"], repository=repository)
    try:
        return row, vault.open(row["sealed_text"], place(shelf, key))
    except FlowForgeError:
        return row, None


def forget(transaction: Transaction, principal: Principal, repository: UUID, wanted: Wanted) -> Forgotten:
    """Forget what is wanted, at most `MOST` at once, the oldest first.

    Raises:
        Refused: not_allowed, not_found (also a key under which nothing is kept).
    """
    if not may(principal, Operation.CONFIGURE):
        raise Refused(
            Reason.NOT_ALLOWED,
            "this token may not make a repository forget",
            next_action="use a token of a maintainer with the scope configure",
        )
    _refuse_unknown(transaction, repository)
    which = chosen(wanted)
    table.lock(transaction, repository)
    count = table.forget(transaction, repository, which, MOST)
    if not count and wanted.key is not None:
        raise _missing(wanted.key)
    if count:
        _audit(transaction, principal, repository, {**_said(wanted), "count": count})
    more = count == MOST and bool(table.page(transaction, repository, which, limit=1))
    return Forgotten(count=count, more=more)


def chosen(wanted: Wanted) -> Chosen:
    """As the store asks for it.

    Raises:
        Refused: not_found, for a key that can be none.
    """
    if wanted.key is not None and not _KEY.fullmatch(wanted.key):
        raise _missing(wanted.key)
    begin = wanted.key or wanted.beginning
    if begin is not None and not _BEGINNING.fullmatch(begin):
        raise _missing(begin)
    keys = (None, None) if begin is None else (_padded(begin, "0"), _padded(begin, "f"))
    glob = None if wanted.path is None else _Glob.read(wanted.path)
    between = (None, None) if glob is None or not glob.literal else (glob.literal, glob.literal + _LAST)
    return Chosen(
        key_from=keys[0],
        key_to=keys[1],
        path=None if glob is None else glob.expression,
        like=None if glob is None else glob.like,
        path_from=between[0],
        path_to=between[1],
        person=wanted.person,
        before=wanted.before,
    )


def _padded(beginning: str, digit: str) -> bytes:
    return bytes.fromhex(beginning.ljust(64, digit))


def expression(glob: str) -> str:
    """A glob as a regular expression of the database.

    `*` and `?` stay within a folder, `**` does not. A glob without a slash in it names files in every folder; one
    that ends with a slash names all below it.
    """
    return _Glob.read(glob).expression


@dataclass(frozen=True, kw_only=True)
class _Glob:
    parts: tuple[str, ...]  # wildcards, and literal text between them
    anywhere: bool  # it names files in every folder
    below: bool

    @classmethod
    def read(cls, glob: str) -> "_Glob":
        text = glob.removeprefix("/")
        return cls(
            parts=tuple(_GLOB.findall(text)),
            anywhere="/" not in glob.rstrip("/") and not glob.startswith("/"),
            below=text.endswith("/"),
        )

    @property
    def expression(self) -> str:
        parts = "".join(_PARTS.get(part) or re.escape(part) for part in self.parts)
        return f"^{'(?:.*/)?' if self.anywhere else ''}{parts}{'.*' if self.below else ''}$"

    @property
    def like(self) -> str:
        """A pattern of LIKE that names all that the expression does."""
        parts = "".join(_LIKE.get(part) or re.sub(r"([\\%_])", r"\\\1", part) for part in self.parts)
        return f"{'%' if self.anywhere else ''}{parts}{'%' if self.below else ''}"

    @property
    def literal(self) -> str:
        """With which every path begins that it names; "" where that is not known."""
        first = self.parts[0] if self.parts else ""
        return "" if self.anywhere or first in _PARTS else first


def _refuse_unknown(transaction: Transaction, repository: UUID) -> None:
    if get_repository(transaction, repository) is None:
        raise Refused(
            Reason.NOT_FOUND,
            f"there is no repository {str(repository)!r}",
            next_action="list yours: flowforge repo list",
        )


def _audit(
    transaction: Transaction, principal: Principal, repository: UUID, details: Mapping[str, Any]
) -> None:
    write_audit(
        transaction,
        organization=principal.organization,
        action="memory.forget",
        resource="repository",
        resource_id=repository,
        details=details,
    )


def _said(wanted: Wanted) -> dict[str, str]:
    return {name: str(value) for name, value in vars(wanted).items() if value is not None}


def _missing(key: str) -> Refused:
    return Refused(
        Reason.NOT_FOUND,
        f"nothing is kept under {key[:80]!r}",
        next_action="list what is kept: flowforge memory list REPOSITORY",
    )
