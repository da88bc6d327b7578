"""The model rung as settings and a pipeline want it: provider, prices, prompts, budget, all found by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

from flowforge.core.errors import Broken, Reason
from flowforge.core.pipeline import Limits
from flowforge.git.secrets import find_secret
from flowforge.hooks.contracts import Model, ModelProvider
from flowforge.hooks.manager import Registry, resolve_load
from flowforge.llm.ports import Asker
from flowforge.llm.prices import Prices, read_prices
from flowforge.llm.rung import ModelRung
from flowforge.llm.service import ModelService, Ports
from flowforge.pipeline.document import read_document
from flowforge.pipeline.options import ModelOptions
from flowforge.resolve.templates import FILES, Templates, read_templates
from flowforge.settings import Settings


@dataclass(frozen=True, kw_only=True)
class JobModels:
    """Makes the rung for one job: `Tools.models`. Services are kept by provider, so that an SDK loads once."""

    registry: Registry
    settings: Settings
    ports: Ports
    asker: Asker
    draw: Callable[[], str]  # a random word, 32 hex digits
    chosen: Model

    @property
    def provider(self) -> str:
        return f"{self.chosen.id} (scripted)" if self.chosen.scripted else self.chosen.id

    def rung(self, options: ModelOptions) -> ModelRung:
        """A rung for the conflicts of one commit; a pipeline may ask for another provider or model."""
        model = find_model(self.registry, options.provider or self.chosen.id)
        name = options.name or self.settings.model_name or model.default_model
        return ModelRung(
            service=ModelService(model, lambda: connect(model, self.settings), shipped_prices(), self.ports),
            templates=shipped_templates(),
            model=name,
            asker=self.asker,
            secrets=secret_kinds,
            draw=self.draw,
            shared=self.draw(),
            repairs=options.attempts - 1,
        )


def job_models(
    registry: Registry,
    settings: Settings,
    ports: Ports,
    asker: Asker,
    limits: Limits,
    draw: Callable[[], str],
) -> JobModels | None:
    """The models of one job under its pipeline's caps; None where the settings name no provider."""
    if not settings.model_provider:
        return None
    return JobModels(
        registry=registry,
        settings=settings,
        ports=ports,
        asker=replace(asker, job_usd=limits.model_usd, job_calls=limits.model_calls),
        draw=draw,
        chosen=find_model(registry, settings.model_provider),
    )


def find_model(registry: Registry, provider: str) -> Model:
    """A registered provider by id.

    Raises:
        Broken: there is none of that name.
    """
    model = registry.models.get(provider)
    if model is None:
        known = ", ".join(sorted(registry.models)) or "none"
        raise Broken(
            Reason.CONFIGURATION,
            f"there is no model provider {provider!r}; installed are: {known}",
            next_action="set model_provider to one of these, or install its plugin",
        )
    return model


def connect(model: Model, settings: Settings) -> ModelProvider:
    """Build the provider; its SDK is imported here and nowhere earlier."""
    factory = resolve_load(model.load)
    if not callable(factory):
        raise Broken(Reason.PLUGIN_FAILED, f"{model.load!r} is no factory", next_action="tell its author")
    provider: ModelProvider = factory(settings.model_settings(model.secret))
    return provider


def shipped_templates() -> Templates:
    folder = files("flowforge_config") / "prompts"
    return read_templates({name: (folder / name).read_text() for name in FILES})


def shipped_prices() -> Prices:
    text = (files("flowforge_config") / "prices.yaml").read_bytes()
    return read_prices(read_document(text, "config/prices.yaml").plain())


def secret_kinds(text: str) -> Sequence[str]:
    """Names of the kinds of secret that stand in a text; never the secret."""
    return [shape.name for line in text.splitlines() if (shape := find_secret(line)) is not None]
