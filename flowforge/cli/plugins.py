"""`flowforge plugins`: what is installed, and what failed to load."""

from flowforge.cli.app import AsJson, group
from flowforge.cli.output import data_json, say, table
from flowforge.hooks.manager import Registry, discover, load_plugins

app = group("List plugins, the failed ones too.")


@app.callback()
def _plugins() -> None:
    """List plugins, the failed ones too."""


@app.command("list")
def list_plugins(*, json: AsJson = False) -> None:
    """List loaded plugins with what they add, and the ones that were skipped, with the reason."""
    registry = load_plugins(discover())
    if json:
        data_json(as_json(registry))
        return
    table({"kind": "left", "adds": "left"}, [[kind, ", ".join(names)] for kind, names in _added(registry)])
    say(f"{len(registry.plugins)} plugins loaded: {', '.join(registry.plugins) or 'none'}")
    for failed in registry.failed:
        say(f"skipped: {failed.name} ({failed.where}): {failed.sentence}")


def as_json(registry: Registry) -> dict[str, object]:
    return {
        "loaded": list(registry.plugins),
        "failed": [{"name": f.name, "where": f.where, "sentence": f.sentence} for f in registry.failed],
        "adds": {kind: list(names) for kind, names in _added(registry)},
    }


def _added(registry: Registry) -> list[tuple[str, tuple[str, ...]]]:
    kinds = {
        "languages": registry.languages,
        "validators": registry.validators,
        "git hosts": registry.hosts,
        "models": registry.models,
        "resolvers": registry.resolvers,
        "stages": registry.stages,
        "key providers": registry.keys,
    }
    return [(kind, tuple(sorted(found))) for kind, found in kinds.items() if found]
