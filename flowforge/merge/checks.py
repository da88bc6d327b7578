"""What a merged text must pass before it is offered: it parses, doubles nothing and loses nothing."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product

from rapidfuzz import fuzz

from flowforge.core.conflict import Hunk, split_lines
from flowforge.merge.doubt import Doubt
from flowforge.merge.entities import Body, Key, Piece, Role, file_body, open_piece, signed_key
from flowforge.merge.faults import adds_faults
from flowforge.merge.syntax import Source, find
from flowforge.merge.tokens import Tokens, lex

_MARKS = (b"<<<<<<<", b"|||||||", b"=======", b">>>>>>>")


def check(result: Source, sources: Sequence[Source]) -> None:
    """Check a whole result against base, upstream and commit.

    Raises:
        Doubt: `does_not_parse`, `duplicate`, `same_name_added`.
    """
    if adds_faults(result, sources[1:]):
        raise Doubt("does_not_parse", "the merged text would not parse")
    allowed = [_definitions(file_body(source)) for source in sources[1:]]
    merged = _definitions(file_body(result))
    for key, count in merged.keys.items():
        if count > max(1, *(side.keys[key] for side in allowed)):
            raise Doubt("duplicate", f"{_show_path(key[1])} would be defined twice")
    grown = {
        name: [side.named[name] for side in allowed]
        for name, pieces in merged.named.items()
        if len(pieces) > max(len(side.named[name]) for side in allowed)
        and all(side.named[name] for side in allowed)
    }
    base = _definitions(file_body(sources[0])).named if grown else {}
    for name, sides in grown.items():
        old, one, two, new = map(_forms, (base.get(name, []), *sides, merged.named[name]))
        if any(
            what not in old and one[what] and two[what] and new[what] > max(one[what], two[what])
            for what in new
        ):
            raise Doubt("same_name_added", f"both sides added {_show_path(name)}, each in a form of its own")


def _show_path(path: bytes) -> str:
    """The names on the way to an entity, as they are told to a person."""
    return repr(path.strip(b"/").decode("utf-8", "replace").replace("/", "."))


@dataclass(frozen=True)
class _Defined:
    """How often each entity is defined, and what has each name, by its path."""

    keys: Counter[Key] = field(default_factory=Counter)
    named: defaultdict[bytes, list[Piece]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: bytes, piece: Piece) -> None:
        self.keys[piece.key[0], name, signed_key(piece)[2]] += 1
        if piece.role is Role.ENTITY and piece.key[1]:
            self.named[name].append(piece)


def _forms(pieces: Iterable[Piece]) -> Counter[tuple[bytes, int]]:
    """What tells namesakes apart, once with the number of parameters and once without (-1)."""
    forms = [_distinction(piece) for piece in pieces]
    return Counter([*forms, *((words, -1) for words, _ in forms)])


def _definitions(body: Body) -> _Defined:
    """What is defined at the top level and in containers."""
    found = _Defined()
    todo: list[tuple[bytes, Body]] = [(b"", body)]
    while todo:
        path, inner = todo.pop()
        for piece in inner.pieces:
            if piece.role is Role.PLAIN:
                continue
            name = path + b"/" + piece.key[1]
            if piece.rule is None or piece.rule.counted:
                found.add(name, piece)
            deeper = open_piece(piece) if piece.rule and piece.rule.body else None
            if deeper is not None:
                todo.append((name, deeper))
    return found


def _distinction(piece: Piece) -> tuple[bytes, int]:
    """What tells a piece from namesakes, however it is written: the words of its signature, which is a receiver, a
    getter or the like, and how many parameters it has.
    """
    words: list[bytes] = []
    parameters = 0
    for path in piece.rule.signature if piece.rule else ():
        node = find(piece.node, path) if piece.node is not None else None
        if node is None:
            continue
        if "parameter" not in path.rpartition("/")[2] and path != "declarator":
            words.extend(re.findall(rb"\w+", node.text or b""))
        elif not path.startswith("type_"):
            inner = find(node, "parameters|declarator/parameters|.")
            parameters += sum(1 for child in (inner or node).named_children if not child.is_extra)
    return b" ".join(words), parameters


Counts = Counter[tuple[bytes, ...]]


def check_hunk(hunk: Hunk, text: bytes, *, words: bool) -> None:
    """Check one hunk's merged text against its sides; `words`: it was merged word by word.

    Raises:
        Doubt: `lost` or `doubled` words or lines, `opposed` changes, `both_removed`, `markers`.
    """
    sides = hunk.base, hunk.upstream, hunk.commit, text
    for size in (1, 2, 3):
        runs = [_runs(side, size) for side in sides]
        _check_opposed(*runs[:3])
        if size == 1:
            _check_kept(*runs)
            if words:
                _check_once(*runs)
        elif size == 2 and words:  # noqa: PLR2004 (a pair is the shortest run that tells places apart)
            _check_once(*runs)
    lines = [_lines(side) for side in sides]
    _check_removed(*lines[:3])
    if words:
        _check_once(*lines)
    if any(line.startswith(_MARKS) for line in split_lines(text)):
        raise Doubt("markers", "the merged text would hold a line like a conflict marker")


def check_words(sides: tuple[Tokens, Tokens, Tokens], *, near: bool) -> None:
    """Check a place before it is merged word by word; `near`: the sides' edits are close together.

    Raises:
        Doubt: `removed_beside` where one side only takes away, `same_number` where both changed a number.
    """
    base, *changed = (Counter(token.text for token in side if token.text) for side in sides)
    texts = [b"".join(token.lead + token.text for token in side) for side in sides]
    lines = [_lines(text) for text in texts]
    for words, here in zip(changed, lines[1:], strict=True):
        if base - words and not words - base and (near or (lines[0] - here and not here - lines[0])):
            raise Doubt("removed_beside", "one side only removed words of a place that the other changed")
    if all(_numbers(words - base) and _numbers(base - words) for words in changed):
        raise Doubt("same_number", "both sides changed a number of one place")


def _numbers(words: Counter[bytes]) -> bool:
    return any(word[:1].isdigit() for word in words)


def check_twins(upstream: Iterable[Piece], commit: Iterable[Piece]) -> None:
    """What each side added under a name of its own must not be one thing that one of them renamed.

    Raises:
        Doubt: `same_name_added`.
    """
    for one, two in product(upstream, commit):
        if one.key[0] == two.key[0] and one.key[1] != two.key[1] and _alike(one, two):
            names = " and ".join(repr(piece.key[1].decode("utf-8", "replace")) for piece in (one, two))
            raise Doubt("same_name_added", f"{names}, which one side each added, are nearly the same")


def _alike(one: Piece, two: Piece) -> bool:
    names = fuzz.ratio(one.key[1], two.key[1])
    return names >= _SAME_NAME and fuzz.ratio(one.text, two.text) >= _SAME_TEXT


_SAME_NAME, _SAME_TEXT = 70, 75  # of 100


def _check_opposed(base: Counts, upstream: Counts, commit: Counts) -> None:
    """One side uses more of what the other removes or renames: both cannot be had."""
    for what in sorted(upstream.keys() | commit.keys()):
        if (upstream[what] - base[what]) * (commit[what] - base[what]) < 0:
            raise Doubt("opposed", f"one side removes {_show(what)} where the other adds it")


def _check_removed(base: Counts, upstream: Counts, commit: Counts) -> None:
    """Neighbouring lines removed, some by each side: people kept some of them in 4 of 10 cases."""
    one, two = base - upstream, base - commit
    if one and two and one != two and not upstream - base and not commit - base:
        raise Doubt("both_removed", "each side removed different lines of one place")


def _check_kept(base: Counts, upstream: Counts, commit: Counts, merged: Counts) -> None:
    """Every word that a side added is there, and none that nobody added."""
    for what in sorted(base.keys() | upstream.keys() | commit.keys() | merged.keys()):
        least, most = _bounds(upstream[what] - base[what], commit[what] - base[what])
        change = merged[what] - base[what]
        if change < least:
            raise Doubt("lost", f"the merged text would lose {_show(what)}")
        if change > most:
            raise Doubt("doubled", f"the merged text would double {_show(what)}")


def _check_once(base: Counts, upstream: Counts, commit: Counts, merged: Counts) -> None:
    """What both sides added at different words is most likely one change, made twice."""
    for what in sorted(upstream.keys() & commit.keys()):
        one, two = upstream[what] - base[what], commit[what] - base[what]
        if min(one, two) > 0 and merged[what] - base[what] > max(one, two):
            raise Doubt("doubled", f"both sides added {_show(what)}, and the merged text would double it")


def _bounds(one: int, two: int) -> tuple[int, int]:
    """How much two changes of a count may make together: their sum, or once where both did the same."""
    if one > 0 and two > 0:
        return max(one, two), one + two
    if one < 0 and two < 0:
        return one + two, min(one, two)
    return one + two, one + two


def _runs(text: bytes, size: int) -> Counts:
    """Runs of `size` tokens; single ones are counted where they are words."""
    tokens = [token.text for token in lex(text) if token.text]
    if size == 1:
        return Counter((word,) for word in tokens if word[:1].isalnum() or word[:1] == b"_")
    return Counter(tuple(tokens[at : at + size]) for at in range(len(tokens) - size + 1))


def _lines(text: bytes) -> Counts:
    lines = (line.strip() for line in split_lines(text))
    return Counter((line,) for line in lines if len(line) > _TELLING)


_TELLING = 4  # bytes: shorter lines (braces, `end`, `else:`) stand anywhere


def _show(what: tuple[bytes, ...]) -> str:
    return repr(b" ".join(what).decode("utf-8", "replace"))
