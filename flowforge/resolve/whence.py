"""Where in a repository an import may lead: paths to look at, from what it says and where it stands. Pure.

No language's own rules are followed to the end: a path that is not there is simply not found, and what is found there
is looked through for the very names that are wanted.
"""

import posixpath
import re
from collections.abc import Iterator

_ROOTS = ("", "src", "lib", "include", "app")  # folders in which sources stand, seen from a repository's root
_QUOTED = re.compile(r"""^[<"'`](.*)[>"'`]$""")
_MOST = 12
_DEEPEST = 12  # words of what an import says


def places(source: str, path: str) -> tuple[str, ...]:
    """Paths without an ending, likeliest first, of files or folders that the import in the file `path` may mean."""
    said = _QUOTED.sub(r"\1", source.strip())
    stems = (posixpath.normpath(stem) for stem in _stems(said, path, quoted=said != source.strip()))
    found = dict.fromkeys(stem for stem in stems if stem != "." and not stem.startswith(("..", "/")))
    return tuple(found)[:_MOST]


def _stems(said: str, path: str, *, quoted: bool) -> Iterator[str]:
    folder = posixpath.dirname(path)
    if said.startswith(("./", "../")):
        yield posixpath.join(folder, said)
        return
    if not quoted and said.startswith("."):  # dots that lead upward, as in Python
        up = len(said) - len(said.lstrip("."))
        for _ in range(up - 1):
            folder = posixpath.dirname(folder)
        yield posixpath.join(folder, said.lstrip(".").replace(".", "/"))
        return
    parts = _parts(said, quoted=quoted)
    if parts:
        yield from _absolute(parts, folder, quoted=quoted)


def _parts(said: str, *, quoted: bool) -> list[str]:
    words = said.split("/") if quoted else re.split(r"::|\.|\\|/", said)
    words = [word for word in words if word and word not in {"crate", "self", "super"}]
    return words if len(words) <= _DEEPEST else []


def _absolute(parts: list[str], folder: str, *, quoted: bool) -> Iterator[str]:
    """Beside the importing file, below the folder that both have in common, and below the usual roots.

    The last word may be a name in the file rather than the file; the first ones may name the repository itself.
    """
    here = folder.split("/") if folder else []
    stems = ["/".join(parts)] + ([] if quoted or len(parts) == 1 else ["/".join(parts[:-1])])
    if parts[0] in here:
        root = "/".join(here[: here.index(parts[0])])
        yield from (posixpath.join(root, stem) for stem in stems)
    if quoted:
        yield posixpath.join(folder, stems[0])
        yield from ("/".join(parts[start:]) for start in range(1, min(len(parts), 5)))
    for stem in stems:
        yield from (posixpath.join(root, stem) for root in _ROOTS)
