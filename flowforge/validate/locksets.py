"""The entries of one version of a lockfile, by what a comparison looks them up with."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from flowforge.merge.locklines import Pin

Package = tuple[str, str]  # name, version
Needy = tuple[str, str, str]  # name, version ("" of the repository's own), place


@dataclass(frozen=True, kw_only=True)
class LockSet:
    """All that one version of a lockfile pins."""

    pins: Sequence[Pin]

    @cached_property
    def versions(self) -> Mapping[str, frozenset[str]]:
        found = defaultdict(set)
        for pin in self.pins:
            if pin.name:
                found[pin.name].add(pin.version)
        return {name: frozenset(versions) for name, versions in found.items()}

    @cached_property
    def hashes(self) -> Mapping[Package, frozenset[str]]:
        """Of packages that come from elsewhere."""
        found: dict[Package, set[str]] = defaultdict(set)
        for pin in self.pins:
            if pin.name and not pin.own:
                found[pin.name, pin.version] |= pin.hashes
        return {package: frozenset(hashes) for package, hashes in found.items()}

    @cached_property
    def all_hashes(self) -> frozenset[str]:
        return frozenset().union(*self.hashes.values())

    @cached_property
    def needs(self) -> Mapping[Needy, frozenset[str]]:
        found: dict[Needy, set[str]] = defaultdict(set)
        for pin in self.pins:
            found[pin.name, "" if pin.own else pin.version, pin.place].update(pin.needs)
        return {needy: frozenset(needs) for needy, needs in found.items()}

    @cached_property
    def offers(self) -> frozenset[str]:
        return frozenset(offer for pin in self.pins for offer in pin.offers)

    @cached_property
    def keys(self) -> Counter[str]:
        return Counter(key for pin in self.pins for key in pin.keys)

    @cached_property
    def own(self) -> frozenset[str]:
        return frozenset(pin.name for pin in self.pins if pin.own)

    def has(self, need: str) -> bool:
        """By the words of an entry, or by a bare name as manifests write it."""
        return need in self.offers or need in self.versions


def line_of(lines: Sequence[str], name: str, version: str = "") -> int:
    """Where an entry stands, 1-based: its name with its version near, else the first line that has the name, else 1."""
    if not name:
        return 1
    word = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", re.IGNORECASE)
    found = [at for at, line in enumerate(lines) if name.lower() in line.lower() and word.search(line)]
    near = [at for at in found if version and any(version in line for line in lines[at : at + 3])]
    return next(iter([*near, *found]), 0) + 1
