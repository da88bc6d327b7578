"""`flowforge serve api`."""

from flowforge.settings import Settings
from flowforge.wiring import api
from flowforge.wiring.starting import start_logs


def serve(settings: Settings) -> None:
    """Run the API until a signal ends it."""
    start_logs("api", settings)
    api.serve(settings)
