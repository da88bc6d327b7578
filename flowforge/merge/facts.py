"""Facts about known documents: how a manifest's versions are ordered, and which of its lists are sets of packages."""

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import PurePosixPath

from flowforge.hooks.contracts import Language
from flowforge.merge.doubt import Doubt
from flowforge.merge.versions import larger, order_of, went_back

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*([^;]*)(;.*)?", re.DOTALL)
_SETS: dict[str, tuple[tuple[str, ...], ...]] = {  # "*" stands for any one word
    "pyproject.toml": (
        ("build-system", "requires"),
        ("project", "dependencies"),
        ("project", "optional-dependencies", "*"),
        ("dependency-groups", "*"),
    ),
    "setup.cfg": (
        ("options", "install_requires"),
        ("options", "setup_requires"),
        ("options", "tests_require"),
        ("options.extras_require", "*"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known about a document beside its text."""

    path: str
    language: Language

    def choose(self, base: bytes | None, upstream: bytes, commit: bytes) -> bytes | None:
        """The value that stands where both sides changed or added it: the larger version in a known manifest."""
        one, two = (side.decode("utf-8", "replace") for side in (upstream, commit))
        kept = self.choose_text(None if base is None else base.decode("utf-8", "replace"), one, two)
        return None if kept is None else kept.encode()

    def choose_text(self, base: str | None, upstream: str, commit: str) -> str | None:
        order = order_of(self.path)
        return None if order is None else larger(base, upstream, commit, order)

    def item_key(self, path: tuple[str, ...]) -> Callable[[str], Hashable] | None:
        """How the items of the list at `path` are told apart, where it is a set of packages."""
        rows = _SETS.get(PurePosixPath(self.path).name, ())
        known = any(
            len(row) == len(path) and all(b in {a, "*"} for a, b in zip(path, row, strict=True))
            for row in rows
        )
        return requirement_key if known else None


def requirement_key(text: str) -> Hashable:
    """What a requirement is about: the package by its normal name, the extras, and where it is wanted."""
    found = _REQUIREMENT.fullmatch(text)
    if not found:
        return text.strip()
    name = re.sub(r"[-_.]+", "-", found.group(1)).lower()
    return (name, found.group(2) or "", " ".join((found.group(4) or "").split()))


def check_forward(base: bytes, new: bytes, name: str) -> None:
    """A version that went back is a decision of its time, seldom one of the merge's: people undid it.

    Raises:
        Doubt: `went_back`.
    """
    if went_back(base.decode("utf-8", "replace"), new.decode("utf-8", "replace")):
        raise Doubt("went_back", f"one side put {name} back to an earlier version")
