"""Changelogs: the entries and releases of both sides, in the order that the file itself has.

A changelog is a row of releases, a release a row of sections, a section a row of entries. Rows are merged by
place: what both sides put between the same neighbours is kept once where it is the same, and joined where it is
not: releases in the file's order (by version or by day, newest first or last), entries upstream's first. A release
whose day one side set while the other added to it, an entry that both reworded, and an order that cannot be told
are a person's.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rapidfuzz import fuzz

from flowforge.core.conflict import Abstain, Candidate, Conflict, Hunk, HunkAnswer, split_lines
from flowforge.hooks.contracts import ResolveContext
from flowforge.merge.blocks import Place
from flowforge.merge.documents import check_line_ends, touched
from flowforge.merge.doubt import Doubt
from flowforge.merge.lines import match
from flowforge.merge.losses import check_losses
from flowforge.merge.releaselog import Entry, Release, Section, order_of, read_log
from flowforge.merge.sides import hunk_texts, texts_of

RUNG = "mechanical"
ENTRIES, RELEASES, PLACES = "entries of a release", "changelog releases", "changelog places"
OPEN = "changelog releases, one without a number"
_WHY = {
    OPEN: "both sides added releases, one of them without a number yet; all are kept",
    ENTRIES: "both sides added entries; both are kept, upstream's first",
    RELEASES: "both sides added releases; all are kept, in the order that the file has",
    PLACES: "the sides changed different entries or releases; both changes are kept",
}
_ALIKE = 75  # of 100: an entry that is so like another one is the same, reworded


def resolve(
    conflict: Conflict, context: ResolveContext, *, clock: Callable[[], float] = time.monotonic
) -> Candidate | Abstain:
    """Answer the hunks of a changelog that can be merged by release and entry without a doubt.

    Abstains with a typed word: too_large, line_ends, out_of_time, reworded, same_entry, moved_date,
    deleted_and_changed, order, layout.
    """
    end = clock() + context.deadline

    def tick() -> None:
        if clock() > end:
            raise Doubt("out_of_time", "the changelog is too large for its time limit")

    try:
        return _resolve(conflict, tick)
    except Doubt as doubt:
        return doubt.abstain()


def _resolve(conflict: Conflict, tick: Callable[[], None]) -> Candidate | Abstain:
    texts = texts_of(conflict)
    check_line_ends(texts.texts)
    base, upstream, commit = (read_log(text) for text in texts.texts)
    tick()
    log = _Log(tick=tick)
    result = log.releases(base, upstream, commit)
    open_ = touched(conflict, texts, log.open)
    if log.open and len(open_) == len(conflict.hunks):
        return (log.open[0].doubt or Doubt("same_entry", "a release cannot be merged")).abstain()
    answers = hunk_texts(conflict.segments, result, one_way=bool(log.open))
    rules = {rule: touched(conflict, texts, places) for rule, places in log.used.items()}
    return Candidate(
        answers=tuple(
            _answer(hunk, text, rules)
            for hunk, text in zip(conflict.hunks, answers, strict=True)
            if hunk.index not in open_
        )
    )


def _answer(hunk: Hunk, text: bytes, rules: dict[str, set[int]]) -> HunkAnswer:
    rule = next((rule for rule, hunks in rules.items() if hunk.index in hunks), PLACES)
    _check_lines(hunk, text)
    check_losses(hunk, text)
    return HunkAnswer(index=hunk.index, text=text, rung=RUNG, rule=rule, why=_WHY[rule])


def _check_lines(hunk: Hunk, text: bytes) -> None:
    """No line that a side added may be missing, and none may be there that nobody wrote."""
    base, upstream, commit, merged = (
        {line.strip() for line in split_lines(part) if line.strip()}
        for part in (hunk.base, hunk.upstream, hunk.commit, text)
    )
    if not (upstream - base) | (commit - base) <= merged or not merged <= base | upstream | commit:
        raise Doubt("layout", "an entry or release would leave the place where its side put it")


_T = TypeVar("_T")


@dataclass(kw_only=True)
class _Rows(Generic[_T]):
    """Three rows by place: each item of base with its partners, and what each side put before it."""

    base: Sequence[_T]
    partners: tuple[dict[int, _T], dict[int, _T]]  # by place in base; missing = removed
    new: tuple[list[list[_T]], list[list[_T]]]  # by place in base that it stands before; the last: at the end


@dataclass(kw_only=True)
class _Log:
    tick: Callable[[], None]
    open: list[Place] = field(default_factory=list)
    used: dict[str, list[Place]] = field(default_factory=lambda: {OPEN: [], RELEASES: [], ENTRIES: []})

    def releases(
        self, base: Sequence[Release], upstream: Sequence[Release], commit: Sequence[Release]
    ) -> bytes:
        keys = [[release.key for release in row] for row in (base, upstream, commit)]
        if any(len(set(row)) != len(row) for row in keys):
            raise Doubt("duplicate", "a release stands twice")
        _check_moved(*keys)
        order = order_of(upstream)
        parts: list[bytes] = []
        rows = _rows(base, upstream, commit, lambda release: release.key, alike=False)
        for place in range(len(base) + 1):
            self.tick()
            parts += self._new_releases(rows.new[0][place], rows.new[1][place], order)
            if place < len(base):
                one, two = (partners.get(place) for partners in rows.partners)
                parts.append(self._release(base[place], one, two))
        return _parted(parts, upstream or commit)

    def _new_releases(
        self,
        upstream: Sequence[Release],
        commit: Sequence[Release],
        order: Callable[[Release, Release], bool | None],
    ) -> list[bytes]:
        """What both put at one place, in the file's order."""
        theirs = {release.key: release for release in commit}
        mine = {release.key for release in upstream}
        shared = [release.key for release in upstream if release.key in theirs]
        if [release.key for release in commit if release.key in mine] != shared:
            raise Doubt("order", "both sides added the same releases in different orders")
        todo = [release for release in commit if release.key not in mine]
        parts: list[bytes] = []
        if upstream and todo:
            _check_one_release(upstream, todo)
            rule = RELEASES if all(release.version for release in (*upstream, *todo)) else OPEN
            self.used[rule] += [_place(None, one, two) for one in upstream for two in todo]
        for release in upstream:
            while todo and order(todo[0], release):
                parts.append(todo.pop(0).text)
            twin = theirs.get(release.key)
            parts.append(release.text if twin is None else self._release(None, release, twin))
        return [*parts, *(release.text for release in todo)]

    def _release(self, base: Release | None, upstream: Release | None, commit: Release | None) -> bytes:
        if upstream is not None and commit is not None and upstream.text == commit.text:
            return upstream.text
        if base is not None and upstream is not None and base.text == upstream.text:
            return commit.text if commit else b""
        if base is not None and commit is not None and base.text == commit.text:
            return upstream.text if upstream else b""
        if upstream is None or commit is None:
            if base is None or upstream is commit:
                return b""
            name = base.name
            doubt = Doubt("deleted_and_changed", f"one side removed {name}, which the other changed")
        else:
            try:
                return self._merged(base, upstream, commit)
            except Doubt as found:
                doubt = found
        self.open.append(_place(base, upstream, commit, doubt))
        return upstream.text if upstream else b""

    def _merged(self, base: Release | None, upstream: Release, commit: Release) -> bytes:
        old = base or Release.empty(upstream.key)
        heads = [release.dated for release in (old, upstream, commit)]
        if base is None and heads[1] != heads[2]:
            raise Doubt("moved_date", f"both sides added {upstream.name}, under different headings")
        if base is not None and len(set(heads)) > 1:
            moved, other = (upstream, commit) if heads[1] != heads[0] else (commit, upstream)
            if heads[1] != heads[0] != heads[2] or other.entries != base.entries:
                raise Doubt("moved_date", f"one side dated {moved.name}, to which the other adds")
        head = upstream.head if heads[2] in {heads[0], heads[1]} else commit.head
        parts = [head]
        rows = _rows(old.sections, upstream.sections, commit.sections, lambda s: s.key, alike=False)
        place = _place(base, upstream, commit)
        for at in range(len(old.sections) + 1):
            mine, theirs = rows.new[0][at], rows.new[1][at]
            twins = {section.key: section for section in theirs}
            for section in mine:
                twin = twins.pop(section.key, None)
                empty = Section.empty(section.key)
                parts.append(self._section(empty, section, twin, place) if twin else section.text)
            parts += [section.text for section in twins.values()]
            if at < len(old.sections):
                one, two = (partners.get(at) for partners in rows.partners)
                parts.append(self._kept_section(old.sections[at], one, two, place))
        return b"".join(parts) + _kept(old.tail, upstream.tail, commit.tail)

    def _kept_section(self, base: Section, one: Section | None, two: Section | None, place: Place) -> bytes:
        if one is not None and two is not None:
            return self._section(base, one, two, place)
        kept = one or two
        if kept is None or kept.text.split() == base.text.split():
            return b""
        raise Doubt("deleted_and_changed", "one side removed a section that the other changed")

    def _section(self, base: Section, one: Section, two: Section, place: Place) -> bytes:
        rows = _rows(base.entries, one.entries, two.entries, lambda e: e.key, alike=True)
        kept: list[tuple[Entry, bool]] = []
        for at in range(len(base.entries) + 1):
            mine, theirs = rows.new[0][at], rows.new[1][at]
            if mine and theirs:
                self.used[ENTRIES].append(place)
            known = {entry.key for entry in mine}
            others = [entry for entry in theirs if entry.key not in known]
            _check_reworded(mine, others)
            kept += [(entry, True) for entry in mine] + [(entry, False) for entry in others]
            if at < len(base.entries):
                pair = (rows.partners[0].get(at), rows.partners[1].get(at))
                chosen = _chosen(base.entries[at], *pair)
                kept += [(chosen, chosen is pair[0])] if chosen else []
        _check_once([entry for entry, _ in kept])
        return _head(base, one, two) + _spaced(kept, base, one, two) + _kept(base.tail, one.tail, two.tail)


