"""`flowforge repo`: add, list, show, change and remove repositories."""

import os
from typing import Annotated, Any

import typer

from flowforge.api.models import RepositoryIn, RepositoryOut, RepositoryPatch
from flowforge.cli.app import AsJson, group
from flowforge.cli.client import Client
from flowforge.cli.folders import file_named
from flowforge.cli.job import connect, find_repository
from flowforge.cli.output import data, data_json, say, table
from flowforge.cli.requests import invalid, listed, shaped
from flowforge.resolve.learnt import as_json, read_policy

app = group("Add, list, show, change and remove repositories.")

Which = Annotated[str, typer.Argument(metavar="REPOSITORY", help="Name or id of a repository.")]
Username = Annotated[str, typer.Option(help="User name for the git host; for a token often any word.")]
SecretFrom = Annotated[
    str,
    typer.Option(metavar="VARIABLE", help="Environment variable that holds the password, token or key."),
]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What you will call it.")],
    url: Annotated[str, typer.Argument(help="https or ssh, without credentials in it.")],
    *,
    default_branch: Annotated[str, typer.Option(help="What jobs are rebased onto.")] = "",
    username: Username = "",
    secret_from: SecretFrom = "",
    json: AsJson = False,
) -> None:
    """Add a repository; its id is written to stdout."""
    values = {"name": name, "url": url, "default_branch": default_branch, **_login(username, secret_from)}
    with connect() as client:
        added = client.add_repository(shaped(RepositoryIn, values))
    data_json(added.model_dump(mode="json")) if json else data(str(added.id))


@app.command("list")
def list_(
    *,
    every: Annotated[bool, typer.Option("--all", help="Those that were removed too.")] = False,
    json: AsJson = False,
) -> None:
    """List repositories by name."""
    with connect() as client:
        found = listed(lambda cursor: _page(client, cursor), 10_000)
    shown = [repository for repository in found if every or repository.is_active]
    if json:
        data_json([repository.model_dump(mode="json") for repository in shown])
        return
    columns = {"NAME": "left", "URL": "left", "BRANCH": "left", "ACTIVE": "left"}
    table(columns, [[r.name, r.url, r.default_branch, "yes" if r.is_active else "no"] for r in shown])


@app.command()
def show(repository: Which, *, json: AsJson = False) -> None:
    """Show a repository."""
    with connect() as client:
        found = client.repository(find_repository(client, repository))
    _write(found, as_json=json)


@app.command()
def update(
    repository: Which,
    *,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    url: Annotated[str | None, typer.Option(help="A new address; the old login is erased.")] = None,
    default_branch: Annotated[str | None, typer.Option(help="What jobs are rebased onto.")] = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Whether it takes jobs.")] = None,
    username: Username = "",
    secret_from: SecretFrom = "",
    forget_login: Annotated[bool, typer.Option(help="Erase the stored credentials.")] = False,
    policy: Annotated[str, typer.Option(help="What its rules may do: a file that calibrate wrote.")] = "",
    forget_policy: Annotated[bool, typer.Option(help="Let its rules do what is shipped.")] = False,
    json: AsJson = False,
) -> None:
    """Change a repository; what is not named stays."""
    given = {"name": name, "url": url, "default_branch": default_branch, "is_active": active}
    values: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    values |= {"forget_login": forget_login, **_login(username, secret_from)}
    values |= {"forget_policy": forget_policy, **_policy(policy)}
    with connect() as client:
        changed = client.change_repository(
            find_repository(client, repository), shaped(RepositoryPatch, values)
        )
    _write(changed, as_json=json)


@app.command()
def remove(repository: Which, *, json: AsJson = False) -> None:
    """Switch a repository off and erase its credentials; its jobs stay readable."""
    with connect() as client:
        removed = client.remove_repository(find_repository(client, repository))
    if json:
        data_json(removed.model_dump(mode="json"))
    else:
        say(f"{removed.name} takes no more jobs and its credentials are erased")


def _login(username: str, variable: str) -> dict[str, Any]:
    """A login from the environment: a secret is never an argument."""
    if not variable:
        if username:
            raise invalid("--username needs a secret", "name the variable that holds it with --secret-from")
        return {}
    secret = os.environ.get(variable)
    if not secret:
        raise invalid(f"{variable!r} is not set in your environment", f"export {variable} first")
    return {"login": {"username": username, "secret": secret}}


def _policy(name: str) -> dict[str, Any]:
    """A policy from a file, refused here already where it is none."""
    if not name:
        return {}
    file = file_named(name)
    if file is None:
        raise invalid(
            f"there is no policy file {name[:200]!r}", "write one with: flowforge calibrate --policy FILE"
        )
    try:
        return {"policy": as_json(read_policy(file.read_bytes(), repr(name[:200])))}
    except OSError as error:
        raise invalid(
            f"{name[:200]!r} cannot be read: {error.strerror}", "look at its owner and mode"
        ) from error


def _page(client: Client, cursor: str | None) -> tuple[list[RepositoryOut], str | None]:
    page = client.repositories(cursor=cursor)
    return page.repositories, page.next_cursor


def _write(repository: RepositoryOut, *, as_json: bool) -> None:
    if as_json:
        data_json(repository.model_dump(mode="json"))
        return
    facts = {
        "id": repository.id,
        "name": repository.name,
        "url": repository.url,
        "branch": repository.default_branch or "as the remote says",
        "active": "yes" if repository.is_active else "no",
        "login": "stored" if repository.has_credentials else "none",
        "policy": "its own" if repository.has_policy else "as shipped",
    }
    data("\n".join(f"{name:<7} {value}" for name, value in facts.items()))
