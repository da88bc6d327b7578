"""From the words of a pipeline and the registered resolvers to the ladder's rungs, in order."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import pathspec

from flowforge.core.conflict import Abstain, Candidate, Conflict
from flowforge.hooks.contracts import Language, ResolveContext, Resolver
from flowforge.hooks.manager import Registry
from flowforge.resolve.ladder import Need, Rung
from flowforge.resolve.policy import matches

ASK = "flowforge.merge.sound:ask"  # how a child process is told to ask a resolver: by its `load`, the conflict, a context

Call = Callable[[Resolver, Conflict, ResolveContext], Candidate | Abstain]

_NEEDS: Mapping[str, frozenset[Need]] = {"structural": frozenset({Need.ALL_SIDES})}


def plan_rungs(
    registry: Registry,
    words: Sequence[str],
    call: Call,
    *,
    own: Mapping[str, Rung] | None = None,
    others: Mapping[str, bytes] | None = None,
    deadline: float = 5.0,
) -> tuple[Rung, ...]:
    """The rungs that `words` (a pipeline's `rungs:`) name, in that order.

    `call` runs one resolver on one conflict, usually in a child process under `deadline` seconds a file. `own`
    are rungs that the pipeline brings itself (memory, model), by word. A word that nothing answers to adds no
    rung. Within one word, resolvers for every path come before those for some.
    """
    rungs: list[Rung] = []
    for word in words:
        if own and word in own:
            rungs.append(own[word])
        found = [resolver for resolver in registry.resolvers.values() if resolver.rung == word]
        found.sort(key=lambda resolver: (bool(resolver.globs), resolver.name))
        rungs.extend(_rung(r, registry.languages.values(), call, others or {}, deadline) for r in found)
    return tuple(rungs)


def _rung(
    resolver: Resolver,
    languages: Iterable[Language],
    call: Call,
    others: Mapping[str, bytes],
    deadline: float,
) -> Rung:
    known = tuple(languages)
    spec = pathspec.GitIgnoreSpec.from_lines(resolver.globs)

    def ask(conflict: Conflict) -> Candidate | Abstain:
        context = ResolveContext(language=language_of(conflict.path, known), others=others, deadline=deadline)
        return call(resolver, conflict, context)

    return Rung(
        name=resolver.rung,
        resolver=resolver.name,
        ask=ask,
        covers=lambda path: not resolver.globs or spec.match_file(path),
        needs=_NEEDS.get(resolver.rung, frozenset()),
        whole=resolver.whole,
        hunks=resolver.hunks,
    )


def language_of(path: str, languages: Iterable[Language]) -> Language | None:
    """The first language whose globs name `path`."""
    return next((language for language in languages if matches(language.globs, path)), None)
