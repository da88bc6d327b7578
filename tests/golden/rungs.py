"""The rungs that need neither a model nor a database, from the plugins themselves."""

from functools import cache

from flowforge.core.conflict import Abstain, Candidate, Conflict
from flowforge.hooks.contracts import Language, ResolveContext, Resolver
from flowforge.hooks.manager import Registry, resolve_load
from flowforge.resolve.ladder import Rung
from flowforge.resolve.rungs import plan_rungs
from flowforge_plugins.languages import documents as document_languages
from flowforge_plugins.languages import go, java, javascript, python, typescript
from flowforge_plugins.resolvers import changelog, documents, mechanical, structural, versions

WORDS = ("mechanical", "document", "structural")


@cache
def registry() -> Registry:
    languages: list[Language] = []
    for module in (python, go, java, javascript, typescript, document_languages):
        languages.extend(module.register_languages())
    resolvers: list[Resolver] = []
    for plugin in (mechanical, versions, changelog, documents, structural):
        resolvers.extend(plugin.register_resolvers())
    return Registry(
        languages={language.id: language for language in languages},
        resolvers={resolver.name: resolver for resolver in resolvers},
    )


def call(resolver: Resolver, conflict: Conflict, context: ResolveContext) -> Candidate | Abstain:
    return resolve_load(resolver.load)(conflict, context)  # type: ignore[operator,no-any-return]


def shipped_rungs() -> tuple[Rung, ...]:
    return plan_rungs(registry(), WORDS, call)
