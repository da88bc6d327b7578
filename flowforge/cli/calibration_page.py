"""A calibration as one page: no script, nothing fetched, every text of the repository escaped."""

import difflib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape

from flowforge.cli.calibration import Calibrated, Line, share
from flowforge.cli.calibration_curve import curve_svg
from flowforge.cli.calibration_style import STYLE
from flowforge.core.conflict import split_lines
from flowforge.resolve.calibrate import EARLIER, newest_first
from flowforge.resolve.cases import Excerpt, FileCase, HunkCase
from flowforge.resolve.difference import Difference
from flowforge.resolve.kinds import FileKind
from flowforge.resolve.replay import COSTS, Tally, differences

MAX_CASES = 60
MAX_BYTES = 1 << 20  # of all excerpts together
SHORT = 10  # digits of a commit id

Differing = tuple[FileCase, HunkCase, Excerpt]


def page(found: Calibrated) -> str:
    """The whole document."""
    title = f"What each rule has earned in {escape(_seen(found.name))}"
    body = "\n".join([*_head(found), *_figures(found), *_rules(found), *_differences(found)])
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{STYLE}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


def _head(found: Calibrated) -> Iterator[str]:
    learnt, made = found.learnt, found.made_again
    pulls = made.get("squash", 0) + made.get("rebase", 0)
    at = f" at <code>{learnt.head[:SHORT]}</code>" if learnt.head else ""
    yield (
        f"<p class=lead>{made.get('merge', 0)} merges and {pulls} squashed or rebased pull requests{at} were made again. "
        f"{learnt.merges} of them had conflicts to judge, in {learnt.files} files{_and_paths(learnt.paths)}. Counted on {learnt.made}; a case "
        f"{learnt.half_life_days // 365} years older than the newest one weighs half.</p>"
    )
    if learnt.left_out:
        names = escape(", ".join(learnt.left_out))
        yield f"<p>This repository is {names}, whose shipped counts are left out here.</p>"
    if found.lacking:
        yield f"<p>{found.lacking} merges were left out: a partial clone lacks what they need.</p>"
    if found.left:
        rows = "".join(
            f"<tr><td>{escape(why)}<td class=n>{number}"
            for why, number in sorted(found.left.items(), key=lambda pair: -pair[1])
        )
        yield (
            f"<details><summary>{sum(found.left.values())} pull requests were not made again by themselves</summary>"
            f"<table><tr><th>because<th class=n>pull requests{rows}</table></details>"
        )


def _and_paths(number: int) -> str:
    return f" and {number} whole paths" if number else ""


def _figures(found: Calibrated) -> Iterator[str]:
    held = found.learnt.held_out
    yield "<h2>What it is worth</h2>"
    if held is None:
        yield "<p>There are too few conflicts to hold some of them back as a check.</p>"
        return
    seen = f" ({found.parts.seen} more conflict in places that it had seen, and are left out)"
    yield (
        f"<p>A check: a policy learnt from the earlier {EARLIER * 100:.0f} % of the merges alone, over the {held.files} "
        f"files that conflict since {held.since}{seen if found.parts.seen else ''}. A file handed back costs 1, "
        "an answer that is not what people committed costs k; doing all by hand is 1. Different is not always wrong, "
        "so every cost is an upper bound.</p>"
    )
    heads = "".join(f"<th class=n>cost, k = {k}" for k in COSTS)
    yield f"<div class=wide><table><tr><th><th class=n>files acted on<th class=n>equal{heads}"
    yield _cost_row("as shipped", found.shipped.acted)
    yield _cost_row("own policy", found.own.acted)
    yield "</table></div>"
    yield curve_svg(found.shipped, found.own, found.learnt.k)
    yield from _kinds(found)
    yield from _paths(found, heads)


