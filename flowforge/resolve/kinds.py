"""What kind of file a path is, for counting: the rungs earn their rights per kind."""

from enum import StrEnum

from flowforge.hooks.contracts import Language
from flowforge.resolve import policy
from flowforge.resolve.policy import matches


class FileKind(StrEnum):
    SOURCE = "source"  # its language has entities, and is none for readers
    MANIFEST = "manifest"  # names what a project depends on
    LOCKFILE = "lockfile"  # written by a tool from a manifest
    CHANGELOG = "changelog"
    DOCUMENT = "document"  # data or text with a known form
    OTHER = "other"
    PATH = policy.PATH  # no kind of file: the conflict has no places, and is about a path as a whole


LOCKFILES = (
    "*.lock",
    "*.lockb",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "go.sum",
    "gradle.lockfile",
    "packages.lock.json",
    "Package.resolved",
)
MANIFESTS = (
    "pyproject.toml",
    "setup.cfg",
    "requirements*.txt",
    "requirements*.in",
    "requirements/**/*.txt",
    "requirements/**/*.in",
    "constraints*.txt",
    "Pipfile",
    "package.json",
    "go.mod",
    "Cargo.toml",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "gradle.properties",
    "libs.versions.toml",
    "dependencies.properties",
    "Gemfile",
    "*.gemspec",
    "composer.json",
    "*.csproj",
    "Directory.Packages.props",
    "build.sbt",
    "pubspec.yaml",
    "mix.exs",
)
CHANGELOGS = (
    "CHANGE*",
    "Change*",
    "change*",
    "HISTORY*",
    "History*",
    "NEWS*",
    "RELEASE*",
    "release-notes*",
)
_TEXT_ENDS = ("", ".md", ".rst", ".txt", ".adoc", ".markdown")


def kind_of(path: str, language: Language | None) -> FileKind:
    """The first kind of file that names the path, in the order in which a wrong guess would cost most."""
    if matches(LOCKFILES, path):
        return FileKind.LOCKFILE
    if matches(MANIFESTS, path):
        return FileKind.MANIFEST
    name = path.rpartition("/")[2]
    stem, dot, end = name.rpartition(".")
    if matches(CHANGELOGS, name) and (not dot or not stem or f".{end.lower()}" in _TEXT_ENDS):
        return FileKind.CHANGELOG
    if language is None:
        return FileKind.OTHER
    return FileKind.SOURCE if language.entities and not language.document else FileKind.DOCUMENT