def _parted(parts: Sequence[bytes], releases: Sequence[Release]) -> bytes:
    """The releases with the blank lines between them that the file has; one that was the last had none."""
    texts = [part for part in parts if part]
    tails = [release.tail for release in releases[:-1] if release.key] or [b"\n"]
    usual = max(sorted(set(tails)), key=tails.count)
    for place, text in enumerate(texts[:-1]):
        if text.rstrip(b"\r\n") + text[len(text.rstrip(b"\r\n")) :][:1] == text and text.endswith(b"\n"):
            texts[place] = text + usual
    if texts and releases and not releases[-1].tail:
        last = texts[-1].rstrip(b"\r\n")
        texts[-1] = last + texts[-1][len(last) :].partition(b"\n")[0] + b"\n" * texts[-1].endswith(b"\n")
    return b"".join(texts)


def _place(
    base: Release | None, one: Release | None, two: Release | None, doubt: Doubt | None = None
) -> Place:
    there = next(release for release in (one, two, base) if release is not None)
    spans = [release.span if release is not None else None for release in (base, one, two)]
    none = (-1, -1) if doubt is None or base is not None else there.span
    first, second, third = (span or none for span in spans)
    return Place(spans=(first, second, third), doubt=doubt)


def _check_moved(base: Sequence[str], upstream: Sequence[str], commit: Sequence[str]) -> None:
    for row in (upstream, commit):
        shared = set(base) & set(row)
        if [key for key in base if key in shared] != [key for key in row if key in shared]:
            raise Doubt("order", "one side put releases into another order")
    both = (set(upstream) & set(commit)) - set(base)
    if [key for key in upstream if key in both] != [key for key in commit if key in both]:
        raise Doubt("order", "both sides added the same releases in different orders")


