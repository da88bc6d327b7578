"""Hunks in which the sides made the same edit, or one of them changed whitespace only."""

from collections.abc import Sequence

from flowforge.plugin import Resolver, hookimpl


@hookimpl
def register_resolvers() -> Sequence[Resolver]:
    return [Resolver(name="mechanical", rung="mechanical", load="flowforge.merge.whitespace:resolve")]
