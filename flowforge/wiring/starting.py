"""What every process of a service does first: say where its logs go, load its plugins, name who is told of moves."""

from flowforge.core.masking import Mask
from flowforge.core.telemetry import Telemetry
from flowforge.hooks.manager import Registry, discover, load_plugins
from flowforge.jobs.tell import Teller
from flowforge.observe.logs import configure_logs
from flowforge.queues.notify import Signals
from flowforge.settings import Settings


def start_logs(service: str, settings: Settings) -> None:
    """One JSON object a line on standard error, the secrets of the settings masked."""
    configure_logs(
        service=service,
        level=settings.log_level,
        form=settings.log_format,
        mask=Mask(settings.secrets()),
    )


def teller_of(signals: Signals, registry: Registry, telemetry: Telemetry) -> Teller:
    """Who is told that a job moved: live streams and the relay over Redis, plugins by their hook, the metrics."""
    return Teller(
        publish=signals.publish,
        rouse=signals.rouse,
        wake=signals.wake,
        notify=registry.notify,
        telemetry=telemetry,
    )


def registry_of(settings: Settings) -> Registry:
    """The plugins that the settings allow, all of those installed by default."""
    return load_plugins(discover(frozenset(settings.plugins) or None))
