"""The structural rung: the engine's entity merge, for every language that has a grammar and entities."""

from collections.abc import Sequence

from flowforge.plugin import Resolver, hookimpl


@hookimpl
def register_resolvers() -> Sequence[Resolver]:
    return [Resolver(name="structural", rung="structural", load="flowforge.merge.structural:resolve")]