def _rows(
    base: Sequence[_T], upstream: Sequence[_T], commit: Sequence[_T], key: Callable[[_T], str], *, alike: bool
) -> _Rows[_T]:
    one, new = _aligned(base, upstream, key, alike=alike)
    two, new2 = _aligned(base, commit, key, alike=alike)
    rows = _Rows(base=base, partners=(one, two), new=(new, new2))
    _check_removed_beside(rows)
    return rows


def _check_removed_beside(rows: "_Rows[_T]") -> None:
    """Where one side takes away and the other puts something, people seldom wanted both."""
    removed: set[int] = set()
    added: set[int] = set()
    for place in range(len(rows.base) + 1):
        added |= {side for side in (0, 1) if rows.new[side][place]}
        gone = (
            {side for side in (0, 1) if place not in rows.partners[side]} if place < len(rows.base) else set()
        )
        removed |= gone
        if any(1 - side in added for side in removed):
            raise Doubt("removed_beside", "one side took away what stood where the other added something")
        if not gone:
            removed, added = set(), set()


def _aligned(
    base: Sequence[_T], side: Sequence[_T], key: Callable[[_T], str], *, alike: bool
) -> tuple[dict[int, _T], list[list[_T]]]:
    pairs = match([key(item) for item in base], [key(item) for item in side])
    partners: dict[int, _T] = {}
    new: list[list[_T]] = [[] for _ in range(len(base) + 1)]
    b = s = 0
    for i, j in [*pairs, (len(base), len(side))]:
        gone, come = list(range(b, i)), list(side[s:j])
        while alike and gone and come and fuzz.ratio(key(base[gone[0]]), key(come[0])) >= _ALIKE:
            partners[gone.pop(0)] = come.pop(0)
        new[i if not gone else gone[0]] += come
        if i < len(base):
            partners[i] = side[j]
        b, s = i + 1, j + 1
    return partners, new


