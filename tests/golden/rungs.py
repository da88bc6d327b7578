"""The rungs that need neither a model nor a database, from the plugins themselves."""

import importlib
import pkgutil
from functools import cache
from itertools import chain

from flowforge.core.conflict import Abstain, Candidate, Conflict
from flowforge.hooks.contracts import Language, ResolveContext, Resolver
from flowforge.hooks.manager import Registry
from flowforge.merge.sound import ask
from flowforge.resolve.ladder import Rung
from flowforge.resolve.rungs import plan_rungs
from flowforge_plugins import languages as language_plugins
from flowforge_plugins.resolvers import changelog, documents, mechanical, structural, versions

WORDS = ("mechanical", "document", "structural")


@cache
def shipped_languages() -> tuple[Language, ...]:
    """The languages of every plugin file that registers some."""
    names = [found.name for found in pkgutil.iter_modules(language_plugins.__path__)]
    modules = [importlib.import_module(f"{language_plugins.__name__}.{name}") for name in names]
    return tuple(
        chain.from_iterable(m.register_languages() for m in modules if hasattr(m, "register_languages"))
    )


@cache
def registry() -> Registry:
    resolvers: list[Resolver] = []
    for plugin in (mechanical, versions, changelog, documents, structural):
        resolvers.extend(plugin.register_resolvers())
    return Registry(
        languages={language.id: language for language in shipped_languages()},
        resolvers={resolver.name: resolver for resolver in resolvers},
    )


def call(resolver: Resolver, conflict: Conflict, context: ResolveContext) -> Candidate | Abstain:
    return ask(resolver.load, conflict, context)


def shipped_rungs() -> tuple[Rung, ...]:
    return plan_rungs(registry(), WORDS, call)
