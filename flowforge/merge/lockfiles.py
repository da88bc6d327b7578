"""What a lockfile pins: names and versions, read from its text. Nothing is run, and nothing is ever merged here.

A lockfile is the work of a tool; two of them are compared as sets of packages, never as lines. Packages of the
repository itself (workspace members, local paths) are known apart: their versions are for manifests to decide.
"""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from flowforge.core.conflict import Abstain
from flowforge.merge import locklines, locknode
from flowforge.merge.doubt import Doubt
from flowforge.merge.locklines import Pin, python_name

MAX_BYTES = 32 << 20  # of one lockfile
MARKER = re.compile(rb"^(?:<{7}|\|{7}|>{7})(?: |\r?$)", re.MULTILINE)

_FORMS = {
    name: re.compile(pattern, re.MULTILINE)
    for name, pattern in {
        "package-lock.json": rb'"lockfileVersion" *: *(\d+)',
        "npm-shrinkwrap.json": rb'"lockfileVersion" *: *(\d+)',
        "pnpm-lock.yaml": rb"^lockfileVersion: *['\"]?([\d.]+)",
        "yarn.lock": rb"^# yarn lockfile (v1)|^__metadata:\r?\n +version: *(\d+)",
        "poetry.lock": rb'^lock-version = "([\d.]+)"',
        "Cargo.lock": rb"^version = (\d+)",
        "uv.lock": rb"^version = (\d+)",
    }.items()
}


@dataclass(frozen=True, kw_only=True)
class Locked:
    """What one lockfile pins. Names are written as their ecosystem compares them."""

    packages: Mapping[str, frozenset[str]]  # name -> versions; "" where a package of the repository has none
    own: frozenset[str] = frozenset()  # packages of the repository itself


def read_locked(path: str, text: bytes) -> Locked | Abstain:
    """Read a lockfile by its name; a typed word and a sentence where that cannot be done."""
    pins = read_pins(path, text)
    return pins if isinstance(pins, Abstain) else _gathered(pins)


def read_pins(path: str, text: bytes) -> tuple[Pin, ...] | Abstain:
    """Every entry of a lockfile by itself, with what it needs; else as `read_locked`."""
    read = reader_of(path)
    if read is None:
        return Abstain(why="unknown_lockfile", sentence=f"{path!r} is no lockfile that FlowForge can read")
    try:
        return tuple(read(_decoded(text)))
    except Doubt as doubt:
        return _unreadable(path, doubt.sentence)
    except (ValueError, RecursionError) as error:
        return _unreadable(path, f"does not parse ({type(error).__name__})")


def form_of(path: str, text: bytes) -> str:
    """The version of the file's own form, as it writes it; "" where such files have none, or this one does not say."""
    pattern = _FORMS.get(PurePosixPath(path).name)
    found = pattern.search(text) if pattern is not None else None
    return b"".join(part for part in found.groups() if part).decode("ascii", "replace") if found else ""


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


def _gathered(pins: Sequence[Pin]) -> Locked:
    packages: dict[str, set[str]] = {}
    own: set[str] = set()
    for pin in (pin for pin in pins if pin.name):
        packages.setdefault(pin.name, set()).add("" if pin.own else pin.version)
        if pin.own:
            own.add(pin.name)
    return Locked(
        packages={name: frozenset(versions) for name, versions in packages.items()}, own=frozenset(own)
    )