def _paths(found: Calibrated, heads: str) -> Iterator[str]:
    """Conflicts about a path as a whole, apart from the files."""
    if not found.parts.paths:
        return
    yield (
        "<h3>Conflicts about a path as a whole</h3><p>One side deleted what the other changed, both gave it a name, a link, "
        f"a mode: {found.parts.paths} of them in the later part. An answer is equal where it leaves at each of the "
        "conflict's paths what people left there, with its mode.</p>"
        f"<div class=wide><table><tr><th><th class=n>paths acted on<th class=n>equal{heads}"
    )
    yield _cost_row("as shipped", found.shipped.paths)
    yield _cost_row("own policy", found.own.paths)
    yield "</table></div>"


def _cost_row(name: str, acted: Tally) -> str:
    costs = "".join(f"<td class=n>{acted.cost(k):.3f}" for k in COSTS)
    equal = f"{acted.right} ({share(acted.right, acted.answered)})" if acted.answered else "-"
    return f"<tr><td>{name}<td class=n>{acted.answered} of {acted.cases}<td class=n>{equal}{costs}"


def _kinds(found: Calibrated) -> Iterator[str]:
    yield "<h3>By kind of file, with the own policy</h3><div class=wide><table>"
    yield (
        "<tr><th>files<th class=n>conflicting<th class=n>acted on<th class=n>equal"
        "<th class=n>with proposals<th class=n>equal"
    )
    for kind, (acted, answered) in found.own.kinds.items():
        if kind is FileKind.PATH:
            continue  # told by themselves
        yield (
            f"<tr><td>{kind.value}<td class=n>{acted.cases}"
            f"<td class=n>{acted.answered}<td class=n>{share(acted.right, acted.answered)}"
            f"<td class=n>{answered.answered}<td class=n>{share(answered.right, answered.answered)}"
        )
    yield "</table></div>"


def _rules(found: Calibrated) -> Iterator[str]:
    yield "<h2>The rules</h2>"
    if not found.lines:
        yield "<p>No rule has answered anything that could be judged, so all stays as shipped.</p>"
        return
    yield (
        "<p>Places that a rule answered and of which people's own text is known; right is what equals it but for "
        "whitespace and the order of lines. A path as a whole is one place (files: path). What a rule may do follows from all history here and the public counts.</p>"
        "<div class=wide><table><tr><th>rule<th>files<th class=n>cases<th class=n>right<th>share<th>may"
        "<th class=n>later part"
    )
    yield from map(_rule_row, found.lines)
    yield "</table></div>"


def _rule_row(line: Line) -> str:
    count, later = line.rule.count, line.later
    part = round(100 * count.right / count.cases) if count.cases else 0
    action = line.rule.action.value
    after = f"{later.right} of {later.cases}" if later.cases else "-"
    bar = f"<span class=bar><span style='width:{part}%'></span></span>{share(count.right, count.cases)}"
    return (
        f"<tr><td>{escape(_seen(line.rule.rule))}<td>{line.rule.kind.value}<td class=n>{count.cases}"
        f"<td class=n>{count.right}<td class=share>{bar}<td><b class={action}>{action}</b><td class=n>{after}"
    )


# ------------------------------------------------------------------------------------------- the differing cases


def _differences(found: Calibrated) -> Iterator[str]:
    every = list(_differing(found.cases))
    if not every:
        return
    shown = chosen(every)
    yield "<h2>Where answers differ</h2>"
    left = f" Shown are {len(shown)}, the newest of each rule in turn." if len(shown) < len(every) else ""
    yield (
        f"<p>{len(every)} answers differ from what people committed.{left} A different answer can be right too: "
        "judge for yourself. Lines that only the answer or only people's text has are marked.</p>"
    )
    yield from _classes(found.cases)
    yield from (_case(*one) for one in shown)


def _classes(cases: Sequence[FileCase]) -> Iterator[str]:
    yield "<table><tr><th>files and paths that differ because<th class=n>number"
    for name, number in differences(case.difference for case in cases).items():
        yield f"<tr><td>{Difference(name).words}<td class=n>{number}"
    yield "</table>"


