"""Repositories of an organization: added, listed, changed; their credentials sealed on the way in."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from flowforge.core.errors import Reason, Refused
from flowforge.resolve.learnt import SETTING, as_json, policy_from
from flowforge.store import accounts
from flowforge.store.accounts import Repository
from flowforge.store.audit import write_audit
from flowforge.store.errors import Duplicate
from flowforge.store.ids import Ids
from flowforge.store.transaction import Transaction
from flowforge.vault.envelope import Place, Vault

FIELD = "credentials"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,198}[A-Za-z0-9])?")
_MAX_SECRET = 16_384  # characters; a private key is about 3,000

CheckUrl = Callable[[str], str]
"""Returns the url as it is to be stored, or raises `Refused` (`flowforge.git.mirror.check_url`, bound to settings)."""


@dataclass(frozen=True, kw_only=True)
class Login:
    """What opens a repository: a user name and a password, token or private key."""

    username: str
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What to change in a repository; None leaves a field as it is. `forget_login` removes the credentials, and so on."""

    name: str | None = None
    url: str | None = None
    default_branch: str | None = None
    is_active: bool | None = None
    settings: Mapping[str, object] | None = None
    login: Login | None = None
    forget_login: bool = False
    policy: Mapping[str, object] | None = None  # as `flowforge calibrate` writes it
    forget_policy: bool = False


def add_repository(
    tx: Transaction,
    *,
    organization: UUID,
    name: str,
    url: str,
    check_url: CheckUrl,
    ids: Ids,
    vault: Vault,
    login: Login | None = None,
    host: str = "",
    default_branch: str = "",
    settings: Mapping[str, object] | None = None,
) -> Repository:
    """Add a repository; `tx` must have the organization's scope.

    Raises:
        Refused: the name or the url is not possible, or the name is taken.
    """
    record = ids()
    try:
        added = accounts.add_repository(
            tx,
            id_=record,
            organization=organization,
            name=check_name(name),
            url=check_url(url),
            host=host,
            default_branch=default_branch,
            credentials=seal_login(vault, login, organization, record) if login else None,
            settings=settings,
        )
    except Duplicate as error:
        raise _taken(name) from error
    write_audit(
        tx,
        organization=organization,
        action="repository.add",
        resource="repository",
        resource_id=record,
        details={"name": added.name, "url": added.url, "credentials": added.has_credentials},
    )
    return added


def get_repository(tx: Transaction, id_: UUID) -> Repository:
    """A repository of the transaction's organization.

    Raises:
        Refused: there is none of this id; another organization's is answered the same.
    """
    found = accounts.get_repository(tx, id_)
    if found is None:
        raise _missing(id_)
    return found


def list_repositories(tx: Transaction, *, after: str = "", limit: int = 50) -> list[Repository]:
    """A page by name: the repositories whose names follow `after`."""
    return accounts.list_repositories(tx, after=after, limit=limit)


def update_repository(
    tx: Transaction, id_: UUID, changes: Changes, *, check_url: CheckUrl, vault: Vault
) -> Repository:
    """Change what `changes` names.

    Raises:
        Refused: no such repository, an impossible name or url, a name that is taken, or a policy that is none.
    """
    before = get_repository(tx, id_)
    columns: dict[str, object] = {
        name: getattr(changes, name)
        for name in ("default_branch", "is_active", "settings")
        if getattr(changes, name) is not None
    }
    if changes.name is not None:
        columns["name"] = check_name(changes.name)
    if changes.url is not None:
        columns["url"] = check_url(changes.url)
    if changes.policy is not None or changes.forget_policy:
        columns["settings"] = _with_policy(before.settings, changes.policy)
    if changes.login is not None:
        columns[FIELD] = seal_login(vault, changes.login, before.organization, id_)
    elif changes.forget_login or (changes.url is not None and columns["url"] != before.url):
        columns[FIELD] = None  # a login is for the url it was given with: it must not follow to another host
    try:
        after = accounts.update_repository(tx, id_, columns)
    except Duplicate as error:
        raise _taken(changes.name or "") from error
    if after is None:
        raise _missing(id_)
    write_audit(
        tx,
        organization=before.organization,
        action="repository.update",
        resource="repository",
        resource_id=id_,
        details={"changed": sorted(columns)},
    )
    return after


def _with_policy(settings: Mapping[str, object], policy: Mapping[str, object] | None) -> Mapping[str, object]:
    """The settings with this policy, or with none."""
    others = {name: value for name, value in settings.items() if name != SETTING}
    return others if policy is None else {**others, SETTING: as_json(policy_from(policy, "what was given"))}


def read_login(tx: Transaction, id_: UUID, *, vault: Vault) -> Login | None:
    """Open a repository's credentials; None when it has none. For the worker, at the moment of use.

    Raises:
        Broken: the vault's key is not the one they were sealed with.
    """
    repository = get_repository(tx, id_)
    sealed = accounts.read_credentials(tx, id_)
    if sealed is None:
        return None
    place = Place(organization=repository.organization, record=id_, field=FIELD)
    return Login(**json.loads(vault.open(sealed, place)))


def seal_login(vault: Vault, login: Login, organization: UUID, record: UUID) -> bytes:
    if len(login.secret) > _MAX_SECRET or not login.secret or "\0" in login.secret + login.username:
        raise Refused(
            Reason.INVALID_REQUEST,
            f"the secret is empty, longer than {_MAX_SECRET} characters, or holds a NUL",
            next_action="give a token, a password or a private key",
        )
    text = json.dumps({"username": login.username, "secret": login.secret}).encode()
    return vault.seal(text, Place(organization=organization, record=record, field=FIELD))


def check_name(name: str) -> str:
    """A name as people type it: letters, digits, `.`, `_`, `-` and `/` inside, at most 200."""
    if not _NAME.fullmatch(name):
        raise Refused(
            Reason.INVALID_REQUEST,
            f"{name[:80]!r} is no name for a repository",
            next_action="use letters, digits, '.', '_', '-' and '/', beginning and ending with a letter or digit",
        )
    return name


def _taken(name: str) -> Refused:
    return Refused(
        Reason.CONFLICT_OF_STATE,
        f"there is a repository named {name!r} already",
        next_action="choose another name, or update that one",
    )


def _missing(id_: UUID) -> Refused:
    return Refused(
        Reason.NOT_FOUND, f"there is no repository {id_}", next_action="list yours: flowforge repo list"
    )
