"""Whether what a tool wrote may stand for a lockfile that both sides changed: package sets, compared with the parents.

The tool began with one side's lockfile (upstream's, at first) and the merged manifests. It may have added what nobody had, and then its
answer is a proposal; it may not have lost what a manifest names, gone below both sides, or dropped what one side
alone had changed. Pure; texts are untrusted, so it is called where a hang can be cut.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from flowforge.core.conflict import Abstain, Candidate, Side, WholeAnswer
from flowforge.merge.lockfiles import Locked, form_of, read_locked
from flowforge.merge.manifests import read_named
from flowforge.merge.releases import below, highest

RUNG: Final = "lockfile"
KNOWN: Final = "packages of the sides"
NEW: Final = "packages that no side has"
CHANGE_LOST: Final = "change_lost"
_SHOWN = 3  # packages that a sentence names
_NAME = 80  # characters of a name that a sentence repeats


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a tool made of a lockfile, and what it is judged by. Texts are whole files."""

    path: str
    program: str
    base: bytes | None  # None where both sides added the file
    upstream: bytes
    commit: bytes
    result: bytes
    ground: Side = Side.UPSTREAM  # whose lockfile the tool began with
    mode: str = "100644"
    manifests: Mapping[str, bytes] = field(default_factory=dict)  # path -> as merged, before the tool ran
    touched: tuple[str, ...] = ()  # manifests that the tool changed too; that was not taken


@dataclass(frozen=True, kw_only=True)
class _Sets:
    base: Locked
    upstream: Locked
    commit: Locked
    result: Locked
    ground: Side

    @property
    def parents(self) -> tuple[Locked, Locked]:
        return self.upstream, self.commit

    @property
    def own(self) -> frozenset[str]:
        return self.upstream.own | self.commit.own | self.result.own


def judge(made: Made) -> Candidate | Abstain:
    """The answer for the whole lockfile, or why a person must look: a typed word and a sentence.

    Words: lock_unreadable, manifest_unreadable, form_changed, lock_empty, package_lost, version_lowered, change_lost.
    """
    sets = _read(made)
    if isinstance(sets, Abstain):
        return sets
    named, other = _named(made), _other_form(made)
    if isinstance(named, Abstain):
        return named
    if other is not None:
        return other
    for check in (_emptied, _lost, _lowered, _dropped):
        wrong = check(sets, named)
        if wrong is not None:
            return Abstain(
                why=wrong.why, sentence=f"what {made.program} wrote for {made.path!r} {wrong.sentence}"
            )
    return Candidate(whole=_answer(made, sets))


def _read(made: Made) -> _Sets | Abstain:
    read = {}
    texts = {"upstream": made.upstream, "commit": made.commit, "result": made.result, "base": made.base}
    for side, text in texts.items():
        locked = Locked(packages={}) if text is None else read_locked(made.path, text)
        if isinstance(locked, Abstain):
            whose = f"what {made.program} wrote" if side == "result" else f"the version of {side}"
            return Abstain(why=locked.why, sentence=f"{whose}: {locked.sentence}")
        read[side] = locked
    return _Sets(**read, ground=made.ground)


def _named(made: Made) -> frozenset[str] | Abstain:
    """What the manifests name. One below that cannot be read is no member: the tool would not have got past it."""
    names: set[str] = set()
    folder = made.path.rpartition("/")[0]
    for path, text in made.manifests.items():
        found = read_named(path, text)
        if isinstance(found, frozenset):
            names |= found
        elif path.rpartition("/")[0] == folder:
            return found
    return frozenset(names)


def _other_form(made: Made) -> Abstain | None:
    """Another generation of the tool writes every line anew, and the repository's own may not read it."""
    forms = {form_of(made.path, text) for text in (made.upstream, made.commit)}
    form = form_of(made.path, made.result)
    if form in forms:
        return None
    had = " and ".join(sorted(known or "none" for known in forms))
    return Abstain(
        why="form_changed",
        sentence=f"what {made.program} wrote for {made.path!r} is in form {form or 'none'}, and the sides have {had}: "
        f"let commands see the version of {made.program} that the repository uses",
    )