def _differing(cases: Sequence[FileCase]) -> Iterator[Differing]:
    """Newest first; a hunk that is there again once."""
    seen = set()
    for case in newest_first(cases):
        for hunk in case.hunks:
            if hunk.excerpt is not None and (hunk.key, hunk.rule) not in seen:
                seen.add((hunk.key, hunk.rule))
                yield case, hunk, hunk.excerpt


def chosen(every: Sequence[Differing]) -> Sequence[Differing]:
    """Each rule's newest in turn, as many as a page holds; in the order of the rules."""
    by_rule: dict[str, list[Differing]] = {}
    for one in every:
        by_rule.setdefault(one[1].rule, []).append(one)
    taken: list[Differing] = []
    room = MAX_BYTES
    for turn in range(max(map(len, by_rule.values()))):
        for one in (some[turn] for _, some in sorted(by_rule.items()) if turn < len(some)):
            room -= _size(one[2])
            if room >= 0 and len(taken) < MAX_CASES:
                taken.append(one)
    return sorted(taken, key=lambda one: (one[1].rule, -one[0].date))


def _size(excerpt: Excerpt) -> int:
    texts = (excerpt.base, excerpt.upstream, excerpt.commit, excerpt.answer, excerpt.human)
    return sum(map(len, texts))


def _case(case: FileCase, hunk: HunkCase, excerpt: Excerpt) -> str:
    day = datetime.fromtimestamp(case.date, UTC).strftime("%Y-%m-%d")
    only_answer, only_human = _alone(excerpt.answer, excerpt.human)
    texts = [
        ("base", excerpt.base, frozenset[int]()),
        ("upstream", excerpt.upstream, frozenset[int]()),
        ("commit", excerpt.commit, frozenset[int]()),
        ("answer", excerpt.answer, only_answer),
        ("what people committed", excerpt.human, only_human),
    ]
    cells = "".join(f"<div><h4>{name}</h4>{_code(text, marked)}</div>" for name, text, marked in texts)
    cut = "<p class=note>Long texts are cut here.</p>" if excerpt.cut else ""
    return (
        f"<details class=case><summary><b>{escape(_seen(hunk.rule))}</b> "
        f"<code>{escape(_seen(case.path))}</code> {_where(excerpt)}, {day}, "
        f"<code>{escape(case.merge[:SHORT])}</code>{_because(hunk)}</summary>"
        f"<p class=note>{escape(_seen(excerpt.why))}</p>{cut}"
        f"<div class=sides>{cells}</div></details>"
    )


def _where(excerpt: Excerpt) -> str:
    return f"line {excerpt.line}" if excerpt.line else "as a whole"


def _because(hunk: HunkCase) -> str:
    return f", {hunk.difference.words}" if hunk.difference is not None else ""


def _code(text: bytes, marked: frozenset[int]) -> str:
    if not text:
        return "<pre class=empty>(nothing)</pre>"
    lines = [_line(line, at in marked) for at, line in enumerate(split_lines(text))]
    return f"<pre>{''.join(lines)}</pre>"


def _line(line: bytes, marked: bool) -> str:
    shown = escape(_seen(line.rstrip(b"\n").decode("utf-8", "replace"), tabs=True))
    return f"<mark>{shown or ' '}</mark>\n" if marked else f"{shown}\n"


def _alone(one: bytes, two: bytes) -> tuple[frozenset[int], frozenset[int]]:
    """Numbers of the lines that only one of the texts has."""
    first, second = split_lines(one), split_lines(two)
    left, right = set(range(len(first))), set(range(len(second)))
    for block in difflib.SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks():
        left -= set(range(block.a, block.a + block.size))
        right -= set(range(block.b, block.b + block.size))
    return frozenset(left), frozenset(right)


def _seen(text: str, *, tabs: bool = False) -> str:
    """With what cannot be seen, or would turn the order of what is seen, written out."""
    return "".join(c if c.isprintable() or (tabs and c == "\t") else f"\\x{ord(c):02x}" for c in text)
