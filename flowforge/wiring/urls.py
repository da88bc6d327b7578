"""Which url each process connects with: the one of its role, given or derived from the owner's."""

from flowforge.core.errors import Broken, Reason
from flowforge.settings import Settings
from flowforge.store.admin import role_urls


def system_url(settings: Settings) -> str:
    """The database as role ff_system sees it: for relay and worker.

    Raises:
        Broken: no database is named.
    """
    given = settings.database_system_url.get_secret_value()
    owner = settings.database_url.get_secret_value()
    if not given and not owner:
        raise Broken(
            Reason.CONFIGURATION,
            "no database is named, so there are no jobs to run",
            next_action="set FLOWFORGE_DATABASE_SYSTEM_URL, or start everything on this machine: flowforge up",
        )
    return given or role_urls(owner).system
