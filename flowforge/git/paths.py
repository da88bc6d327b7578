"""Which paths and links of a tree are safe to put on a disk. Pure."""

import unicodedata
from collections.abc import Iterable, Mapping

_MAX_LINKS = 40  # as the kernel counts them
_MAX_PATH, _MAX_NAME = 4000, 255  # bytes
_IGNORED_ON_MAC = frozenset(
    "\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u206a\u206b\u206c\u206d\u206e\u206f\ufeff"
)


def path_problem(path: bytes) -> str:
    """Why a path of a tree must not be written; "" when it may."""
    if len(path) > _MAX_PATH or b"\0" in path:
        return "is too long"
    for name in path.split(b"/"):
        if name in {b"", b".", b".."}:
            return "leads elsewhere"
        if len(name) > _MAX_NAME:
            return "has a part that is too long"
        if is_git_name(name):
            return "would be read as git's own folder"
    return ""


def is_git_name(name: bytes) -> bool:
    """Whether some file system takes `name` for `.git`: capitals, ignored characters, 8.3 names, streams."""
    text = name.decode("utf-8", "replace")
    plain = "".join(c for c in unicodedata.normalize("NFC", text) if c not in _IGNORED_ON_MAC).lower()
    plain = plain.replace("\\", "/").rpartition("/")[2].partition(":")[0].rstrip(" .")
    return plain in {".git", "git~1"}


def leaves_tree(link: bytes, targets: Mapping[bytes, bytes]) -> bool:
    """Whether the symbolic link at path `link` points out of the tree, through other links of it if need be.

    `targets` maps the path of every link of the tree to its target. A loop, or a chain too long, leaves too.
    """
    steps = _parts(link)
    place: list[bytes] = []
    followed = 0
    while steps:
        name = steps.pop(0)
        if name == b"..":
            if not place:
                return True
            place.pop()
            continue
        place.append(name)
        target = targets.get(b"/".join(place))
        if target is None:
            continue
        followed += 1
        if target.startswith(b"/") or followed > _MAX_LINKS:
            return True
        place.pop()
        steps = _parts(target) + steps
    return False


def clashes(paths: Iterable[bytes]) -> tuple[tuple[bytes, bytes], ...]:
    """Pairs of paths that are one on a disk which ignores capitals or the form of accents."""
    seen: dict[str, bytes] = {}
    found = []
    for path in paths:
        folded = path.decode("utf-8", "surrogateescape")
        if not folded.isascii():
            folded = unicodedata.normalize("NFC", folded)
        other = seen.setdefault(folded.casefold(), path)
        if other != path:
            found.append((other, path))
    return tuple(found)


def _parts(path: bytes) -> list[bytes]:
    return [part for part in path.split(b"/") if part not in {b"", b"."}]
