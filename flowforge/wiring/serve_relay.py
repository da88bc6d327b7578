"""`flowforge serve relay`."""

from flowforge.settings import Settings
from flowforge.wiring import relay
from flowforge.wiring.starting import registry_of, start_logs


def serve(settings: Settings) -> None:
    """Run the relay until a signal ends it."""
    start_logs("relay", settings)
    relay.serve(settings, registry_of(settings))
