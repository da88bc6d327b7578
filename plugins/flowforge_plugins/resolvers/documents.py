"""The document rung: merge by key instead of by line. What writes lockfiles is a tool, so they are left out."""

from collections.abc import Sequence

from flowforge.plugin import Resolver, hookimpl

_LOAD = "flowforge.merge.documents:resolve"
_GLOBS = {
    "json": ("*.json", "*.webmanifest", "!package-lock.json", "!npm-shrinkwrap.json", "!packages.lock.json"),
    "yaml": ("*.yaml", "*.yml", "!pnpm-lock.yaml"),
    "toml": ("*.toml", "Pipfile"),
    "properties": ("*.properties",),
    "ini": ("*.ini", "setup.cfg", ".flake8", ".coveragerc"),
    "requirements": (
        "requirements*.txt",
        "requirements*.in",
        "requirements/**/*.txt",
        "requirements/**/*.in",
        "constraints*.txt",
    ),
    "gomod": ("go.mod",),
    "gradle": ("*.gradle",),
    "xml": ("*.xml", "*.pom", "*.csproj", "*.props", "*.xsd"),
}


@hookimpl
def register_resolvers() -> Sequence[Resolver]:
    return [Resolver(name=name, rung="document", load=_LOAD, globs=globs) for name, globs in _GLOBS.items()]
