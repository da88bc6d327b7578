"""A calibration as a table, as JSON and as a page that needs nothing else."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from flowforge.cli.calibrate import described, show
from flowforge.cli.calibration import Calibrated, Line
from flowforge.cli.calibration_curve import curve_svg
from flowforge.cli.calibration_page import MAX_BYTES, MAX_CASES, chosen, page
from flowforge.resolve.calibrate import Figures, Point, Split
from flowforge.resolve.cases import Excerpt, FileCase, HunkCase
from flowforge.resolve.counts import Action, Counts
from flowforge.resolve.equality import Equal
from flowforge.resolve.kinds import FileKind
from flowforge.resolve.learnt import HeldOut, Learnt
from flowforge.resolve.records import Count, RuleLine
from flowforge.resolve.replay import Tally

EVIL = b"<script>alert('x')</script>\n\x1b[2J\xe2\x80\xae& \"quoted\"\n"
VOID = {"meta", "br"}
OPTIONAL = {"tr", "td", "th"}  # may stay open in a table


def excerpt(text: bytes = b"x = 1\n", human: bytes = b"x = 2\n") -> Excerpt:
    return Excerpt(
        line=3, base=b"x = 0\n", upstream=text, commit=text, answer=text, human=human, why="because <b>"
    )


def case(number: int, shown: Excerpt | None = None, rule: str = "structural/words apart") -> FileCase:
    equal = Equal.DIFFERENT if shown else Equal.EXACT
    return FileCase(
        merge=f"{number:040x}",
        date=1_700_000_000 + number,
        path="src/<img>.py",
        kind=FileKind.SOURCE,
        how="merge",
        hunks=(HunkCase(key=str(number), rule=rule, equal=equal, excerpt=shown),),
        equal=equal,
    )


def line(rule: str, right: int, cases: int, action: Action) -> RuleLine:
    count = Count(right=right, cases=cases, weighed=Counts(right=right, total=cases))
    return RuleLine(rule=rule, kind=FileKind.SOURCE, action=action, count=count)


RULES = (
    line("structural/words apart", 41, 42, Action.ACT),
    line("structural/imports beside removed ones and many other words", 1, 10, Action.OFF),
)
FIGURES = Figures(
    acted=Tally(cases=100, answered=30, right=29),
    answered=Tally(cases=100, answered=45, right=40),
    kinds={
        FileKind.SOURCE: (Tally(cases=100, answered=30, right=29), Tally(cases=100, answered=45, right=40))
    },
    curve=(Point(coverage=0.3, risk=0.03), Point(coverage=0.45, risk=0.11)),
)
NOTHING = Figures(acted=Tally(cases=0, answered=0, right=0), answered=Tally(cases=0, answered=0, right=0))
COSTS = {"1": 0.7, "3": 0.8, "5": 0.8, "10": 0.8, "20": 0.9}
FOUND = Calibrated(
    name="some<body>/thing",
    learnt=Learnt(
        made="2026-11-23",
        head="ab" * 20,
        k=10.0,
        half_life_days=1095,
        merges=120,
        files=250,
        priors="2026-11-20",
        left_out=("some/thing",),
        rules=RULES,
        held_out=HeldOut(since="2026-01-31", files=100, cost=COSTS, shipped=COSTS),
    ),
    lines=tuple(Line(rule=rule, later=Count(right=12, cases=12)) for rule in RULES),
    shipped=replace(FIGURES, acted=Tally(cases=100, answered=0, right=0)),
    own=FIGURES,
    parts=Split(earlier=(), later=(case(1),), since=1_769_817_600, seen=4),
    made_again={"merge": 900, "squash": 80, "rebase": 20},
    left={"not on the default branch": 33},
    cases=(case(1), case(2, excerpt(EVIL)), case(3, excerpt())),
)


class Reader(HTMLParser):
    """Notes every tag, what it asks for, and whether it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID | OPTIONAL:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        if tag not in OPTIONAL:
            assert self.open.pop() == tag


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_is_whole_and_every_tag_is_closed() -> None:
    text = page(FOUND)
    assert text.startswith("<!doctype html>")
    assert {"table", "svg", "details", "pre", "style"} <= set(read(text).tags)


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    text = page(FOUND)
    reader = read(text)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & set(reader.tags)
    names = {name for name, _ in reader.attributes}
    assert not {"src", "href", "action", "data", "srcset"} & names
    assert not [name for name in names if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?:", text)
    assert "default-src 'none'" in text


def test_what_a_repository_holds_is_shown_and_never_obeyed() -> None:
    text = page(FOUND)
    assert "&lt;script&gt;alert(" in text
    assert "<img" not in text
    assert "<body>/thing" not in text
    assert "because &lt;b&gt;" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\x1b" in text


def test_the_page_tells_what_was_found() -> None:
    text = page(FOUND)
    for words in ("41", "structural/words apart", "0 of 100", "30 of 100", "2026-01-31", "some/thing"):
        assert words in text
    assert "0.710" in text  # cost of k = 1: 70 handed back and one wrong


PATHS = {FileKind.PATH: (Tally(cases=8, answered=6, right=5), Tally(cases=8, answered=7, right=5))}


def with_paths() -> Calibrated:
    own = replace(FIGURES, kinds={**FIGURES.kinds, **PATHS})
    away = replace(case(9, replace(excerpt(), line=0)), kind=FileKind.PATH, path="gone.txt")
    parts = replace(FOUND.parts, later=(case(1), away))
    return replace(
        FOUND, own=own, parts=parts, cases=(*FOUND.cases, away), learnt=replace(FOUND.learnt, paths=21)
    )


def test_whole_paths_are_told_beside_the_files_and_not_among_them() -> None:
    text = page(with_paths())
    read(text)
    assert "in 250 files and 21 whole paths" in text
    assert "<td class=n>6 of 8<td class=n>5 (83 %)" in text
    assert "<td>path<td class=n>8" not in text
    assert "<code>gone.txt</code> as a whole" in text
    assert "path as a whole</h3>" not in page(FOUND)


def test_whole_paths_are_a_table_and_figures_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    found = with_paths()
    told = described(found)
    assert (told["later"]["files"], told["later"]["paths"]) == (1, 1)
    assert told["later"]["own"]["kinds"]["path"]["acted"]["equal"] == 5
    assert told["policy"]["repository"]["paths"] == 21
    show(found)
    out = capsys.readouterr()
    assert "whole paths" in out.out
    assert "6/8" in out.out
    assert max(map(len, (out.out + out.err).splitlines())) <= 80


def test_light_and_dark_are_both_meant() -> None:
    assert "prefers-color-scheme: dark" in page(FOUND)
    assert 'content="light dark"' in page(FOUND)


def test_lines_that_only_one_text_has_are_marked() -> None:
    shown = excerpt(b"same\nmine\n", b"same\ntheirs\n")
    text = page(replace(FOUND, cases=(case(1, shown),)))
    assert "<mark>mine</mark>" in text
    assert "<mark>theirs</mark>" in text
    assert "<mark>same</mark>" not in text


def test_a_page_holds_so_many_cases_and_says_how_many_there_are() -> None:
    many = tuple(case(n, excerpt()) for n in range(MAX_CASES + 40))
    text = page(replace(FOUND, cases=many))
    assert text.count("<details class=case>") == MAX_CASES
    assert f"{MAX_CASES + 40} answers differ" in text
    assert f"Shown are {MAX_CASES}" in text


def test_a_page_of_long_texts_stays_within_its_size() -> None:
    many = tuple(case(n, excerpt(b"<" * 4000, b">" * 4000)) for n in range(MAX_CASES))
    assert len(page(replace(FOUND, cases=many))) < 5 * MAX_BYTES


def test_every_rule_has_its_newest_cases_shown_before_one_has_them_all() -> None:
    common = [case(n, excerpt(), "a/common") for n in range(MAX_CASES)]
    rare = [case(900 + n, excerpt(), "z/rare") for n in range(3)]
    every = [(one, one.hunks[0], excerpt()) for one in (*common, *rare)]
    shown = chosen(every)
    assert len(shown) == MAX_CASES
    assert sum(hunk.rule == "z/rare" for _, hunk, _ in shown) == 3


def test_a_differing_hunk_that_is_there_again_is_shown_once() -> None:
    again = replace(case(1, excerpt()), merge="f" * 40)
    text = page(replace(FOUND, cases=(case(1, excerpt()), again)))
    assert text.count("<details class=case>") == 1


def test_a_history_without_anything_to_judge_makes_a_page_too() -> None:
    empty = Calibrated(
        name="x",
        learnt=Learnt(
            made="2026-11-23", head="", k=10.0, half_life_days=1095, merges=0, files=0, priors="2026-11-20"
        ),
        lines=(),
        shipped=NOTHING,
        own=NOTHING,
        parts=Split(earlier=(), later=(), since=0),
    )
    text = page(empty)
    read(text)
    assert "all stays as shipped" in text


@pytest.mark.parametrize("k", [1.5, 10, 1000])
@pytest.mark.parametrize(
    "points",
    [(), (Point(coverage=1.0, risk=1.0),), (Point(coverage=0.001, risk=0.0),), FIGURES.curve],
)
def test_the_curve_stays_inside_its_picture(points: tuple[Point, ...], k: float) -> None:
    drawn = curve_svg(replace(FIGURES, curve=points), replace(NOTHING, curve=()), k)
    assert bool(drawn) is bool(points)
    for number in re.findall(r"\b(?:x|x1|x2|cx)=([\d.-]+)", drawn):
        assert 0 <= float(number) <= 640
    for number in re.findall(r"\b(?:y|y1|y2|cy)=([\d.-]+)", drawn):
        assert 0 <= float(number) <= 300


def test_the_tables_are_of_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    show(FOUND)
    told = capsys.readouterr()
    assert max(map(len, (told.out + told.err).splitlines())) <= 80
    assert re.search(r"structural/words apart +source +42 +41 +98 % +act +12/12", told.out)
    assert re.search(r"own policy +30/100 +97 % +0.71", told.out)
    assert "980" not in told.err
    assert "900 merges and 100 squashed or rebased pull requests" in told.err
    assert "some/thing" in told.err


def test_the_json_is_json_and_holds_the_policy() -> None:
    told = json.loads(json.dumps(described(FOUND)))
    assert told["policy"]["format"] == "flowforge-policy"
    assert told["later"]["own"]["acted"]["cost"]["10"] == 0.8
    assert told["rules"][0]["later"] == {"right": 12, "cases": 12}
    assert told["pull_requests_left_out"] == {"not on the default branch": 33}
