"""What every process of a service does first: say where its logs go, load its plugins."""

from flowforge.core.masking import Mask
from flowforge.hooks.manager import Registry, discover, load_plugins
from flowforge.observe.logs import configure_logs
from flowforge.settings import Settings


def start_logs(service: str, settings: Settings) -> None:
    """One JSON object a line on standard error, the secrets of the settings masked."""
    configure_logs(
        service=service,
        level=settings.log_level,
        form=settings.log_format,
        mask=Mask(settings.secrets()),
    )


def registry_of(settings: Settings) -> Registry:
    """The plugins that the settings allow, all of those installed by default."""
    return load_plugins(discover(frozenset(settings.plugins) or None))
