"""Which packages a manifest names: what a lockfile made from it must not have lost. Read as data, nothing is run.

Only names; what a range of versions allows is for the ecosystem's own tool.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from flowforge.core.conflict import Abstain
from flowforge.merge.locklines import python_name

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", re.ASCII)
_GEM = re.compile(r"^\s*gem[\s(]+['\"]([^'\"]+)['\"]", re.MULTILINE)
_GO_BLOCKS = re.compile(r"^require\s*\((.*?)^\)|^require\s+(\S+\s+v\S+[^\n]*)", re.MULTILINE | re.DOTALL)
_PLATFORM = re.compile(
    r"php(-64bit|-ipv6|-zts|-debug)?|hhvm|(ext|lib)-.*|composer(-plugin-api|-runtime-api)?"
)


def read_named(path: str, text: bytes) -> frozenset[str] | Abstain:
    """Names as the ecosystem compares them; a typed word and a sentence for a manifest that cannot be read."""
    name = PurePosixPath(path).name
    read = _READERS.get(name, _requirements if name.endswith((".in", ".txt")) else None)
    if read is None:
        return frozenset()
    try:
        return frozenset(read(text.decode("utf-8-sig")))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        found = type(error).__name__
        return Abstain(
            why="manifest_unreadable", sentence=f"{path!r} cannot be read as it was merged ({found})"
        )


def _python(text: str) -> Iterator[str]:
    root = tomllib.loads(text)
    project, tool = root.get("project", {}), root.get("tool", {})
    groups = [project.get("dependencies", []), tool.get("uv", {}).get("dev-dependencies", [])]
    groups += [
        *project.get("optional-dependencies", {}).values(),
        *root.get("dependency-groups", {}).values(),
    ]
    for line in (line for group in groups for line in group if isinstance(line, str)):
        yield from _names(line)
    poetry = tool.get("poetry", {})
    tables = [poetry, {"dependencies": poetry.get("dev-dependencies", {})}, *poetry.get("group", {}).values()]
    for table in tables:
        yield from (python_name(name) for name in table.get("dependencies", {}) if name.lower() != "python")


def _requirements(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from _names(line)


def _names(requirement: str) -> Iterator[str]:
    found = _REQUIREMENT.match(requirement)
    if found is not None:
        yield python_name(found[1])


def _node(text: str) -> Iterator[str]:
    root = json.loads(text)
    for key in ("dependencies", "devDependencies", "optionalDependencies"):
        yield from root.get(key) or {}


def _cargo(text: str) -> Iterator[str]:
    root = tomllib.loads(text)
    holders = [root, root.get("workspace", {}), *root.get("target", {}).values()]
    for holder in holders:
        for key in ("dependencies", "dev-dependencies", "build-dependencies"):
            yield from (_crate(name, wanted) for name, wanted in holder.get(key, {}).items())


def _crate(name: str, wanted: object) -> str:
    """A dependency may stand under a name of its own."""
    real = wanted.get("package") if isinstance(wanted, dict) else None
    return real if isinstance(real, str) else name


def _go(text: str) -> Iterator[str]:
    """Modules that are needed directly; which others are is found out by the tool."""
    for block in _GO_BLOCKS.finditer(text):
        for line in (block[1] or block[2] or "").splitlines():
            words = line.split()
            if len(words) > 1 and "indirect" not in words:
                yield words[0]


def _gemfile(text: str) -> Iterator[str]:
    """A Gemfile is a program; the plain lines of it are read, the others are Bundler's to know."""
    yield from _GEM.findall(text)


def _composer(text: str) -> Iterator[str]:
    root: Mapping[str, Any] = json.loads(text)
    for key in ("require", "require-dev"):
        names = (name.lower() for name in root.get(key) or {})
        yield from (name for name in names if not _PLATFORM.fullmatch(name))


_READERS: Mapping[str, Callable[[str], Iterator[str]]] = {
    "pyproject.toml": _python,
    "package.json": _node,
    "Cargo.toml": _cargo,
    "go.mod": _go,
    "Gemfile": _gemfile,
    "gems.rb": _gemfile,
    "composer.json": _composer,
}
