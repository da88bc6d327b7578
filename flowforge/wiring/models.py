"""The model rung as settings and a pipeline want it: provider, prices, prompts, budget, all found by name."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from importlib.resources import files
from uuid import UUID

from flowforge.core.errors import Broken, Reason
from flowforge.core.pipeline import Limits
from flowforge.git.hiding import secrets_in
from flowforge.hooks.contracts import Model
from flowforge.hooks.manager import Registry
from flowforge.llm.ports import Asker, Call
from flowforge.llm.remerge import SecondLook
from flowforge.llm.review import Reviewer
from flowforge.llm.rung import ModelRung
from flowforge.llm.service import ModelService, Ports, Rules
from flowforge.pipeline.options import ModelOptions, ReviewOptions
from flowforge.report.facts import ModelCost
from flowforge.resolve.answer import Look
from flowforge.resolve.remerge import FILES as REMERGE_FILES
from flowforge.resolve.remerge import remerge_templates
from flowforge.resolve.templates import FILES, Templates, read_templates
from flowforge.review.prompt import FILES as REVIEW_FILES
from flowforge.review.prompt import review_templates
from flowforge.settings import Settings
from flowforge.wiring.model_setup import as_set, check_model, connect, prices_of

_log = logging.getLogger(__name__)


class Services:
    """The model services of a process, one a provider, so that an SDK is imported and connected once."""

    def __init__(self, registry: Registry, settings: Settings, ports: Ports) -> None:
        """Read prices and check the chosen model.

        Raises:
            Broken: there is no such provider, its model has no name or no price, or a price file is wrong.
        """
        self.registry, self.settings = registry, settings
        self._told = _Listeners()
        self._ports = replace(ports, told=self._told)
        self._rules = Rules(at_once=settings.model_calls_at_once, breaker=settings.model_breaker)
        self._made: dict[str, ModelService] = {}
        self._lock = threading.Lock()
        self._prices = prices_of(settings)
        if settings.model_provider:
            check_model(find_model(registry, settings.model_provider), settings, self._prices)

    def of(self, model: Model) -> ModelService:
        with self._lock:
            if model.id not in self._made:
                self._made[model.id] = ModelService(
                    as_set(model, self.settings),
                    lambda: connect(model, self.settings),
                    self._prices,
                    self._ports,
                    self._rules,
                )
            return self._made[model.id]

    @contextmanager
    def job(self, asker: Asker, limits: Limits, draw: Callable[[], str]) -> Iterator["JobModels | None"]:
        """The models of one job under its pipeline's caps; None where the settings name no provider."""
        if not self.settings.model_provider:
            yield None
            return
        chosen = find_model(self.registry, self.settings.model_provider)
        capped = replace(asker, job_usd=limits.model_usd, job_calls=limits.model_calls)
        with self._told.listening(asker.job) as calls:
            yield JobModels(services=self, asker=capped, draw=draw, chosen=chosen, calls=calls)

    def warm(self) -> threading.Thread | None:
        """Import and connect what the settings name, apart: an SDK takes seconds, and the first job should not wait.

        Whatever is wrong with it is told to the job that asks.
        """
        if self.settings.model_provider not in self.registry.models:
            return None
        service = self.of(self.registry.models[self.settings.model_provider])
        thread = threading.Thread(target=_quietly, args=(service.warm,), name="model-warm", daemon=True)
        thread.start()
        return thread


def _quietly(warm: Callable[[], None]) -> None:
    try:
        warm()
    except Exception as error:  # noqa: BLE001 (a plugin's own; whoever asks meets it again)
        _log.info("the model provider is not ready yet: %s", error)


class _Listeners:
    """Notes every call for the job that is listening."""

    def __init__(self) -> None:
        self._listening: dict[UUID | None, list[Call]] = {}

    def __call__(self, call: Call, /) -> None:
        if call.asker.job in self._listening:
            self._listening[call.asker.job].append(call)

    @contextmanager
    def listening(self, job: UUID | None) -> Iterator[list[Call]]:
        calls = self._listening[job] = []
        try:
            yield calls
        finally:
            del self._listening[job]


@dataclass(frozen=True, kw_only=True)
class JobModels:
    """Makes the rung for one job: `Tools.models`."""

    services: Services
    asker: Asker
    draw: Callable[[], str]  # a random word, 16 hex digits: nobody can know it, and it stands on many lines
    chosen: Model
    calls: list[Call]

    @property
    def provider(self) -> str:
        return f"{self.chosen.id} (scripted)" if self.chosen.scripted else self.chosen.id

    def rung(self, options: ModelOptions, look: Look) -> ModelRung:
        """A rung for the conflicts of one commit; a pipeline may ask for another provider or model."""
        settings = self.services.settings
        model = find_model(self.services.registry, options.provider or self.chosen.id)
        return ModelRung(
            service=self.services.of(model),
            templates=shipped_templates(),
            model=options.name or settings.model_name or model.default_model,
            asker=replace(self.asker, batch=options.batch),
            secrets=secrets_in,
            draw=self.draw,
            shared=self.draw(),
            repairs=options.attempts - 1,
            candidates=options.candidates,
            look=look,
            thinking=settings.model_thinking,
            context=options.context,
        )

    def second_look(self, options: ModelOptions) -> SecondLook:
        """One who looks afresh at what the rung answered; by the same provider and model."""
        model = find_model(self.services.registry, options.provider or self.chosen.id)
        return SecondLook(
            service=self.services.of(model),
            templates=shipped_remerge_templates(),
            model=options.name or self.services.settings.model_name or model.default_model,
            asker=self.asker,
            secrets=secret_kinds,
            draw=self.draw,
        )

    def reviewer(self, options: ReviewOptions, line: str) -> Reviewer:
        """One who looks at the change, under a line of the job's money of its own."""
        model = find_model(self.services.registry, options.model.provider or self.chosen.id)
        return Reviewer(
            service=self.services.of(model),
            templates=shipped_review_templates(),
            model=options.model.name or self.services.settings.model_name or model.default_model,
            asker=replace(self.asker, line=line, line_usd=options.model_usd),
            secrets=secret_kinds,
            draw=self.draw,
            shared=self.draw(),
        )

    def cost(self, operation: str = "") -> ModelCost | None:
        """What the job's calls (of one operation) came to; None where none was made."""
        calls = [call for call in self.calls if operation in {"", call.operation}]
        if not calls:
            return None
        providers = sorted({call.provider for call in calls})
        return ModelCost(
            provider=", ".join(providers),
            model=", ".join(sorted({call.model for call in calls})),
            calls=len(calls),
            cached=sum(call.cache_hit for call in calls),
            usd=sum((call.cost for call in calls), Decimal(0)),
            scripted=all(self.services.registry.models[provider].scripted for provider in providers),
            tokens=sum(call.usage.prompt + call.usage.output for call in calls),
            saved=sum((call.saved for call in calls), Decimal(0)),
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


@cache
def shipped_templates() -> Templates:
    folder = files("flowforge_config") / "prompts"
    return read_templates({name: (folder / name).read_text() for name in FILES})


@cache
def shipped_remerge_templates() -> Templates:
    folder = files("flowforge_config") / "prompts"
    return remerge_templates({name: (folder / name).read_text() for name in REMERGE_FILES})


@cache
def shipped_review_templates() -> Templates:
    folder = files("flowforge_config") / "prompts"
    return review_templates({name: (folder / name).read_text() for name in REVIEW_FILES})


def secret_kinds(text: str) -> Sequence[str]:
    """Names of the kinds of secret that stand in a text; never the secret."""
    return [found.kind for found in secrets_in(text)]
