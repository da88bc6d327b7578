"""The document rung: merge what has keys by key, formatting and comments kept.

Each format is read into blocks of entries (`keyed`), the blocks are merged (`blocks`), and what comes out is read
again by the format's own parser: its data must be the three-way merge of the data of the three sides (`data`).
Hunks that touch a place which cannot be decided stay open; the others are answered alone where the merged text can
be cut in a single way.
"""

import re
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from flowforge.core.conflict import Abstain, Candidate, Conflict, Hunk, HunkAnswer, Side, splice, split_lines
from flowforge.hooks.contracts import Language, ResolveContext
from flowforge.merge import linetext, packagetext, separated, tomltext, xmltext, yamltext
from flowforge.merge.blocks import Merger, Place
from flowforge.merge.data import DataMerge, frozen
from flowforge.merge.doubt import Doubt
from flowforge.merge.facts import Facts, check_forward
from flowforge.merge.keyed import Block, Span
from flowforge.merge.kin import raised
from flowforge.merge.losses import check_losses
from flowforge.merge.sides import Texts, hunk_texts, texts_of

RUNG = "document"
CHOSEN, CHOSEN_BESIDE = "larger version of a key", "larger version of a key beside others"
MET = "larger version that both added"
REMOVED, OPPOSED = "keys removed beside others", "keys added beside removed ones"
KIN = "keys in the version of their kin"


@dataclass(frozen=True, kw_only=True)
class Format:
    """One format: the rule that its answers are counted under, how it is cut and what its parser says."""

    rule: str
    block: Callable[[bytes, Facts], Block]
    data: Callable[[bytes, Facts], object]


FORMATS: Mapping[str, Format] = {  # by the id of a language
    "json": Format(rule="keys", block=separated.read_document, data=separated.data_of_json),
    "toml": Format(rule="toml keys", block=tomltext.read_document, data=tomltext.data_of_toml),
    "yaml": Format(rule="yaml keys", block=yamltext.read_document, data=yamltext.data_of_yaml),
    "properties": Format(rule="properties", block=linetext.read_properties, data=linetext.data_of_properties),
    "ini": Format(rule="ini options", block=linetext.read_ini, data=linetext.data_of_ini),
    "requirements": Format(
        rule="requirements", block=packagetext.read_requirements, data=packagetext.data_of_requirements
    ),
    "gomod": Format(rule="go modules", block=packagetext.read_go_mod, data=packagetext.data_of_go_mod),
    "gradle": Format(rule="gradle lines", block=packagetext.read_gradle, data=packagetext.data_of_gradle),
    "xml": Format(rule="xml elements", block=xmltext.read_document, data=xmltext.data_of_xml),
}


def resolve(
    conflict: Conflict, context: ResolveContext, *, clock: Callable[[], float] = time.monotonic
) -> Candidate | Abstain:
    """Answer the hunks of one document that can be merged by key without a doubt.

    Abstains with a typed word: no_language, too_large, does_not_parse, out_of_time, same_key,
    deleted_and_changed, duplicate, layout, or another of the engine's own doubts.
    """
    language = context.language
    known = FORMATS.get(language.id) if language is not None else None
    if language is None or known is None:
        return Abstain(why="no_language", sentence="no format with keys is known for this file")
    end = clock() + context.deadline
    try:
        return _resolve(conflict, known, language, lambda: _check_time(clock, end))
    except Doubt as doubt:
        return doubt.abstain()
    except RecursionError:
        return Abstain(why="out_of_time", sentence="the document is too deep to be merged")


def _check_time(clock: Callable[[], float], end: float) -> None:
    if clock() > end:
        raise Doubt("out_of_time", "the document is too large for its time limit")


def _resolve(
    conflict: Conflict, known: Format, language: Language, tick: Callable[[], None]
) -> Candidate | Abstain:
    facts = Facts(path=conflict.path, language=language)
    texts = texts_of(conflict)
    check_line_ends(texts.texts)
    base, upstream, commit = (known.block(text, facts) for text in texts.texts)
    conflict, kin = raised(conflict, texts, (base, upstream, commit))
    if kin:
        texts = texts_of(conflict)
        base, upstream, commit = (known.block(text, facts) for text in texts.texts)
    merger = Merger(tick=tick, choose=facts.choose, forward=check_forward)
    result = merger.block(base if conflict.base else None, upstream, commit)
    tick()
    open_ = touched(conflict, texts, merger.open)
    if merger.open and len(open_) == len(conflict.hunks):
        return (merger.open[0].doubt or Doubt("same_key", "a place cannot be decided")).abstain()
    answers = hunk_texts(conflict.segments, result, one_way=bool(merger.open))
    _check(conflict, open_, answers, known, facts, tick)
    ways = _ways(conflict, texts, merger, kin)
    found, doubts = [], []
    for hunk, text in zip(conflict.hunks, answers, strict=True):
        if hunk.index in open_:
            continue
        try:
            found.append(_answer(hunk, text, known, ways))
        except Doubt as doubt:
            doubts.append(doubt)
    return Candidate(answers=tuple(found)) if found else doubts[0].abstain()


@dataclass(frozen=True, kw_only=True)
class _Ways:
    """By what each hunk is merged: the hunks in which a version was chosen, and so on."""

    chosen: set[int]
    met: set[int]
    kin: frozenset[int]
    removed: set[int]
    opposed: set[int]  # one side removed something, the other added something