def _packages(root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for package in _list(root, "package"):
        if not isinstance(package.get("name"), str):
            raise Doubt("lock_unreadable", "has a package without a name")
        yield package


def _poetry(text: str) -> Iterator[Pin]:
    root = tomllib.loads(text)
    files = _mapping(_mapping(root, "metadata"), "files")  # where versions 1.0 and 1.1 had them
    for package in _packages(root):
        own = _mapping(package, "source").get("type") in {"directory", "file"}
        name = python_name(package["name"])
        listed = [*_list(package, "files"), *_list(files, package["name"])]
        yield Pin(
            name=name,
            version=_version(package),
            own=own,
            keys=(f"{name} {_version(package)} {_mapping(package, 'source')}",),
            hashes=_texts(listed, "hash"),
            needs=tuple(map(python_name, _mapping(package, "dependencies"))),
            offers=(name,),
        )


def _uv(text: str) -> Iterator[Pin]:
    for package in _packages(tomllib.loads(text)):
        source = _mapping(package, "source")
        name = python_name(package["name"])
        groups = [_mapping(package, key) for key in ("optional-dependencies", "dev-dependencies")]
        needed = [package, *({"dependencies": of} for group in groups for of in group.values())]
        yield Pin(
            name=name,
            version=_version(package),
            own=bool({"editable", "virtual", "directory"} & set(source)),
            keys=(f"{name} {_version(package)} {source}",),
            hashes=_texts([_mapping(package, "sdist"), *_list(package, "wheels")], "hash"),
            needs=tuple(sorted(_texts([one for of in needed for one in _list(of, "dependencies")], "name"))),
            offers=(name,),
        )


def _cargo(text: str) -> Iterator[Pin]:
    packages = list(_packages(tomllib.loads(text)))
    times = Counter(package["name"] for package in packages)
    for package in packages:
        name, version, source = package["name"], _version(package), package.get("source", "")
        offers = [f"{name} {version}", f"{name} {version} ({source})"]
        checksum = package.get("checksum")
        yield Pin(
            name=name,
            version=version,
            own="source" not in package,
            keys=(f"{name} {version} {source}",),
            hashes=frozenset({checksum} if isinstance(checksum, str) else ()),
            needs=_words(package, "dependencies"),
            # where a crate is there in several versions, its name alone says nothing
            offers=(*offers, name) if times[name] == 1 else tuple(offers),
        )


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
    for place, held in packages.items():
        package = _object(held)
        _, inside, name = place.rpartition("node_modules/")
        groups = ("dependencies", "optionalDependencies", *(() if inside else ("devDependencies",)))
        needs = tuple(name for group in groups for name in _mapping(package, group))
        if not inside:
            yield Pin(name="", version="", place=place or ".", needs=needs)
            continue
        yield Pin(
            name=name,
            version=_version(package),
            own=bool(package.get("link")),
            keys=(place,),
            hashes=_texts([package], "integrity"),
            needs=needs,
            offers=(name,),
        )


def _npm_tree(dependencies: Mapping[str, Any]) -> Iterator[Pin]:
    """Version 1: packages within packages."""
    open_ = [dependencies]
    while open_:
        for name, held in open_.pop().items():
            package = _object(held)
            version = _version(package)
            requires = package.get("requires")
            yield Pin(
                name=name,
                version=version,
                own=version.startswith("file:"),
                hashes=_texts([package], "integrity"),
                needs=tuple(requires) if isinstance(requires, dict) else (),
                offers=(name,),
            )
            open_.append(_mapping(package, "dependencies"))


def _composer(text: str) -> Iterator[Pin]:
    root = _object(json.loads(text))
    if "packages" not in root:
        raise Doubt("lock_unreadable", "holds no packages")
    for package in (*_list(root, "packages"), *_list(root, "packages-dev")):
        if not isinstance(package.get("name"), str):
            raise Doubt("lock_unreadable", "has a package without a name")
        name, dist = package["name"].lower(), _mapping(package, "dist")
        yield Pin(
            name=name,
            version=_version(package),
            own=dist.get("type") == "path",
            keys=(name,),
            hashes=_texts([dist], "reference") - {""},
            needs=tuple(map(str.lower, _mapping(package, "require"))) if package.get("require") else (),
            offers=(name,),
        )


def _words(holder: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = holder.get(key)
    return tuple(word for word in found if isinstance(word, str)) if isinstance(found, list) else ()


def _texts(holders: Sequence[Mapping[str, Any]], key: str) -> frozenset[str]:
    return frozenset(text for holder in holders if isinstance(text := holder.get(key), str))


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
    "pnpm-lock.yaml": locknode.pnpm,
    "yarn.lock": locknode.yarn,
    "go.sum": locklines.go_sum,
    "Gemfile.lock": locklines.bundler,
    "gems.locked": locklines.bundler,
}
