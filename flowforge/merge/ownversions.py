"""Whether a version in a manifest is the project's own: it is raised by a release, not by a need."""

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

HEAD = 1 << 14  # bytes at a manifest's beginning, among which a project says its own version
_KEY = re.compile(rb"""["']?version["']?\s*[:=(]|version\s+["']""")
_TABLE = re.compile(rb"^\s*\[+\s*([^\]\r\n]+?)\s*\]+", re.MULTILINE)
_TABLES = frozenset(
    {b"project", b"package", b"workspace.package", b"tool.poetry", b"metadata", b"tool.flit.metadata"}
)
_TAG = re.compile(rb"""<!--.*?-->|<(/?)([\w.:-]+)(?:[^<>"']|"[^"]*"|'[^']*')*?(/?)>""", re.DOTALL)
_ELEMENT = re.compile(rb"<(version|Version|VersionPrefix|AssemblyVersion|FileVersion)>")


def is_own(path: str, before: bytes, text: bytes) -> bool:
    """Whether `text`, which stands behind `before` in the manifest at `path`, begins with the project's version."""
    if len(before) > HEAD:
        return False
    name = PurePosixPath(path).name
    read = _READERS.get(name) or _READERS.get(PurePosixPath(name).suffix)
    return read is not None and read(before, text.lstrip())


def _first_key(before: bytes, text: bytes) -> bool:
    """One object or block deep at most, so that a dependency's version is not taken for it."""
    return _KEY.match(text) is not None and before.count(b"{") - before.count(b"}") <= 1


def _of_table(before: bytes, text: bytes) -> bool:
    tables = _TABLE.findall(before)
    return _KEY.match(text) is not None and bool(tables) and tables[-1] in _TABLES


def _of_element(before: bytes, text: bytes) -> bool:
    if not _ELEMENT.match(text):
        return False
    opened: list[bytes] = []
    for found in _TAG.finditer(before):
        closing, tag, single = found.groups()
        if closing and opened:
            opened.pop()
        elif tag and not single and not closing:
            opened.append(tag)
    return bool(opened) and opened[-1] in {b"project", b"parent", b"PropertyGroup"}


_READERS: Mapping[str, Callable[[bytes, bytes], bool]] = {
    "package.json": _first_key,
    "composer.json": _first_key,
    "gradle.properties": _first_key,
    "setup.py": _first_key,
    ".gradle": _first_key,
    ".kts": _first_key,
    ".toml": _of_table,
    "setup.cfg": _of_table,
    ".xml": _of_element,
    ".csproj": _of_element,
    ".props": _of_element,
}
