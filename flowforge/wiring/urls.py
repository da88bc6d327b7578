"""Which urls may be used: each process' own for the database, and those of repositories."""

from collections.abc import Callable

from flowforge.core.errors import Broken, Reason, Refused
from flowforge.git.hosts import private_name
from flowforge.git.names import check_url, host_of
from flowforge.settings import Settings
from flowforge.store.admin import role_urls


def app_url(settings: Settings) -> str:
    """The database as role ff_app sees it: for the API.

    Raises:
        Broken: no database is named.
    """
    given = settings.database_app_url.get_secret_value()
    return given or role_urls(_owner(settings, "APP")).app


def system_url(settings: Settings) -> str:
    """The database as role ff_system sees it: for relay and worker.

    Raises:
        Broken: no database is named.
    """
    given = settings.database_system_url.get_secret_value()
    return given or role_urls(_owner(settings, "SYSTEM")).system


def _owner(settings: Settings, role: str) -> str:
    owner = settings.database_url.get_secret_value()
    if not owner:
        raise Broken(
            Reason.CONFIGURATION,
            "no database is named",
            next_action=f"set FLOWFORGE_DATABASE_{role}_URL, or start everything on this machine: flowforge up",
        )
    return owner


def repository_check(settings: Settings) -> Callable[[str], str]:
    """The check of a repository's url: its form, its protocol, and whether its host may be reached.

    A private host is judged by its name; what a public name resolves to is not looked at.
    """
    protocols, hosts = frozenset(settings.git_protocols), frozenset(map(str.lower, settings.git_hosts))

    def check(url: str) -> str:
        checked, host = check_url(url, protocols), host_of(url)
        if host and (host not in hosts if hosts else private_name(host)):
            raise Refused(
                Reason.INVALID_URL,
                f"git host {host!r} may not be reached from here",
                next_action="ask the operator to name it in git_hosts",
            )
        return checked

    return check
