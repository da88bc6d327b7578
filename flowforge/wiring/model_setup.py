"""What the settings say of models, read and checked once at start: prices, the chosen model, recorded answers."""

from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path

from flowforge.core.errors import Broken, Reason
from flowforge.hooks.contracts import Model, ModelProvider
from flowforge.hooks.manager import resolve_load
from flowforge.llm.prices import Prices, read_prices
from flowforge.pipeline.document import Unreadable, read_document
from flowforge.settings import Settings
from flowforge.wiring.cassette import Cassette


@cache
def shipped_prices() -> Prices:
    text = (files("flowforge_config") / "prices.yaml").read_bytes()
    return read_prices(read_document(text, "config/prices.yaml").plain())


def prices_of(settings: Settings) -> Prices:
    """The shipped prices, under those of the operator's own file.

    Raises:
        Broken: the file cannot be read, or an entry is no price.
    """
    if settings.model_prices is None:
        return shipped_prices()
    file = settings.model_prices.expanduser()
    try:
        data = read_document(file.read_bytes(), str(file)).plain()
    except OSError as error:
        raise _wrong(file, f"it could not be read: {error.strerror}") from error
    except Unreadable as error:
        raise _wrong(file, str(error)) from error
    return shipped_prices().under(read_prices(data, str(file)))


def _wrong(file: Path, what: str) -> Broken:
    return Broken(
        Reason.CONFIGURATION,
        f"the price file {file} cannot be used: {what}",
        next_action="mend it, or leave model_prices empty",
    )


def check_model(model: Model, settings: Settings, prices: Prices) -> None:
    """What can be told before anything is asked: that the usual model has a name and a price.

    Raises:
        Broken: it has none.
    """
    name = settings.model_name or model.default_model
    if not name:
        raise Broken(
            Reason.CONFIGURATION,
            f"the model provider {model.id!r} has no usual model, and the settings name none",
            next_action="set model_name to the model that it shall be asked for",
        )
    prices.also(model.prices).of(name, 0)


def as_set(model: Model, settings: Settings) -> Model:
    """The provider as the settings leave it: what stands behind recorded answers is not asked in batches."""
    return model if settings.model_cassette is None else replace(model, batches=False)


def connect(model: Model, settings: Settings) -> ModelProvider:
    """Build the provider; its SDK is imported here and nowhere earlier, and nobody is reached.

    With recorded answers it stands behind them, and is built only when one is missing while recording.
    """
    if settings.model_cassette is None:
        return _connect(model, settings)
    return Cassette(
        file=settings.model_cassette.expanduser(),
        mode=settings.model_cassette_mode,
        connect=lambda: _connect(model, settings),
    )


def _connect(model: Model, settings: Settings) -> ModelProvider:
    factory = resolve_load(model.load)
    if not callable(factory):
        raise Broken(Reason.PLUGIN_FAILED, f"{model.load!r} is no factory", next_action="tell its author")
    provider: ModelProvider = factory(settings.model_settings(model.secret))
    return provider
