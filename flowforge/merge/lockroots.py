"""Whether a lockfile says of itself that it was made from a manifest: by a hash of it, or a copy of what it asks for.

Asked of three versions: where both sides' lockfiles fit their manifests and the merged one does not fit the merged
manifest, the merge broke it. What cannot be told is None, so nothing that is unknown here accuses anybody.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from flowforge.merge.locklines import python_name
from flowforge.merge.manifests import read_named

_POETRY = ("dependencies", "source", "extras", "dev-dependencies")  # hashed even where they are not there
_PROJECT = ("requires-python", "dependencies", "optional-dependencies")
_COMPOSER = (
    "name", "version", "require", "require-dev", "conflict", "replace", "provide",
    "minimum-stability", "prefer-stable", "repositories", "extra",
)  # fmt: skip
_NODE: Final = ("dependencies", "devDependencies", "optionalDependencies")
_WISH = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*\(?([^;)@]*)", re.ASCII)
_ASKED_GEM = re.compile(r"  (?! )([^\s!]+)")


def fits(path: str, lock: bytes, manifest_path: str, manifest: bytes) -> bool | None:
    """Whether the lockfile at `path` was made from this manifest, as far as it says; None where it does not say."""
    ask = _ASK.get((PurePosixPath(path).name, PurePosixPath(manifest_path).name))
    if ask is None:
        return None
    try:
        return ask(lock.decode("utf-8-sig"), manifest.decode("utf-8-sig"))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None


def _poetry(lock: str, manifest: str) -> bool | None:
    said = tomllib.loads(lock)["metadata"].get("content-hash")
    root = tomllib.loads(manifest)
    made = (hashlib.sha256(json.dumps(one, sort_keys=True).encode()).hexdigest() for one in _hashed(root))
    return said in set(made) if isinstance(said, str) else None


def _hashed(root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What versions of poetry take the hash of; each later one beside what the earlier ones took."""
    poetry = root.get("tool", {}).get("poetry", {})
    project = {key: value for key, value in root.get("project", {}).items() if key in _PROJECT}
    groups = root.get("dependency-groups", {})
    there = {key: value for key, value in poetry.items() if key in (*_POETRY, "group")}
    padded = {**dict.fromkeys(_POETRY), **there}
    yield padded
    yield {**dict.fromkeys(_POETRY[:3]), **there}
    if project:
        yield {"project": project, "tool": {"poetry": there}}
    if groups:
        named = {"project": project} if project else {}
        yield {**named, "dependency-groups": groups, "tool": {"poetry": there}}


def _composer(lock: str, manifest: str) -> bool | None:
    said, root = json.loads(lock).get("content-hash"), json.loads(manifest)
    relevant = {key: root[key] for key in _COMPOSER if key in root}
    platform = root.get("config", {}).get("platform")
    if platform is not None:
        relevant["config"] = {"platform": platform}
    text = json.dumps(_as_lists(relevant), sort_keys=False, separators=(",", ":")).replace("/", "\\/")
    return said == hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() if said else None


def _as_lists(relevant: Mapping[str, Any]) -> Mapping[str, Any]:
    """Sorted by key at the top, and an empty object as the empty list that it is to composer."""

    def empty(value: object) -> object:
        if isinstance(value, dict):
            return {key: empty(inner) for key, inner in value.items()} or []
        return [empty(inner) for inner in value] if isinstance(value, list) else value

    return {key: empty(relevant[key]) for key in sorted(relevant)}


def _npm(lock: str, manifest: str) -> bool | None:
    copy, root = json.loads(lock).get("packages", {}).get(""), json.loads(manifest)
    if copy is None:
        return None
    return all((copy.get(key) or {}) == (root.get(key) or {}) for key in _NODE)


def _uv(lock: str, manifest: str) -> bool | None:
    root = tomllib.loads(manifest).get("project", {})
    for package in tomllib.loads(lock)["package"]:
        source = package.get("source", {})
        if "." in (source.get("editable"), source.get("virtual"), source.get("directory")):
            wishes = package.get("metadata", {}).get("requires-dist", [])
            extras = root.get("optional-dependencies", {}).values()
            wanted = [*root.get("dependencies", []), *(one for extra in extras for one in extra)]
            copied = {(one["name"], _plain(one.get("specifier", ""))) for one in wishes}
            return copied == {_wish(one) for one in wanted}
    return None


def _wish(requirement: str) -> tuple[str, str]:
    found = _WISH.match(requirement.strip())
    if found is None:
        raise ValueError(requirement)
    return python_name(found[1]), _plain(found[2])


def _plain(specifier: str) -> str:
    return ",".join(sorted(part.strip().replace(" ", "") for part in specifier.split(",")))


def _bundler(lock: str, manifest: str) -> bool | None:
    asked = lock.partition("\nDEPENDENCIES\n")[2].partition("\n\n")[0]
    copied = {found[1] for line in asked.splitlines() if (found := _ASKED_GEM.match(line))}
    named = read_named("Gemfile", manifest.encode())
    return copied == named if isinstance(named, frozenset) else None


_ASK: Mapping[tuple[str, str], Callable[[str, str], bool | None]] = {
    ("poetry.lock", "pyproject.toml"): _poetry,
    ("composer.lock", "composer.json"): _composer,
    ("package-lock.json", "package.json"): _npm,
    ("npm-shrinkwrap.json", "package.json"): _npm,
    ("uv.lock", "pyproject.toml"): _uv,
    ("Gemfile.lock", "Gemfile"): _bundler,
    ("gems.locked", "gems.rb"): _bundler,
}
