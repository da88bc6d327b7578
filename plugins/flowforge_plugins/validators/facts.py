"""What a source file declares and uses, in one form for every language, and what a merge broke of it.

The rule of all these checks: what stands in a parent already is no finding. A name that one side uses and nobody
defines, a definition that stood twice, an import that nothing used: the merge is not to blame for it.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from flowforge.plugin import CheckedFile, Finding, Level, split_lines


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A name that a file gives a meaning."""

    name: str
    kind: str  # import | function | class | method | variable | parameter
    line: int
    text: bytes = b""  # the whole definition, by which a rename is told
    top: bool = False  # at file level


@dataclass(frozen=True, kw_only=True)
class Doubled:
    """A definition that stands twice in one place of one text."""

    key: str  # its name with those of what it stands in
    line: int  # of the last one
    certain: bool  # whether the language refuses it


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """A call whose arguments the called function's parameters cannot take."""

    name: str
    shape: str  # of the arguments: the same call in another version has the same one
    line: int
    why: str
    defined: int  # line of the function
    certain: bool = True


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One version of a file. Lines are 1-based, and the first of several."""

    declared: Sequence[Declared] = ()
    unresolved: Mapping[str, int] = field(default_factory=dict)  # used, declared nowhere in reach -> line
    unused: Mapping[str, int] = field(default_factory=dict)  # imported, and used nowhere -> line
    doubled: Sequence[Doubled] = ()
    misfits: Sequence[Misfit] = ()
    open: bool = False  # a wildcard import or a base class: names may come from elsewhere

    @cached_property
    def names(self) -> Mapping[str, Declared]:
        """The first declaration of each name."""
        found: dict[str, Declared] = {}
        for declared in self.declared:
            found.setdefault(declared.name, declared)
        return found


FactsOf = Callable[[bytes], Facts | None]  # None: the text does not parse, or is too large
Certain = Callable[[Declared, Facts], bool]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Where a language is strict."""

    facts: FactsOf
    lost: Certain  # whether a name that was declared so, and is no more, is certain to break
    unused: Level = Level.WARNING  # Go refuses an import that nothing uses
    invented: Level = Level.WARNING  # a name that no side declared or used


@dataclass(frozen=True, kw_only=True)
class Versions:
    """A file's facts in the result and in all its parents."""

    file: CheckedFile
    result: Facts
    base: Facts
    sides: Mapping[str, Facts]  # "upstream" and "the commit", where they have the file


def broken(file: CheckedFile, rules: Rules) -> Iterator[Finding]:
    """What the merge broke in one file: nothing where the result is a side's own text, or a side does not parse."""
    versions = versions_of(file, rules.facts)
    if versions is None:
        return
    yield from _lost(versions, rules)
    yield from _unused(versions, rules)
    yield from _doubled(versions)
    yield from _misfits(versions)


def versions_of(file: CheckedFile, facts: FactsOf) -> Versions | None:
    if file.text in {file.upstream, file.commit}:
        return None
    result = facts(file.text)
    if result is None:
        return None
    stirred = _stirred(file)
    result = replace(
        result,
        unresolved={name: line for name, line in result.unresolved.items() if _within(name, stirred)},
        unused={name: line for name, line in result.unused.items() if _within(name, stirred)},
    )
    if not (result.unresolved or result.unused or result.doubled or result.misfits):
        return None  # most files end here, and cost one reading
    sides = {}
    for who, text in (("upstream", file.upstream), ("the commit", file.commit)):
        if text is not None:
            found = facts(text)
            if found is None:
                return None
            sides[who] = found
    base = facts(file.base) if file.base is not None else None
    return Versions(file=file, result=result, base=base or Facts(), sides=sides)


def _stirred(file: CheckedFile) -> set[bytes]:
    """Words of lines that a side had and the result has not, and words that no side had.

    A name is lost with the line that declared it, an import is left unused with the lines that used it.
    """
    sides = [side for side in (file.upstream, file.commit) if side is not None]
    lines = set(split_lines(file.text))
    gone = b"\n".join(line for side in sides for line in set(split_lines(side)) - lines)
    known = set().union(*(set(split_lines(side)) for side in sides))
    words = {word for side in sides for word in _WORD.findall(side)}
    new = set(_WORD.findall(b"\n".join(lines - known))) - words
    return set(_WORD.findall(gone)) | new


def _within(name: str, stirred: set[bytes]) -> bool:
    return any(word in stirred for word in _WORD.findall(name.encode()))


_WORD = re.compile(rb"[\w$\x80-\xff]+")


