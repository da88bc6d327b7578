"""Lockfiles that git merged as text, though both sides had changed them: whether the merge broke the package set.

Everything is held against both parents, and only what neither had is told: an entry that stands twice, a version of one
side with the hash of another, a package that is needed and went with what the other side removed, and a lockfile that
both sides made from their manifests and the merge did not. What FlowForge had a tool write is that tool's word, and is
not looked at.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from flowforge.core.conflict import Abstain, split_lines
from flowforge.core.verdict import Finding, Level
from flowforge.hooks.contracts import CheckedFile, Neighbour
from flowforge.merge.lockfiles import read_pins
from flowforge.merge.lockroots import fits
from flowforge.merge.manifests import made_from, read_named
from flowforge.validate.locksets import LockSet, Package, line_of

_SHOWN = 20  # findings of one rule
_NAME = 80  # characters of a name that a sentence repeats
_ONE_VERSION = frozenset({"uv", "poetry", "pip-compile", "bundle", "composer"})  # of a package, as a rule
_WHO = ("upstream", "the commit")
_FORGIVEN = frozenset({"composer"})  # installs from a lockfile of another manifest, and says so


def check(file: CheckedFile) -> Iterator[Finding]:
    """Findings of a merged lockfile; none where a side has no such file, or one that cannot be read."""
    made = made_from(file.path, file.text)
    if made is None or file.upstream is None or file.commit is None or _settled(file):
        return
    program, names = made
    upstream, commit, result = (
        read_pins(file.path, text) for text in (file.upstream, file.commit, file.text)
    )
    if isinstance(upstream, Abstain) or isinstance(commit, Abstain):
        return
    if isinstance(result, Abstain):
        message = f"{result.sentence}, though both sides' versions can be read; {_next(program)}"
        yield Finding(rule="broken-lock", level=Level.ERROR, message=message, path=file.path)
        return
    parents = LockSet(pins=upstream), LockSet(pins=commit)
    manifests = tuple(one for one in file.related if one.path in names)
    yield from _Merge(
        file=file, program=program, manifests=manifests, parents=parents, result=LockSet(pins=result)
    ).findings()


def manifests_beside(files: Sequence[Neighbour]) -> dict[str, tuple[Neighbour, ...]]:
    """For each lockfile that a side changed, the manifests it may be made from that a side changed too, if any.

    `files` are all that a side changed since the merge base, as far as they are compared.
    """
    known = {file.path: file for file in files}
    found = {}
    for file in files:
        made = made_from(file.path, file.text) if file.text is not None else None
        manifests = [known[path] for path in made[1] if path in known] if made is not None else []
        if manifests:
            found[file.path] = tuple(manifests)
    return found


def _settled(file: CheckedFile) -> bool:
    """Whether nothing was merged here: one side's version beside its own manifest, or a text put there as a whole."""
    whole = ((1, len(split_lines(file.text))),) == file.resolved
    return whole or (not file.related and file.text in (file.upstream, file.commit))


def _next(program: str) -> str:
    return f"write it anew with {program} (in a pipeline: by the rung `lockfile`), not by hand"


