"""Versions in known manifests: where the sides of a hunk differ in nothing else, the larger one wins."""

from collections.abc import Sequence

from flowforge.plugin import Resolver, hookimpl

_GLOBS = (
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "requirements*.txt",
    "requirements*.in",
    "requirements/**/*.txt",
    "requirements/**/*.in",
    "constraints*.txt",
    "Pipfile",
    "package.json",
    "Cargo.toml",
    "go.mod",
    "pom.xml",
    "*.gradle",
    "*.gradle.kts",
    "*.versions.toml",
    "gradle.properties",
    "dependencies.properties",
    "versions.properties",
    "composer.json",
    "*.csproj",
    "*.fsproj",
    "*.vbproj",
    "*.props",
    "*.targets",
    "packages.config",
    "*.sbt",
    "Gemfile",
    "gems.rb",
    "*.gemspec",
)


@hookimpl
def register_resolvers() -> Sequence[Resolver]:
    return [Resolver(name="versions", rung="mechanical", load="flowforge.merge.bumps:resolve", globs=_GLOBS)]