def _lost(versions: Versions, rules: Rules) -> Iterator[Finding]:
    for name, line in sorted(versions.result.unresolved.items(), key=lambda item: item[1]):
        if any(name in side.unresolved for side in versions.sides.values()):
            continue
        had = [side.names[name] for side in versions.sides.values() if name in side.names]
        if not had:
            message = f"the name {shown(name)} is used but defined nowhere, and no side had it"
            yield told(versions.file, "lost-name", rules.invented, message, line)
            continue
        level = Level.ERROR if all(rules.lost(one, versions.result) for one in had) else Level.WARNING
        message = f"{shown(name)} is used but no longer defined: {cause(name, versions)}"
        yield told(versions.file, "lost-name", level, message, line)


def cause(name: str, versions: Versions) -> str:
    """Which side took the definition of `name` away, with the lines of both sides."""
    had = {who: side.names[name] for who, side in versions.sides.items() if name in side.names}
    before = versions.base.names.get(name)
    gone = [who for who in versions.sides if who not in had]
    if before is None or not gone:
        where = " and ".join(f"{who} defines it at its line {found.line}" for who, found in had.items())
        return f"{where}, and the merge lost that"
    who = gone[0]
    new = renamed(before, versions.base, versions.sides[who])
    did = f"renamed it to {shown(new.name)} at its line {new.line}" if new else "removed it"
    kept = "".join(f", {other} still has it at its line {found.line}" for other, found in had.items())
    return f"{who} {did} (line {before.line} of the base){kept}"


def renamed(before: Declared, base: Facts, side: Facts) -> Declared | None:
    """The declaration that `side` has in the place of `before`: new there, of the same kind, nearly the same text."""
    if not before.text or before.kind == "import":
        return None
    fresh = [
        one
        for one in side.declared
        if one.name not in base.names and one.kind == before.kind and one.top == before.top and one.text
    ]
    likeness = [(_alike(before, one), one) for one in fresh[:_MOST_TWINS]]
    best = max(likeness, key=lambda pair: pair[0], default=(0.0, before))
    return best[1] if best[0] >= _RENAMED else None


_RENAMED, _MOST_TWINS = 0.8, 20


def _alike(one: Declared, other: Declared) -> float:
    old, new = (_words(found) for found in (one, other))
    return difflib.SequenceMatcher(None, old, new, autojunk=False).ratio()


def _words(declared: Declared) -> list[bytes]:
    """The words of a definition with its own name left out."""
    name = declared.name.removesuffix("()").rpartition(".")[2].encode()
    return declared.text[:_LONGEST].replace(name, b" ").split()


_LONGEST = 4000  # bytes of a definition that are compared


def _unused(versions: Versions, rules: Rules) -> Iterator[Finding]:
    for name, line in versions.result.unused.items():
        if any(name in side.unused for side in versions.sides.values()):
            continue
        users = [who for who, side in versions.sides.items() if name in side.names]
        if not users:
            continue
        message = f"the import {shown(name)} is used no more; {' and '.join(users)} used it"
        yield told(versions.file, "unused-import", rules.unused, message, line)


def _doubled(versions: Versions) -> Iterator[Finding]:
    known = {doubled.key for side in versions.sides.values() for doubled in side.doubled}
    for doubled in versions.result.doubled:
        if doubled.key in known:
            continue
        name = doubled.key.rpartition("/")[2]
        lines = [
            f"{who} at its line {side.names[name].line}"
            for who, side in versions.sides.items()
            if name in side.names
        ]
        where = f" ({' and '.join(lines)})" if lines else ""
        message = f"{shown(name)} is defined twice, as in no side{where}"
        level = Level.ERROR if doubled.certain else Level.WARNING
        yield told(versions.file, "double-definition", level, message, doubled.line)


def _misfits(versions: Versions) -> Iterator[Finding]:
    known = {(misfit.name, misfit.shape) for side in versions.sides.values() for misfit in side.misfits}
    for misfit in versions.result.misfits:
        if (misfit.name, misfit.shape) in known:
            continue
        level = Level.ERROR if misfit.certain else Level.WARNING
        changed = _changed(misfit.name, versions)
        message = f"this call does not fit {shown(misfit.name)}, defined at line {misfit.defined}: {misfit.why}{changed}"
        yield told(versions.file, "misfit-call", level, message, misfit.line)


def _changed(name: str, versions: Versions) -> str:
    before = versions.base.names.get(name)
    if before is None:
        return ""
    heads = {who: side.names[name] for who, side in versions.sides.items() if name in side.names}
    changers = [
        f"{who} changed it at its line {one.line}" for who, one in heads.items() if one.text != before.text
    ]
    return f"; {' and '.join(changers)}" if changers else ""


def shown(name: str) -> str:
    return repr(name.rpartition("/")[2])


def told(file: CheckedFile, rule: str, level: Level, message: str, line: int) -> Finding:
    return Finding(rule=rule, level=level, message=message, path=file.path, start=line, end=line)
