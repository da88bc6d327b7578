"""Find plugins, load them one by one, and never let one of them take the house down.

Each entry point of group `flowforge` is loaded by itself: one that fails to import, asks for another plugin
API or implements an unknown hook is *named and skipped*, and the reason is kept in `Registry.failed`.
"""

import importlib
import importlib.metadata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import pluggy

from flowforge.core.errors import Broken, Reason
from flowforge.hooks import specs
from flowforge.hooks.contracts import GitHost, Keys, Language, Model, PushPlan, Resolver, Stage, Validator

GROUP = "flowforge"
PLUGIN_API = 1

_Descriptor = TypeVar("_Descriptor")


class EntryPoint(Protocol):
    """The part of `importlib.metadata.EntryPoint` that is used here."""

    @property
    def name(self) -> str: ...

    @property
    def value(self) -> str: ...

    def load(self) -> object: ...


@dataclass(frozen=True, kw_only=True)
class FailedPlugin:
    name: str
    where: str  # the entry point's value
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Registry:
    """Everything the loaded plugins added, by id, and the plugins that were skipped."""

    plugins: tuple[str, ...] = ()
    failed: tuple[FailedPlugin, ...] = ()
    languages: Mapping[str, Language] = field(default_factory=dict)
    validators: Mapping[str, Validator] = field(default_factory=dict)
    hosts: Mapping[str, GitHost] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)
    resolvers: Mapping[str, Resolver] = field(default_factory=dict)
    stages: Mapping[str, Stage] = field(default_factory=dict)
    keys: Mapping[str, Keys] = field(default_factory=dict)
    gate: Callable[[PushPlan], str | None] = lambda _plan: None
    notify: Callable[..., tuple[FailedPlugin, ...]] = lambda *_words, **_values: ()


def discover(allowed: frozenset[str] | None = None) -> list[EntryPoint]:
    """Installed entry points of the group, by name; `allowed` limits them to these distributions."""
    found = importlib.metadata.entry_points(group=GROUP)
    return sorted(
        (e for e in found if allowed is None or (e.dist is not None and e.dist.name in allowed)),
        key=lambda e: e.name,
    )


def load_plugins(entry_points: Iterable[EntryPoint]) -> Registry:
    """Load each entry point and collect what all of them register."""
    manager = pluggy.PluginManager(specs.PROJECT)
    manager.add_hookspecs(specs)
    failed = [failure for point in entry_points if (failure := _load(manager, point)) is not None]
    collector = _Collector(manager=manager, failed=failed)
    return Registry(
        languages=collector.by_id("register_languages", Language, "id"),
        validators=collector.by_id("register_validators", Validator, "id"),
        hosts=collector.by_id("register_git_hosts", GitHost, "id"),
        models=collector.by_id("register_model_providers", Model, "id"),
        resolvers=collector.by_id("register_resolvers", Resolver, "name"),
        stages=collector.by_id("register_stages", Stage, "name"),
        keys=collector.by_id("register_key_providers", Keys, "id"),
        plugins=tuple(sorted(name for name, _ in manager.list_name_plugin())),
        failed=tuple(collector.failed),
        gate=lambda plan: _gate(manager, plan),
        notify=lambda hook, **values: _notify(manager, hook, values),
    )


def resolve_load(load: str) -> object:
    """Import the object that a descriptor's ``"module:attribute"`` names.

    Raises:
        Broken: there is no such module or attribute, or importing it failed.
    """
    module, _, attribute = load.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:
        raise Broken(
            Reason.PLUGIN_FAILED,
            f"{load!r} could not be imported: {type(error).__name__}: {error}",
            next_action="install what the plugin needs, or remove the plugin: flowforge plugins list",
        ) from error


def _load(manager: pluggy.PluginManager, point: EntryPoint) -> FailedPlugin | None:
    try:
        plugin = point.load()
        wanted = getattr(plugin, "PLUGIN_API", PLUGIN_API)
        if wanted != PLUGIN_API:
            return _failure(point, f"needs plugin API {wanted}, this FlowForge has {PLUGIN_API}")
        manager.register(plugin, name=point.name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 (a stranger's code: whatever it raises is its own failure)
        return _failure(point, f"{type(error).__name__}: {error}")
    try:
        _refuse_unknown_hooks(manager, plugin)
    except pluggy.PluginValidationError as error:
        manager.unregister(plugin)
        return _failure(point, str(error))
    return None


def _refuse_unknown_hooks(manager: pluggy.PluginManager, plugin: object) -> None:
    for caller in manager.get_hookcallers(plugin) or ():
        if not caller.has_spec():
            raise pluggy.PluginValidationError(plugin, f"implements {caller.name!r}, which is no hook")


def _failure(point: EntryPoint, sentence: str) -> FailedPlugin:
    return FailedPlugin(name=point.name, where=point.value, sentence=sentence)


@dataclass(kw_only=True)
class _Collector:
    """Calls one registering hook plugin by plugin, so that a failure has a name."""

    manager: pluggy.PluginManager
    failed: list[FailedPlugin]

    def by_id(self, hook: str, kind: type[_Descriptor], key: str) -> dict[str, _Descriptor]:
        found: dict[str, _Descriptor] = {}
        for name, plugin in self.manager.list_name_plugin():
            if not hasattr(plugin, hook):
                continue
            try:
                self._add(found, getattr(plugin, hook)(), kind, key)
            except (Exception, SystemExit) as error:  # noqa: BLE001 (as in _load)
                sentence = f"{hook}: {type(error).__name__}: {error}"
                self.failed.append(FailedPlugin(name=name, where=str(plugin), sentence=sentence))
        return found

    @staticmethod
    def _add(
        found: dict[str, _Descriptor], added: Iterable[object], kind: type[_Descriptor], key: str
    ) -> None:
        for descriptor in added:
            if not isinstance(descriptor, kind):
                raise TypeError(f"returned {descriptor!r}, not a {kind.__name__}")
            identity = getattr(descriptor, key)
            if identity in found:
                raise ValueError(f"{kind.__name__} {identity!r} is registered already")
            found[identity] = descriptor


def _gate(manager: pluggy.PluginManager, plan: PushPlan) -> str | None:
    try:
        veto: str | None = manager.hook.before_push(plan=plan)
    except (Exception, SystemExit) as error:  # noqa: BLE001 (a gate that cannot answer stays shut)
        return f"a before_push hook failed: {type(error).__name__}: {error}"
    return veto


def _notify(
    manager: pluggy.PluginManager, hook: str, values: Mapping[str, object]
) -> tuple[FailedPlugin, ...]:
    """Tell every listener; those that raised are returned by name for the log, and change nothing."""
    failed = []
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        arguments = {name: values[name] for name in implementation.argnames if name in values}
        try:
            implementation.function(**arguments)
        except (Exception, SystemExit) as error:  # noqa: BLE001 (a stranger's code: whatever it raises is its own failure)
            sentence = f"{hook}: {type(error).__name__}: {error}"
            failed.append(
                FailedPlugin(
                    name=implementation.plugin_name, where=str(implementation.plugin), sentence=sentence
                )
            )
    return tuple(failed)
