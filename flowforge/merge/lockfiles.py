"""What a lockfile pins: names and versions, read from its text. Nothing is run, and nothing is ever merged here.

A lockfile is the work of a tool; two of them are compared as sets of packages, never as lines. Packages of the
repository itself (workspace members, local paths) are known apart: their versions are for manifests to decide.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from flowforge.core.conflict import Abstain
from flowforge.merge import locklines
from flowforge.merge.doubt import Doubt
from flowforge.merge.locklines import Pin, python_name

MAX_BYTES = 32 << 20  # of one lockfile
MARKER = re.compile(rb"^(?:<{7}|\|{7}|>{7})(?: |\r?$)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Locked:
    """What one lockfile pins. Names are written as their ecosystem compares them."""

    packages: Mapping[str, frozenset[str]]  # name -> versions; "" where a package of the repository has none
    own: frozenset[str] = frozenset()  # packages of the repository itself


def read_locked(path: str, text: bytes) -> Locked | Abstain:
    """Read a lockfile by its name; a typed word and a sentence where that cannot be done."""
    read = reader_of(path)
    if read is None:
        return Abstain(why="unknown_lockfile", sentence=f"{path!r} is no lockfile that FlowForge can read")
    try:
        return _gathered(read(_decoded(text)))
    except Doubt as doubt:
        return _unreadable(path, doubt.sentence)
    except (ValueError, RecursionError) as error:
        return _unreadable(path, f"does not parse ({type(error).__name__})")


def reader_of(path: str) -> Callable[[str], Iterator[Pin]] | None:
    """What reads such a file, None for a name that is not known."""
    name = PurePosixPath(path).name
    if name.startswith("requirements") or name.endswith(".txt"):
        return locklines.requirements
    return _READERS.get(name)


def _decoded(text: bytes) -> str:
    if len(text) > MAX_BYTES:
        raise Doubt("lock_unreadable", f"is larger than {MAX_BYTES >> 20} MiB")
    if MARKER.search(text):
        raise Doubt("lock_unreadable", "holds conflict markers")
    return text.decode("utf-8-sig")


def _unreadable(path: str, what: str) -> Abstain:
    return Abstain(why="lock_unreadable", sentence=f"{path!r} {what}")


def _gathered(pins: Iterator[Pin]) -> Locked:
    packages: dict[str, set[str]] = {}
    own: set[str] = set()
    for pin in pins:
        packages.setdefault(pin.name, set()).add("" if pin.own else pin.version)
        if pin.own:
            own.add(pin.name)
    return Locked(
        packages={name: frozenset(versions) for name, versions in packages.items()}, own=frozenset(own)
    )


def _toml(text: str) -> Iterator[Mapping[str, Any]]:
    for package in _list(tomllib.loads(text), "package"):
        if not isinstance(package.get("name"), str):
            raise Doubt("lock_unreadable", "has a package without a name")
        yield package


def _poetry(text: str) -> Iterator[Pin]:
    for package in _toml(text):
        own = _mapping(package, "source").get("type") in {"directory", "file"}
        yield Pin(name=python_name(package["name"]), version=_version(package), own=own)


def _uv(text: str) -> Iterator[Pin]:
    for package in _toml(text):
        own = bool({"editable", "virtual", "directory"} & set(_mapping(package, "source")))
        yield Pin(name=python_name(package["name"]), version=_version(package), own=own)


def _cargo(text: str) -> Iterator[Pin]:
    for package in _toml(text):
        yield Pin(name=package["name"], version=_version(package), own="source" not in package)


def _npm(text: str) -> Iterator[Pin]:
    root = _object(json.loads(text))
    if "packages" in root:
        yield from _npm_packages(_mapping(root, "packages"))
    elif "lockfileVersion" in root or "dependencies" in root:
        yield from _npm_tree(_mapping(root, "dependencies"))
    else:
        raise Doubt("lock_unreadable", "holds neither packages nor dependencies")


def _npm_packages(packages: Mapping[str, Any]) -> Iterator[Pin]:
    """Version 2 and 3: by the folder in which a package stands; what stands outside node_modules is linked there."""
    for place, package in packages.items():
        _, inside, name = place.rpartition("node_modules/")
        if inside:
            own = bool(_object(package).get("link"))
            yield Pin(name=name, version=_version(package), own=own)


def _npm_tree(dependencies: Mapping[str, Any]) -> Iterator[Pin]:
    """Version 1: packages within packages."""
    open_ = [dependencies]
    while open_:
        for name, package in open_.pop().items():
            version = _version(_object(package))
            yield Pin(name=name, version=version, own=version.startswith("file:"))
            open_.append(_mapping(package, "dependencies"))


def _composer(text: str) -> Iterator[Pin]:
    root = _object(json.loads(text))
    if "packages" not in root:
        raise Doubt("lock_unreadable", "holds no packages")
    for package in (*_list(root, "packages"), *_list(root, "packages-dev")):
        if not isinstance(package.get("name"), str):
            raise Doubt("lock_unreadable", "has a package without a name")
        own = _mapping(package, "dist").get("type") == "path"
        yield Pin(name=package["name"].lower(), version=_version(package), own=own)


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Doubt("lock_unreadable", "has another shape than such files have")
    return value


def _mapping(holder: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = holder.get(key)
    return {} if found is None else _object(found)


def _list(holder: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    found = holder.get(key, [])
    if not isinstance(found, list):
        raise Doubt("lock_unreadable", f"has {key} in another shape than such files have")
    return [_object(item) for item in found]


def _version(package: Mapping[str, Any]) -> str:
    version = package.get("version", "")
    return version if isinstance(version, str) else ""


_READERS: Mapping[str, Callable[[str], Iterator[Pin]]] = {
    "poetry.lock": _poetry,
    "uv.lock": _uv,
    "Cargo.lock": _cargo,
    "package-lock.json": _npm,
    "npm-shrinkwrap.json": _npm,
    "composer.lock": _composer,
    "pnpm-lock.yaml": locklines.pnpm,
    "yarn.lock": locklines.yarn,
    "go.sum": locklines.go_sum,
    "Gemfile.lock": locklines.bundler,
    "gems.locked": locklines.bundler,
}
