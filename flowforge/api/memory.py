"""A repository's memory: list it, look at an answer, make it forget."""

from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID

from falcon.asgi import Request, Response

from flowforge.api.auth import principal_of
from flowforge.api.desk import Desk
from flowforge.api.errors import Fault, Unreadable
from flowforge.api.memory_models import (
    Chosen,
    ForgetQuery,
    ForgottenOut,
    KeptDetail,
    KeptList,
    KeptOut,
    MemoryQuery,
)
from flowforge.api.operation import Contract, operation
from flowforge.api.pages import LINK, link_next, read_cursor, write_cursor
from flowforge.core.access import Operation
from flowforge.core.errors import Reason, Refused
from flowforge.jobs import answers
from flowforge.jobs.answers import Wanted
from flowforge.store.transaction import Row
from flowforge.vault.envelope import Vault


class Memory:
    def __init__(self, *, desk: Desk, vault: Vault) -> None:
        self._desk = desk
        self._vault = vault

    @operation(
        Contract(
            name="list_memory",
            tag="memory",
            needs=Operation.READ,
            answers={200: KeptList},
            refuses=(404,),
            sends=LINK,
        )
    )
    async def on_get(self, req: Request, resp: Response, query: MemoryQuery, repository: UUID) -> None:
        """List the answers to conflicts that a repository's jobs remember, newest first."""
        after = _read(query.cursor) if query.cursor else None
        which = replace(wanted(query), beginning=query.key)
        found = await self._desk.read(
            req, lambda tx: answers.page(tx, repository, which, limit=query.limit + 1, after=after)
        )
        shown = found[: query.limit]
        cursor = _write(shown[-1]) if len(found) > query.limit else None
        if cursor:
            link_next(req, resp, cursor)
        resp.media = KeptList(answers=[KeptOut(**_kept(row)) for row in shown], next_cursor=cursor)

    @operation(
        Contract(
            name="forget_memory",
            tag="memory",
            needs=Operation.CONFIGURE,
            answers={200: ForgottenOut},
            refuses=(404,),
        )
    )
    async def on_delete(self, req: Request, resp: Response, query: ForgetQuery, repository: UUID) -> None:
        """Forget the answers that the parameters choose, or `all` of the repository."""
        which = wanted(query)
        if which == Wanted() and not query.all:
            raise Refused(
                Reason.INVALID_REQUEST,
                "nothing says which answers are meant",
                next_action="send `path`, `person` or `before`, or `all=true`",
            )
        resp.media = await self._forget(req, repository, which)

    @operation(
        Contract(
            name="show_kept_answer",
            tag="memory",
            needs=Operation.READ,
            answers={200: KeptDetail},
            refuses=(404,),
        )
    )
    async def on_get_one(self, req: Request, resp: Response, repository: UUID, key: str) -> None:
        """Show an answer with its text."""
        row, text = await self._desk.read(req, lambda tx: answers.show(tx, repository, key, self._vault))
        resp.media = KeptDetail(**_kept(row), text=_text(text))

    @operation(
        Contract(
            name="forget_kept_answer",
            tag="memory",
            needs=Operation.CONFIGURE,
            answers={200: ForgottenOut},
            refuses=(404,),
        )
    )
    async def on_delete_one(self, req: Request, resp: Response, repository: UUID, key: str) -> None:
        """Forget one answer."""
        resp.media = await self._forget(req, repository, Wanted(key=key))

    async def _forget(self, req: Request, repository: UUID, which: Wanted) -> ForgottenOut:
        principal = principal_of(req)
        done = await self._desk.write(req, lambda tx: answers.forget(tx, principal, repository, which))
        return ForgottenOut(count=done.count, more=done.more)


def wanted(query: Chosen) -> Wanted:
    day = query.before
    return Wanted(
        path=query.path,
        person=query.person,
        before=None if day is None else datetime.combine(day, time(), UTC),
    )


def _kept(row: Row) -> dict[str, Any]:
    return {**row, "key": row["key"].hex(), "by": row["by_user"], "commit": row["commit_id"]}


def _text(text: bytes | None) -> str | None:
    try:
        return None if text is None else text.decode()
    except UnicodeDecodeError:
        return None


def _write(row: Row) -> str:
    return write_cursor(f"{row['created_at'].isoformat()} {row['key'].hex()}")


def _read(cursor: str) -> tuple[datetime, bytes]:
    """The time and the key in a mark.

    Raises:
        Unreadable: it is none of ours.
    """
    at, _, key = read_cursor(cursor).partition(" ")
    try:
        return datetime.fromisoformat(at).astimezone(UTC), bytes.fromhex(key)
    except (ValueError, OverflowError):
        fault = Fault(detail="no cursor of this list", parameter="cursor")
        raise Unreadable("the cursor is not one that this list gave out", [fault]) from None
