"""Repositories: add, list, look, change, remove."""

from dataclasses import dataclass
from uuid import UUID

import falcon
from falcon.asgi import Request, Response

from flowforge.accounts.repositories import (
    Changes,
    CheckUrl,
    Login,
    add_repository,
    get_repository,
    list_repositories,
    update_repository,
)
from flowforge.api.auth import principal_of
from flowforge.api.desk import Desk
from flowforge.api.models import (
    LoginIn,
    RepositoryIn,
    RepositoryList,
    RepositoryListQuery,
    RepositoryOut,
    RepositoryPatch,
)
from flowforge.api.operation import Contract, operation
from flowforge.api.pages import LINK, link_next, read_cursor, write_cursor
from flowforge.api.shapes import repository_out
from flowforge.core.access import Operation
from flowforge.store.accounts import Repository, find_repository
from flowforge.store.ids import Ids
from flowforge.store.transaction import Transaction
from flowforge.vault.envelope import Vault


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """What keeping repositories needs beside the request."""

    ids: Ids
    check_url: CheckUrl
    vault: Vault


class Repositories:
    def __init__(self, *, desk: Desk, shelf: Shelf) -> None:
        self._desk = desk
        self._shelf = shelf

    @operation(
        Contract(
            name="add_repository",
            tag="repositories",
            needs=Operation.CONFIGURE,
            answers={201: RepositoryOut},
            refuses=(409,),
            sends={"Location": "address of the repository"},
        )
    )
    async def on_post(self, req: Request, resp: Response, json: RepositoryIn) -> None:
        """Add a repository. Its credentials are stored sealed and never shown again."""
        shelf, organization = self._shelf, principal_of(req).organization
        added = await self._desk.write(
            req,
            lambda tx: add_repository(
                tx,
                organization=organization,
                name=json.name,
                url=json.url,
                default_branch=json.default_branch,
                login=_login(json.login),
                check_url=shelf.check_url,
                ids=shelf.ids,
                vault=shelf.vault,
            ),
        )
        resp.status = falcon.HTTP_201
        resp.location = f"/api/v1/repositories/{added.id}"
        resp.media = repository_out(added)

    @operation(
        Contract(
            name="list_repositories",
            tag="repositories",
            needs=Operation.READ,
            answers={200: RepositoryList},
            sends=LINK,
        )
    )
    async def on_get(self, req: Request, resp: Response, query: RepositoryListQuery) -> None:
        """List your organization's repositories by name, or the one of a name."""
        found = await self._desk.read(req, lambda tx: _page(tx, query))
        shown = found[: query.limit]
        cursor = write_cursor(shown[-1].name) if len(found) > query.limit else None
        if cursor:
            link_next(req, resp, cursor)
        resp.media = RepositoryList(
            repositories=[repository_out(repository) for repository in shown], next_cursor=cursor
        )

    @operation(
        Contract(
            name="show_repository",
            tag="repositories",
            needs=Operation.READ,
            answers={200: RepositoryOut},
            refuses=(404,),
        )
    )
    async def on_get_one(self, req: Request, resp: Response, repository: UUID) -> None:
        """Show a repository."""
        resp.media = repository_out(await self._desk.read(req, lambda tx: get_repository(tx, repository)))

    @operation(
        Contract(
            name="change_repository",
            tag="repositories",
            needs=Operation.CONFIGURE,
            answers={200: RepositoryOut},
            refuses=(404, 409),
        )
    )
    async def on_patch_one(
        self, req: Request, resp: Response, json: RepositoryPatch, repository: UUID
    ) -> None:
        """Change what the body names."""
        changes = Changes(
            name=json.name,
            url=json.url,
            default_branch=json.default_branch,
            is_active=json.is_active,
            login=_login(json.login),
            forget_login=json.forget_login,
            policy=json.policy,
            forget_policy=json.forget_policy,
        )
        resp.media = await self._change(req, repository, changes)

    @operation(
        Contract(
            name="remove_repository",
            tag="repositories",
            needs=Operation.CONFIGURE,
            answers={200: RepositoryOut},
            refuses=(404,),
        )
    )
    async def on_delete_one(self, req: Request, resp: Response, repository: UUID) -> None:
        """Switch a repository off and erase its credentials.

        No job of it starts any more; its jobs stay readable. PATCH `is_active` switches it on again.
        """
        resp.media = await self._change(req, repository, Changes(is_active=False, forget_login=True))

    async def _change(self, req: Request, repository: UUID, changes: Changes) -> RepositoryOut:
        shelf = self._shelf
        return repository_out(
            await self._desk.write(
                req,
                lambda tx: update_repository(
                    tx, repository, changes, check_url=shelf.check_url, vault=shelf.vault
                ),
            )
        )


def _page(tx: Transaction, query: RepositoryListQuery) -> list[Repository]:
    """One row more than asked for, which says whether there is a next page."""
    if query.name is not None:
        found = find_repository(tx, query.name)
        return [found] if found else []
    after = read_cursor(query.cursor) if query.cursor else ""
    return list_repositories(tx, after=after, limit=query.limit + 1)


def _login(given: LoginIn | None) -> Login | None:
    return Login(username=given.username, secret=given.secret.get_secret_value()) if given else None
