"""What must be true of any answer to any conflict, however strange its texts.

Each property looks at a conflict and what the rungs answered, and says what is wrong with it, or "".
"""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from flowforge.core.conflict import (
    Conflict,
    Hunk,
    HunkAnswer,
    Resolution,
    Segment,
    Side,
    fit,
    outside_hash,
    splice,
    split_lines,
)
from flowforge.hooks.contracts import Language
from flowforge.merge.checks import check
from flowforge.merge.doubt import Doubt
from flowforge.merge.lines import diff3_lines
from flowforge.merge.syntax import Source, parse
from flowforge.resolve.ladder import Answers, Rung, climb
from flowforge.resolve.policy import Action, Policy
from flowforge.resolve.rungs import language_of

ACT = Policy(otherwise=Action.ACT)
SLOW = 10.0  # seconds for one small file, on a machine that does other work too
TELLING = 4  # bytes of a line; shorter ones (braces, `end`) stand anywhere
CHOSEN = frozenset(  # rules that say in their own words which of two texts they drop
    {
        "larger version",
        "larger version of the commit",
        "larger version of the project",
        "versions raised apart",
        "larger version of a key",
        "larger version of a key beside others",
        "larger version that both added",
        "keys in the version of their kin",
    }
)
_MARKS = (b"<" * 7, b"|" * 7, b"=" * 7, b">" * 7)


def segments_of(base: bytes, upstream: bytes, commit: bytes) -> tuple[Segment, ...]:
    """The three-way merge as a row of segments, in process: thousands a second, where git does seventy."""
    segments: list[Segment] = [b""]
    for chunk in diff3_lines(base, upstream, commit):
        if chunk.text is not None:
            last = segments[-1]
            assert isinstance(last, bytes)
            segments[-1] = last + chunk.text
            continue
        index = len(segments) // 2
        segments += [Hunk(index=index, base=chunk.base, upstream=chunk.upstream, commit=chunk.commit), b""]
    return tuple(segments)


def problem_of(conflict: Conflict, rungs: Sequence[Rung], languages: Iterable[Language]) -> str | None:
    """What is wrong with the ladder's answer to one conflict: "" when nothing is, None where it gave none."""
    begun = time.monotonic()
    answers = climb([conflict], rungs, ACT)
    if time.monotonic() - begun > SLOW:
        return f"it took longer than {SLOW} s"
    return problem_in(answers, languages)


def problem_in(answers: Answers, languages: Iterable[Language]) -> str | None:
    failed = [note.sentence for note in answers.notes if note.outcome == "failed"]
    if failed:
        return failed[0]
    if not answers.resolutions:
        return None if answers.unresolved[0].sentence else "handed back without a word"
    found = answers.resolutions[0]
    language = language_of(found.conflict.path, languages)
    return next(filter(None, _problems(found, language)), "")


def answers_again(conflict: Conflict, rungs: Sequence[Rung]) -> bool:
    """Whether the same conflict is answered the same."""
    first, second = (_told(climb([conflict], rungs, ACT)) for _ in range(2))
    return first == second


def _told(answers: Answers) -> tuple[object, ...]:
    return answers.resolutions, answers.unresolved


def _problems(found: Resolution, language: Language | None) -> Iterator[str]:
    yield unfit(found)
    for hunk, answer in zip(found.conflict.hunks, found.answers, strict=True):
        if answer.rule not in CHOSEN:
            yield lost(hunk, answer)
            yield resurrected(hunk, answer)
        yield marked(hunk, answer)
    if language is not None and language.grammar:
        yield broken(found, language)
    yield unread(found)


def unfit(found: Resolution) -> str:
    segments = found.conflict.segments
    if found.outside != outside_hash(segments) or fit(segments, found.result) is None:
        return "a byte outside the hunks changed"
    return ""


def lost(hunk: Hunk, answer: HunkAnswer) -> str:
    """A word that one side added to a hunk, and the other left alone, must stand in its answer."""
    base, upstream, commit, result = map(words, (hunk.base, hunk.upstream, hunk.commit, answer.text))
    for word in upstream.keys() | commit.keys():
        one, two = upstream[word] - base[word], commit[word] - base[word]
        if min(one, two) >= 0 and result[word] < base[word] + max(one, two):
            return f"{word!r} was lost by {answer.rung}, {answer.rule}"
    return ""


def resurrected(hunk: Hunk, answer: HunkAnswer) -> str:
    """A line that one side removed from a hunk, and the other left alone, must be gone.

    Whitespace apart, line ends too, and separators at its end: a line that a side only cut in two was not removed.
    """
    texts = [b"".join(text.split()) for text in (hunk.base, hunk.upstream, hunk.commit, answer.text)]
    for line in {b"".join(line.split()).rstrip(b",;") for line in split_lines(hunk.base)}:
        base, upstream, commit, result = (text.count(line) for text in texts)
        least, most = sorted((upstream - base, commit - base))
        if len(line) > TELLING and least < 0 and most == 0 and result > base + least:
            return f"{line!r} came back by {answer.rung}, {answer.rule}"
    return ""


def marked(hunk: Hunk, answer: HunkAnswer) -> str:
    """No line like a conflict marker that no side had."""
    sides = hunk.base, hunk.upstream, hunk.commit
    had = {line.rstrip() for text in sides for line in split_lines(text)}
    strange = [line for line in split_lines(answer.text) if line.startswith(_MARKS)]
    return next((f"{line!r} looks like a marker" for line in strange if line.rstrip() not in had), "")


def broken(found: Resolution, language: Language) -> str:
    """Where all sides parse, so does the result, and it defines nothing twice."""
    conflict = found.conflict
    texts = [conflict.text(side) or b"" for side in Side]
    # a grammar may want a last line end where its compiler does not
    *sides, result = (
        parse(text if text.endswith(b"\n") else text + b"\n", language) for text in (*texts, found.result)
    )
    if any(side.has_error for side in sides):
        return ""
    filled = list(_filled(conflict, language))
    if all(one.has_error for one in filled):
        return ""  # git broke it outside the hunks; the validators are for that
    try:
        check(result, [*sides, *filled])
    except Doubt as doubt:
        return f"{doubt.why}: {doubt.sentence} ({', '.join(sorted({a.rule for a in found.answers}))})"
    return ""


def _filled(conflict: Conflict, language: Language) -> Iterator[Source]:
    """Git's own merge with each side's hunks put in: what is doubled there was doubled by git, outside the hunks."""
    for side in (Side.UPSTREAM, Side.COMMIT):
        yield parse(splice(conflict.segments, [hunk.side(side) for hunk in conflict.hunks]), language)


def unread(found: Resolution) -> str:
    """What three real JSON readings were is one still."""
    if not found.conflict.path.endswith(".json"):
        return ""
    sides = [found.conflict.text(side) or b"" for side in Side]
    whole = all(_reads(json.loads, text) for text in sides)
    return "the result is no JSON" if whole and not _reads(json.loads, found.result) else ""


def _reads(read: Callable[[bytes], object], text: bytes) -> bool:
    try:
        read(text)
    except (ValueError, RecursionError):
        return False
    return True


def words(text: bytes) -> Counter[bytes]:
    return Counter(_WORD.findall(text))


_WORD = re.compile(rb"[\w\x80-\xff]+")
