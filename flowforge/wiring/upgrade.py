"""`flowforge db upgrade`: migrations and roles, with the administrator's url from the settings."""

from flowforge.core.errors import Broken, Reason
from flowforge.settings import read_settings
from flowforge.store.admin import upgrade


def run() -> tuple[str, ...]:
    """Names of the migrations that were applied.

    Raises:
        Broken: no database is named, or it refuses.
    """
    url = read_settings().database_url.get_secret_value()
    if not url:
        raise Broken(
            Reason.CONFIGURATION,
            "no database is named",
            next_action="set FLOWFORGE_DATABASE_URL to a PostgreSQL login that may create roles and tables",
        )
    return upgrade(url)