def _emptied(sets: _Sets, _named: frozenset[str]) -> Abstain | None:
    if sets.result.packages or not (sets.upstream.packages and sets.commit.packages):
        return None
    return Abstain(why="lock_empty", sentence="holds no package, though both sides have some")


def _lost(sets: _Sets, named: frozenset[str]) -> Abstain | None:
    """Packages that the merged manifests name and a side has locked."""
    had = set(sets.upstream.packages) | set(sets.commit.packages)
    gone = sorted((had & named) - set(sets.result.packages))
    if not gone:
        return None
    return Abstain(why="package_lost", sentence=f"lacks {_listed(gone)}, which the merged manifest names")


def _lowered(sets: _Sets, _named: frozenset[str]) -> Abstain | None:
    """Packages that are older now than on every side that has them."""
    gone = []
    for name, versions in _foreign(sets):
        tops = [_top(parent, name) for parent in sets.parents if name in parent.packages]
        if tops and all(below(highest(versions), top) for top in tops):
            gone.append(name)
    if not gone:
        return None
    return Abstain(why="version_lowered", sentence=f"has {_listed(gone)} in a lower version than both sides")


def _dropped(sets: _Sets, _named: frozenset[str]) -> Abstain | None:
    """Changes that are not there: of the side that the tool did not begin with, then of the other one alone."""
    sides = [(Side.COMMIT, sets.commit, sets.upstream), (Side.UPSTREAM, sets.upstream, sets.commit)]
    for side, locked, other in sides if sets.ground is Side.UPSTREAM else sides[::-1]:
        names = sorted(_undone(sets, locked, other, alone=side is sets.ground))
        if names:
            said = f"does not have what {side} changed in {_listed(names)}"
            return Abstain(why=CHANGE_LOST, sentence=said)
    return None


def _undone(sets: _Sets, side: Locked, other: Locked, *, alone: bool) -> Iterator[str]:
    """Packages that `side` has changed and the result has as if it had not, or lower.

    `alone`: only those that the other side left as they were; the tool began with this side's versions, so that a
    lower one there is a limit of the other's manifest.
    """
    for name, versions in side.packages.items():
        old = sets.base.packages.get(name)
        left = other.packages.get(name) == old
        both_new = old is None and name in other.packages  # either's version will do
        now = sets.result.packages.get(name)
        # the other side took it out, and no manifest names it: nothing needs it any more
        unneeded = now is None and old is not None and name not in other.packages
        if name in sets.own or versions == old or both_new or unneeded or (alone and not left):
            continue
        if now is None or (now == old and left) or below(highest(now), highest(versions)):
            yield name


def _foreign(sets: _Sets) -> Iterator[tuple[str, frozenset[str]]]:
    """Packages of the result that are not the repository's own."""
    return (
        (name, versions) for name, versions in sorted(sets.result.packages.items()) if name not in sets.own
    )


def _top(locked: Locked, name: str) -> str:
    return highest(locked.packages.get(name, frozenset()))


def _answer(made: Made, sets: _Sets) -> WholeAnswer:
    new = [
        f"{name} {version}".strip()
        for name, versions in _foreign(sets)
        for version in sorted(versions)
        if not any(version in parent.packages.get(name, ()) for parent in sets.parents)
    ]
    count = len(sets.result.packages)
    source = "" if made.ground is Side.UPSTREAM else f" and the {made.ground}'s lockfile"
    why = f"{made.program} wrote it anew from the merged manifest{source}: {count} package{'s' * (count != 1)}, "
    why += f"{len(new)} as no side has them ({_listed(new)})" if new else "each as one of the sides has it"
    if made.touched:
        why += f"; it would change {_listed(made.touched)} too, which was not taken"
    return WholeAnswer(
        path=made.path,
        text=made.result,
        mode=made.mode,
        rung=RUNG,
        rule=rule_of(made.ground, new=bool(new)),
        why=why,
        confirmed=not new and not made.touched and bool(made.manifests),
    )


def rule_of(ground: Side, *, new: bool) -> str:
    """The rule as it is counted."""
    rule = NEW if new else KNOWN
    return rule if ground is Side.UPSTREAM else f"{rule}, from the {ground}'s lockfile"


def _listed(names: Sequence[str]) -> str:
    """The first of them; names come from files that anybody may have written."""
    shown = ", ".join(repr(name[:_NAME])[1:-1] for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