def _ways(conflict: Conflict, texts: Texts, merger: Merger, kin: frozenset[int]) -> _Ways:
    gone, come = (
        [touched(conflict, texts, side) for side in sides] for sides in (merger.removed, merger.added)
    )
    return _Ways(
        chosen=touched(conflict, texts, merger.chosen),
        met=touched(conflict, texts, merger.met),
        kin=kin,
        removed=gone[0] | gone[1],
        opposed=(gone[0] & come[1]) | (gone[1] & come[0]),
    )


def _answer(hunk: Hunk, text: bytes, known: Format, ways: _Ways) -> HunkAnswer:
    rule, why = known.rule, "the sides changed different keys; both changes are kept"
    if hunk.index in ways.met:
        rule, why = MET, "both sides added one package in two versions, of which the larger is kept"
    elif hunk.index in ways.chosen:
        rule = CHOSEN if text == hunk.upstream else CHOSEN_BESIDE
        why = "both sides raised a version, of which the larger is kept, beside changes of other keys"
    elif hunk.index in ways.opposed:
        rule, why = OPPOSED, "one side removed keys where the other added some; both changes are kept"
    elif hunk.index in ways.kin:
        rule, why = KIN, "one side added a package, the other raised its kin; it is added in their version"
    elif hunk.index in ways.removed:
        rule, why = REMOVED, "one side removed keys, the other changed others; both changes are kept"
    if hunk.index not in ways.chosen | ways.met:
        check_losses(hunk, text)
    return HunkAnswer(index=hunk.index, text=text, rung=RUNG, rule=rule, why=why)


def touched(conflict: Conflict, texts: Texts, places: Sequence[Place]) -> set[int]:
    """The hunks that a place touches on any side; all of them where that is not known."""
    if places and not texts.hunks:
        return {hunk.index for hunk in conflict.hunks}
    return {
        index
        for side, ranges in enumerate(texts.hunks)
        for index in _met(sorted(ranges.items()), [place.spans[side] for place in places])
    }


def _met(hunks: Sequence[tuple[int, Span]], spans: Sequence[Span]) -> Iterator[int]:
    """Hunks stand in order, so each span needs to be held against few of them only."""
    for span in spans:
        for index, lines in hunks[bisect_left(hunks, span[0], key=lambda hunk: hunk[1][1]) :]:
            if lines[0] > span[1]:
                break
            if _meets(span, lines):
                yield index


def _meets(span: Span, lines: Span) -> bool:
    if span[0] == span[1] or lines[0] == lines[1]:
        return span[0] <= lines[1] and lines[0] <= span[1]
    return span[0] < lines[1] and lines[0] < span[1]


def _check(
    conflict: Conflict,
    open_: set[int],
    answers: Sequence[bytes],
    known: Format,
    facts: Facts,
    tick: Callable[[], None],
) -> None:
    """The result's data must be the merge of the sides' data, open hunks standing as upstream has them.

    Raises:
        Doubt: `does_not_parse`, `data_differs`, or a doubt of the data merge.
    """
    hunks = conflict.hunks
    rows = [[h.upstream if h.index in open_ else h.side(side) for h in hunks] for side in Side]
    rows.append([h.upstream if h.index in open_ else text for h, text in zip(hunks, answers, strict=True)])
    check_comments(*(b"".join(row) for row in rows))
    read: list[object] = []
    for row in rows:
        tick()
        try:
            read.append(known.data(splice(conflict.segments, row), facts))
        except (ValueError, RecursionError) as error:
            raise Doubt("does_not_parse", f"a version or the merge cannot be read: {error}"[:200]) from error
    tick()
    merge = DataMerge(choose=facts.choose_text, item_key=facts.item_key)
    if _settled(merge.merged(read[0], read[1], read[2]), facts) != _settled(read[3], facts):
        raise Doubt("data_differs", "the merged text does not say what both sides say together")


def check_comments(base: bytes, upstream: bytes, commit: bytes, merged: bytes) -> None:
    """Comments have no data, so they are counted: none that a side wrote may go, and none that it took may come back.

    Raises:
        Doubt: `comment`.
    """
    old, one, two, new = (
        Counter(line.strip() for line in split_lines(text) if line.strip().startswith(_COMMENTS))
        for text in (base, upstream, commit, merged)
    )
    for line in {*old, *one, *two, *new}:
        mine, theirs = one[line] - old[line], two[line] - old[line]
        both = {mine + theirs, mine} if mine == theirs else {mine + theirs}
        if new[line] - old[line] not in both:
            raise Doubt("comment", "a comment would be lost, doubled or come back")


_COMMENTS = (b"#", b"//", b"/*", b"*", b";", b"!", b"<!--")


def _settled(data: object, facts: Facts, path: tuple[str, ...] = ()) -> object:
    """The data with its sets in one order, as one value to compare."""
    if isinstance(data, Mapping):
        return ("{}", frozenset((k, _settled(v, facts, (*path, str(k)))) for k, v in data.items()))
    if isinstance(data, list):
        items = [frozen(item) for item in data]
        return tuple(sorted(items, key=repr) if facts.item_key(path) else items)
    return frozen(data)


def check_line_ends(texts: Sequence[bytes]) -> None:
    """Texts with different line ends cannot be put together line by line.

    Raises:
        Doubt: `line_ends`.
    """
    found = {end for text in texts if text for end in set(_LINE_END.findall(text))}
    if len(found) > 1:
        raise Doubt("line_ends", "the versions of this document end their lines differently")


_LINE_END = re.compile(rb"\r*\n|\r")
