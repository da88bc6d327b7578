"""The document rung: merge by key instead of by line. JSON for now."""

from collections.abc import Sequence

from flowforge.plugin import Resolver, hookimpl


@hookimpl
def register_resolvers() -> Sequence[Resolver]:
    return [
        Resolver(
            name="json",
            rung="document",
            load="flowforge.merge.documents:resolve",
            globs=("*.json", "*.webmanifest"),
        )
    ]