def _chosen(base: Entry, one: Entry | None, two: Entry | None) -> Entry | None:
    keys = [entry.key if entry else None for entry in (base, one, two)]
    if keys[1] == keys[2] or keys[0] == keys[2]:
        return one
    if keys[0] == keys[1]:
        return two
    raise Doubt("reworded", "both sides changed one entry, each in its own way")


def _check_reworded(mine: Sequence[Entry], theirs: Sequence[Entry]) -> None:
    for one in mine:
        for two in theirs:
            if fuzz.ratio(one.key, two.key) >= _ALIKE:
                raise Doubt("same_entry", "both sides added one entry, each in its own words")


def _check_one_release(mine: Sequence[Release], theirs: Sequence[Release]) -> None:
    """Releases that one side each added must not be one release: a candidate of it, or one said again."""
    for one in mine:
        said = {key for section in one.entries for key in section}
        for two in theirs:
            also = {key for section in two.entries for key in section}
            if any(10**9 in release.version for release in (one, two)):
                raise Doubt("same_release", f"{one.name} or {two.name} has no number yet")
            if one.version and two.version and one.version[:_NUMBERS] == two.version[:_NUMBERS]:
                raise Doubt("same_release", f"{one.name} and {two.name} are versions of one release")
            if 2 * len(said & also) > min(len(said), len(also)):
                raise Doubt("same_release", f"{one.name} and {two.name} say the same, mostly")


_NUMBERS = 5  # of a version, before what says that it is no release yet


def _check_once(entries: Sequence[Entry]) -> None:
    keys = [entry.key for entry in entries if entry.bullet]
    if len(set(keys)) != len(keys):
        raise Doubt("same_entry", "an entry would stand twice")


def _head(base: Section, one: Section, two: Section) -> bytes:
    return two.head if one.head == base.head and two.head.strip() else one.head


def _kept(base: bytes, one: bytes, two: bytes) -> bytes:
    """Blank lines by three ways; upstream's where both changed them."""
    return two if one == base else one


def _spaced(kept: Sequence[tuple[Entry, bool]], base: Section, one: Section, two: Section) -> bytes:
    """The entries with the blank lines between them that the section has."""
    usual = next((row for row in (one.entries, base.entries, two.entries) if len(row) > 1), ())
    between = usual[1].gap if usual else b""
    firsts = {id(side.entries[0]) for side in (base, one, two) if side.entries}
    parts: list[bytes] = []
    for place, (entry, mine) in enumerate(kept):
        gap = entry.gap
        if place and id(entry) in firsts and not (mine and one.entries and one.entries[0] is entry):
            gap = between if entry.bullet else entry.gap
        if not place and id(entry) not in firsts:
            gap = next((side.entries[0].gap for side in (one, base, two) if side.entries), gap)
        parts.append(gap + (entry.text if entry.text.endswith(b"\n") else entry.text + b"\n"))
    return b"".join(parts)