@dataclass(frozen=True, kw_only=True)
class _Merge:
    """One merged lockfile and its parents, upstream's first."""

    file: CheckedFile
    program: str
    manifests: Sequence[Neighbour]  # that a side changed
    parents: tuple[LockSet, LockSet]
    result: LockSet

    def findings(self) -> Iterator[Finding]:
        missing = dict([*self._unneeded_gone(), *self._unlocked()])
        certain = (self._doubled(), self._mixed(), self._hashed(), missing.values())
        for found in certain:
            yield from islice(found, _SHOWN)
        yield from self._stale()
        yield from self._summed("foreign-package", "neither side has {}", self._foreign())
        yield from self._summed("lost-package", "both sides have {}, and it is not here", self._lost(missing))

    @cached_property
    def _lines(self) -> Sequence[str]:
        return self.file.text.decode("utf-8", "replace").split("\n")

    @cached_property
    def _own(self) -> frozenset[str]:
        return self.result.own.union(*(parent.own for parent in self.parents))

    def _told(self, rule: str, level: Level, what: str, name: str, version: str = "") -> Finding:
        line = line_of(self._lines, name, version)
        message = f"{what}; {_next(self.program)}"
        return Finding(rule=rule, level=level, message=message, path=self.file.path, start=line, end=line)

    def _summed(self, rule: str, words: str, packages: Iterable[Package]) -> Iterator[Finding]:
        """One warning for all that a tool, or a person, may have meant."""
        found = list(packages)
        if found:
            more = f" (and {len(found) - 1} more such)" if len(found) > 1 else ""
            yield self._told(rule, Level.WARNING, words.format(_shown(*found[0])) + more, *found[0])

    def _doubled(self) -> Iterator[Finding]:
        one, two = self.parents
        twice = {
            key for key, times in self.result.keys.items() if times > max(1, one.keys[key], two.keys[key])
        }
        for pin in self.result.pins:
            if not twice.isdisjoint(pin.keys):
                twice.difference_update(pin.keys)
                what = f"{_shown(pin.name, pin.version)} stands here more often than on either side"
                yield self._told("double-package", Level.ERROR, what, pin.name, pin.version)
        if self.program not in _ONE_VERSION:
            return
        for name, versions in self.result.versions.items():
            before = [len(parent.versions.get(name, ())) for parent in self.parents]
            if name not in self._own and len(versions) > max(1, *before):
                what = (
                    f"{_shown(name)} is here in versions {', '.join(sorted(versions))}, on each side in one"
                )
                yield self._told("double-package", Level.ERROR, what, name)

    def _foreign(self) -> Iterator[Package]:
        """Versions that no side has. A tool may have brought them in an earlier commit of the branch."""
        return (package for package in self._unknown if not self._mix(package))

    def _mixed(self) -> Iterator[Finding]:
        """Versions that no side has, with a hash that a side has for something else."""
        for package in filter(self._mix, self._unknown):
            what = f"neither side has {_shown(*package)}, and its hash is that of another package there"
            yield self._told("mixed-package", Level.ERROR, what, *package)

    @cached_property
    def _unknown(self) -> Sequence[Package]:
        foreign = [package for package in self.result.hashes if package[0] not in self._own]
        return [
            (name, version)
            for name, version in foreign
            if not any(version in parent.versions.get(name, ()) for parent in self.parents)
        ]

    def _mix(self, package: Package) -> bool:
        return any(self.result.hashes[package] & parent.all_hashes for parent in self.parents)

    def _hashed(self) -> Iterator[Finding]:
        """Packages that a side has, with other hashes than there."""
        for package, hashes in self.result.hashes.items():
            before = [parent.hashes[package] for parent in self.parents if package in parent.hashes]
            if not before or package[0] in self._own:
                continue
            if not hashes <= frozenset().union(*before):
                what = "has a hash that no side has for it"
            elif len(hashes) > 1 == max(map(len, before)):
                what = "has two hashes, each of one side: what was published was exchanged"
            else:
                continue
            yield self._told("wrong-hash", Level.ERROR, f"{_shown(*package)} {what}", *package)

    def _unneeded_gone(self) -> Iterator[tuple[str, Finding]]:
        """What an entry needs and one side took out, since nothing needed it there."""
        for needy, needs in self.result.needs.items():
            name, version, place = needy
            for need in sorted(needs - self.result.offers):
                having = self._having(need, [need in parent.needs.get(needy, ()) for parent in self.parents])
                if having:
                    who = _shown(name, version) if name else f"{_cut(place)!r}"
                    several = len(self.result.versions.get(need, ())) > 1
                    how = "of which several are here" if several else "which is not here"
                    what = f"{who} needs {_cut(need)}, {how}; with {having} it is right"
                    yield need, self._told("missing-package", Level.ERROR, what, name, version)

    def _unlocked(self) -> Iterator[tuple[str, Finding]]:
        """What a merged manifest names."""
        for manifest in self.manifests:
            versions = (manifest.upstream, manifest.commit, manifest.text)
            *sides, merged = (_named(manifest.path, text) for text in versions)
            for name in sorted(name for name in merged if not self.result.has(name)):
                having = self._having(name, [name in named for named in sides])
                if having:
                    what = f"{manifest.path!r} names {_cut(name)}, which is locked with {having} and not here"
                    yield name, self._told("missing-package", Level.ERROR, what, name)

    def _having(self, need: str, wanted: Sequence[bool]) -> str:
        """The sides that have a need, if each of them has what is needed too; "" where that is not so."""
        sides = [(who, one) for who, one, wants in zip(_WHO, self.parents, wanted, strict=True) if wants]
        if not all(one.has(need) for _, one in sides):
            return ""
        return " and ".join(who for who, _ in sides)

    def _lost(self, missing: Iterable[str]) -> Iterator[Package]:
        """Packages that both sides have, where nothing that needs them has been told already."""
        one, two = self.parents
        skipped = {*self._own, *missing}
        for name in sorted((one.versions.keys() & two.versions.keys()) - skipped):
            agreed = one.versions[name] & two.versions[name]
            there = self.result.versions.get(name, frozenset())
            if agreed - there or not there:
                yield name, ", ".join(sorted(agreed - there))

    def _stale(self) -> Iterator[Finding]:
        for manifest in self.manifests:
            locks = (self.file.upstream, self.file.commit, self.file.text)
            texts = (manifest.upstream, manifest.commit, manifest.text)
            told = [
                fits(self.file.path, lock or b"", manifest.path, text or b"")
                for lock, text in zip(locks, texts, strict=True)
            ]
            if told == [True, True, False]:
                level = Level.WARNING if self.program in _FORGIVEN else Level.ERROR
                what = f"it does not fit {manifest.path!r} as it was merged, and each side's fits its own"
                yield self._told("stale-lock", level, what, "content-hash")


def _named(path: str, text: bytes | None) -> frozenset[str]:
    found = read_named(path, text) if text is not None else frozenset()
    return frozenset() if isinstance(found, Abstain) else found


def _shown(name: str, version: str = "") -> str:
    return f"{_cut(name)} {_cut(version)}".strip()


def _cut(text: str) -> str:
    """Names come from files that anybody may have written."""
    return repr(text[:_NAME])[1:-1]
