"""The structural rung: merge the three versions by entity, and answer the hunks with what comes out.

An answer that would change a byte outside the hunks is none; imports are no exception yet. Hunks that touch a
place which the engine doubts stay open, the others are answered.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from flowforge.core.conflict import (
    Abstain,
    Candidate,
    Conflict,
    Hunk,
    HunkAnswer,
    Side,
    splice,
)
from flowforge.hooks.contracts import Language, ResolveContext
from flowforge.merge import checks
from flowforge.merge.doubt import Doubt
from flowforge.merge.entities import Span, file_body
from flowforge.merge.names import Names, check_hunk_names, imports_in, troubled, uses
from flowforge.merge.needs import Needs
from flowforge.merge.relations import (
    BESIDE,
    BESIDE_NAMES,
    CHANGED_IMPORTS,
    LINES,
    SIMILAR,
    WITHIN,
    WITHIN_IMPORTS,
    Files,
    check_twice,
    lines_of,
    rule_of_definitions,
    rule_of_lines,
)
from flowforge.merge.sides import Versions, broken_place, hunk_texts, versions
from flowforge.merge.syntax import parse
from flowforge.merge.weave import (
    DEFINITIONS,
    IMPORTS,
    JOINED,
    NAMES,
    OF_IMPORTS,
    OPEN_IMPORTS,
    REPLACED,
    UNKNOWN_IMPORTS,
    Open,
    Used,
    Weaver,
)
from flowforge.merge.wording import (
    ADDED,
    BY_WORDS,
    FEW,
    INDENTED,
    MORE,
    NEIGHBOURS,
    ONE_LINE,
    REFORMATTED,
    TEXTS,
)

RUNG = "structural"


def resolve(
    conflict: Conflict, context: ResolveContext, *, clock: Callable[[], float] = time.monotonic
) -> Candidate | Abstain:
    """Answer the hunks of one source file that can be merged by entity without a doubt.

    Abstains with a typed word: no_language, no_base, too_large, does_not_parse, out_of_time, a word of the
    engine's own doubts (see `weave`), or of its checks.
    """
    language = context.language
    if language is None or not language.grammar or not language.entities:
        return Abstain(why="no_language", sentence="no grammar with entities is known for this file")
    if conflict.base is None:
        return Abstain(why="no_base", sentence="both sides added this file, so there is no base text")
    end = clock() + context.deadline
    try:
        return _resolve(conflict, language, lambda: _check_time(clock, end))
    except Doubt as doubt:
        return doubt.abstain()


def _check_time(clock: Callable[[], float], end: float) -> None:
    if clock() > end:
        raise Doubt("out_of_time", "the structural merge took longer than its time limit")


def _resolve(conflict: Conflict, language: Language, tick: Callable[[], None]) -> Candidate | Abstain:
    sides = versions(conflict, language)
    tick()
    weaver = Weaver(tick)
    base, upstream, commit = (file_body(source) for source in sides.sources)
    result = weaver.bodies(base, upstream, commit)
    open_ = _open_hunks(conflict, sides, weaver.open) | sides.broken
    doubts = [*(place.doubt for place in weaver.open), *(broken_place() for _ in sides.broken)]
    if len(open_) == len(conflict.hunks):
        return doubts[0].abstain()
    texts = hunk_texts(conflict.segments, result, one_way=bool(open_))
    filled = [
        hunk.upstream if hunk.index in open_ else text
        for hunk, text in zip(conflict.hunks, texts, strict=True)
    ]
    checks.check(parse(splice(conflict.segments, filled), sides.sources[0].language), sides.sources)
    answers: list[HunkAnswer] = []
    decided: dict[int, Sequence[str]] = {}
    files = [uses(conflict.text(side) or b"") for side in Side]
    trouble: tuple[tuple[bytes, str], ...] = ()
    names: list[Names] = []
    moved = len({tuple(imports_in(body)) for body in (base, upstream, commit)}) > 1
    if moved or any(note.rule in OF_IMPORTS for note in weaver.used):
        names = [Names.of(parse(conflict.text(side) or b"", language)) for side in Side]
        trouble = tuple(troubled(names, _possible(conflict, filled, open_, language)))
    lines = Files.of([conflict.text(side) or b"" for side in Side], splice(conflict.segments, filled))
    imports = frozenset(
        line for body in (base, upstream, commit) for t in imports_in(body) for line in lines_of(t)
    )
    for hunk, text in zip(conflict.hunks, texts, strict=True):
        if hunk.index in open_:
            continue
        try:
            rules = _rules(hunk, sides, weaver.used) or [rule_of_lines(hunk, imports)]
            if rules[0] == DEFINITIONS:
                rules[0] = rule_of_definitions(hunk, text, files[0])
            close = BY_WORDS | {BESIDE, BESIDE_NAMES}
            check_hunk_names(hunk, files, trouble, words=not close.isdisjoint(rules))
            check_twice(hunk, text, lines)
            answers.append(_answer(hunk, text, rules))
            decided[hunk.index] = rules
        except Doubt as doubt:
            doubts.append(doubt)
    if any(OF_IMPORTS.intersection(rules) for rules in decided.values()):
        answers = _needed(Needs.of(conflict, answers, sides, names), answers, decided, doubts)
    return Candidate(answers=tuple(answers)) if answers else doubts[0].abstain()


def _needed(
    needs: Needs, answers: Sequence[HunkAnswer], decided: Mapping[int, Sequence[str]], doubts: list[Doubt]
) -> list[HunkAnswer]:
    """The answers whose imports are needed, the more doubtful ones by a rule that says so; `doubts` fills up."""
    kept: list[HunkAnswer] = []
    for answer in answers:
        rules = decided[answer.index]
        try:
            rule = needs.check(answer.index) if OF_IMPORTS.intersection(rules) else ""
        except Doubt as doubt:
            doubts.append(doubt)
            continue
        kept.append(replace(answer, rule=rule, why=_WHY[rule]) if rule and rules[0] in OF_IMPORTS else answer)
    return kept


def _possible(conflict: Conflict, filled: Sequence[bytes], open_: set[int], language: Language) -> Names:
    """The names of the merged file, where an open hunk may still become any of its sides."""
    texts = [
        hunk.upstream + hunk.commit if hunk.index in open_ else text
        for hunk, text in zip(conflict.hunks, filled, strict=True)
    ]
    return Names.of(parse(splice(conflict.segments, texts), language))


_WHY = {
    ONE_LINE: "one side added words to a line in which the other changed some",
    TEXTS: "both sides made the same change, and one of them more, in texts or comments",
    REFORMATTED: "one side changed the layout of lines in which the other changed words",
    NEIGHBOURS: "both sides changed different words of neighbouring lines",
    INDENTED: "one side indented lines in which the other changed words",
    FEW: "each side changed a word or two of one place, and not the same ones",
    ADDED: "one side added lines beside words that the other changed",
    MORE: "both sides made the same change, and one of them more",
    OPEN_IMPORTS: "both sides changed imports of a file with other places to decide; both changes are kept",
    UNKNOWN_IMPORTS: "both sides changed imports, some of names that are not told; both changes are kept",
    NAMES: "both sides changed the names of one import; the set of both is kept",
    JOINED: "both sides added imports of one module, which are made one with the names of both",
    DEFINITIONS: "both sides added definitions, which may stand in any order; upstream's come first",
    REPLACED: "both sides added imports beside some that one of them removed; both changes are kept",
    IMPORTS: "both sides added imports; the set of both is kept",
    SIMILAR: "both sides added definitions that look like each other; both are kept, upstream's first",
    WITHIN: "one side's change holds the other's",
    WITHIN_IMPORTS: "one side's change of imports holds the other's",
    CHANGED_IMPORTS: "the sides changed different imports",
    BESIDE: "one side added lines beside those that the other changed",
    BESIDE_NAMES: "one side added lines beside those that the other changed, with words of theirs",
    LINES: "the sides changed different lines or definitions",
}


def _answer(hunk: Hunk, text: bytes, rules: Sequence[str]) -> HunkAnswer:
    checks.check_hunk(hunk, text, words=bool(BY_WORDS.intersection(rules)))
    return HunkAnswer(
        index=hunk.index,
        text=text,
        rung=RUNG,
        rule=rules[0],
        why="; ".join(_WHY[rule] for rule in rules),
    )


def _rules(hunk: Hunk, sides: Versions, used: Sequence[Used]) -> list[str]:
    """The rules that decided places of this hunk, the most doubtful first; any rule where places are unknown."""
    here = {
        note.rule
        for note in used
        if not sides.hunks
        or any(_touches(s, r[hunk.index]) for s, r in zip(note.spans, sides.hunks, strict=True))
    }
    return [rule for rule in _WHY if rule in here]


def _open_hunks(conflict: Conflict, sides: Versions, places: Sequence[Open]) -> set[int]:
    """Hunks that an undecided place touches on any side; all of them where that is not known."""
    if places and not sides.hunks:
        return {hunk.index for hunk in conflict.hunks}
    return {
        hunk.index
        for hunk in conflict.hunks
        for place in places
        for span, ranges in zip(place.spans, sides.hunks, strict=True)
        if _touches(span, ranges[hunk.index])
    }


def _touches(span: Span, lines: tuple[int, int]) -> bool:
    return span.start <= lines[1] and lines[0] <= span.end
