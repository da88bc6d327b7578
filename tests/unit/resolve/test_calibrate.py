"""Counting a history: each hunk once, recent ones louder, and nothing judged by what was learnt from."""

from dataclasses import replace

import pytest

from flowforge.core.conflict import Candidate, Conflict, Hunk, HunkAnswer, Kind, Version, WholeAnswer
from flowforge.resolve.calibrate import (
    HALF_LIFE,
    MOST_FILES,
    Judged,
    counted,
    curve,
    figures,
    outcome,
    rule_lines,
    split,
)
from flowforge.resolve.cases import EXCERPT, FileCase, HunkCase, file_case, key_of
from flowforge.resolve.counts import Action, Counts
from flowforge.resolve.equality import Equal
from flowforge.resolve.kinds import FileKind
from flowforge.resolve.ladder import Rung, climb
from flowforge.resolve.policy import Paths, Policy, Standing
from flowforge.resolve.priors import CERTAIN, Priors
from flowforge.resolve.records import Count, standings
from flowforge.resolve.replay import Case, Outcome

WORDS = "structural/words apart"
NOTHING = Priors(day="2026-01-01", by_kind={}, by_rule={})
GOOD = Priors(day="2026-01-01", by_kind={}, by_rule={WORDS: Counts(right=990, total=1000)})
OPEN = Policy(actions={}, otherwise=Action.ACT)


def hunk(key: str, rule: str = WORDS, equal: Equal | None = Equal.EXACT, *, sure: bool = True) -> HunkCase:
    return HunkCase(key=key, rule=rule, equal=equal, sure=sure)


def file(merge: str, date: int, *hunks: HunkCase, path: str = "a.py", right: bool | None = None) -> FileCase:
    whole = all(one.rule for one in hunks)
    same = all(one.right for one in hunks) if right is None else right
    return FileCase(
        merge=merge,
        date=date,
        path=path,
        kind=FileKind.SOURCE,
        how="merge",
        hunks=hunks,
        equal=(Equal.EXACT if same else Equal.DIFFERENT) if whole else None,
    )


def record(*cases: FileCase, rule: str = WORDS) -> Count:
    return counted(cases).get((rule, FileKind.SOURCE), Count())


# --------------------------------------------------------------------------------------------------- counting


def test_right_is_exact_or_but_for_whitespace_or_order() -> None:
    every = [hunk(str(number), equal=equal) for number, equal in enumerate(Equal)]
    found = record(file("m", 0, *every))
    assert (found.right, found.cases) == (3, 4)


def test_a_hunk_that_nobody_answered_or_whose_place_is_unknown_is_not_counted() -> None:
    found = counted([file("m", 0, hunk("a", rule="", equal=None), hunk("b", equal=None), hunk("c"))])
    assert {key: count.cases for key, count in found.items()} == {(WORDS, FileKind.SOURCE): 1}


def test_one_hunk_that_many_merges_repeat_counts_once_and_as_the_newest_of_them() -> None:
    old, new = file("m", 0, hunk("a")), file("n", 9, hunk("a", equal=Equal.DIFFERENT))
    assert (record(old, new).right, record(old, new).cases) == (0, 1)
    assert record(new, old) == record(old, new)


def test_the_same_hunk_by_two_rules_counts_for_both() -> None:
    found = counted([file("m", 0, hunk("a")), file("n", 1, hunk("a", rule="document/keys"))])
    assert len(found) == 2


def test_kinds_of_file_are_counted_apart() -> None:
    other = replace(file("n", 1, hunk("b")), kind=FileKind.MANIFEST)
    assert set(counted([file("m", 0, hunk("a")), other])) == {
        (WORDS, FileKind.SOURCE),
        (WORDS, FileKind.MANIFEST),
    }


def test_of_one_merge_only_so_many_files_are_counted() -> None:
    many = [file("m", 0, hunk(str(n)), path=f"{n}.py") for n in range(MOST_FILES + 5)]
    assert record(*many).cases == MOST_FILES


def test_a_case_of_one_half_life_before_the_newest_weighs_half() -> None:
    found = record(file("m", HALF_LIFE, hunk("a")), file("n", 0, hunk("b", equal=Equal.DIFFERENT)))
    assert (found.weighed.right, found.weighed.total) == (pytest.approx(1.0), pytest.approx(1.5))
    assert (found.right, found.cases) == (1, 2)


def test_the_age_of_a_repository_as_a_whole_does_not_matter() -> None:
    young = [file("m", 0, hunk("a")), file("n", HALF_LIFE, hunk("b"))]
    old = [replace(case, date=case.date + 10 * HALF_LIFE) for case in young]
    assert counted(young) == counted(old)


def test_nothing_counted_is_nothing() -> None:
    assert counted([]) == {}


def whole(merge: str, date: int, key: str = "w", path: str = "a.py") -> FileCase:
    return replace(file(merge, date, hunk(key), path=path), kind=FileKind.PATH)


def test_whole_paths_are_counted_by_themselves_and_move_nothing_of_the_files() -> None:
    files = [file("m", 0, hunk("a")), file("m", 0, hunk("b"), path="z.py")]
    paths = [whole("m", 0, str(n), f"{n}.py") for n in range(MOST_FILES + 5)]
    paths.append(whole("n", HALF_LIFE, "new"))
    found = counted([*files, *paths])
    assert found[WORDS, FileKind.SOURCE] == counted(files)[WORDS, FileKind.SOURCE]
    assert found[WORDS, FileKind.PATH].cases == MOST_FILES + 1
    assert found[WORDS, FileKind.PATH].weighed.total == pytest.approx(1 + MOST_FILES / 2)


def test_a_whole_path_that_is_met_again_counts_once() -> None:
    found = counted([whole("m", 0), whole("n", 1), whole("o", 2, "x")])
    assert found[WORDS, FileKind.PATH].cases == 2


# ------------------------------------------------------------------------------------------------ what they earn


def lines_of(right: int, cases: int, priors: Priors = GOOD, rule: str = WORDS, k: float = 10.0) -> Action:
    count = Count(right=right, cases=cases, weighed=Counts(right=right, total=cases))
    (line,) = rule_lines({(rule, FileKind.SOURCE): count}, priors, k)
    return line.action


@pytest.mark.parametrize(
    ("right", "cases", "priors", "action"),
    [
        (41, 42, GOOD, Action.ACT),
        (2, 2, NOTHING, Action.CONFIRM),  # two right answers are no record
        (25, 42, GOOD, Action.CONFIRM),
        (1, 42, GOOD, Action.OFF),
    ],
)
def test_a_rule_earns_what_the_formula_says(right: int, cases: int, priors: Priors, action: Action) -> None:
    assert lines_of(right, cases, priors) is action


def test_a_dearer_mistake_asks_for_a_better_record() -> None:
    assert lines_of(41, 42, k=10) is Action.ACT
    assert lines_of(41, 42, k=100) is Action.CONFIRM


def test_what_is_right_by_construction_acts_whatever_was_counted() -> None:
    assert lines_of(0, 9, NOTHING, rule=CERTAIN[0]) is Action.ACT


def test_standings_are_what_a_policy_asks_for() -> None:
    count = Count(right=41, cases=42, weighed=Counts(right=41, total=42))
    found = standings(rule_lines({(WORDS, FileKind.SOURCE): count}, GOOD, 10.0))
    assert found == {(WORDS, "source"): Standing(action=Action.ACT, right=41, cases=42)}


# ------------------------------------------------------------------------------------------------- splitting


def history(count: int) -> list[FileCase]:
    return [file(f"m{n}", n, hunk(str(n)), path=f"{n}.py") for n in range(count)]


def test_the_later_part_is_the_last_three_tenths_of_the_merges() -> None:
    parts = split(history(10))
    assert (len(parts.earlier), len(parts.later), parts.since) == (7, 3, 7)
    assert max(case.date for case in parts.earlier) < min(case.date for case in parts.later)


def test_it_is_merges_that_are_split_and_not_files() -> None:
    crowd = [file("m0", 0, hunk(f"c{n}"), path=f"c{n}.py") for n in range(100)]
    assert split([*crowd, *history(10)[1:]]).since == 7


def test_merges_of_one_second_stay_together() -> None:
    parts = split([replace(case, date=5) for case in history(10)])
    assert (len(parts.earlier), len(parts.later)) == (0, 10)


def test_a_file_of_the_later_part_with_a_hunk_that_was_learnt_from_is_left_out() -> None:
    cases = history(10)
    parts = split([*cases[:9], replace(cases[9], hunks=(hunk("3"), hunk("x")))])
    assert [case.merge for case in parts.later] == ["m8", "m7"]
    assert parts.seen == 1


def test_a_conflict_that_the_later_part_repeats_is_there_once() -> None:
    cases = history(10)
    again = replace(cases[8], merge="again", date=10)
    assert [case.merge for case in split([*cases, again]).later] == ["again", "m9", "m7"]


def test_whole_paths_do_not_move_the_day_on_which_the_later_part_begins() -> None:
    paths = [whole(f"w{n}", 100 + n, f"w{n}") for n in range(30)]
    parts = split([*history(10), *paths])
    assert (parts.since, parts.files, parts.paths) == (7, 3, 30)
    assert (split(paths).since, split(paths).paths) == (121, 9)


def test_no_history_has_no_parts() -> None:
    parts = split([])
    assert (parts.earlier, parts.later) == ((), ())


# ------------------------------------------------------------------------------------------------- outcomes


@pytest.mark.parametrize(
    ("case", "actions", "said"),
    [
        (file("m", 0, hunk("a")), {WORDS: Action.ACT}, Outcome.RESOLVED),
        (file("m", 0, hunk("a")), {WORDS: Action.CONFIRM}, Outcome.PROPOSED),
        (file("m", 0, hunk("a", sure=False)), {WORDS: Action.ACT}, Outcome.PROPOSED),
        (file("m", 0, hunk("a"), hunk("b", rule="x/y")), {WORDS: Action.ACT}, Outcome.PROPOSED),
        (file("m", 0, hunk("a"), hunk("b", rule="")), {WORDS: Action.ACT}, Outcome.HANDED_BACK),
        (file("m", 0, hunk("a")), {WORDS: Action.OFF}, None),
        (file("m", 0, hunk("a"), hunk("b", rule="")), {WORDS: Action.OFF}, None),
    ],
)
def test_what_a_policy_would_make_of_a_file(
    case: FileCase, actions: dict[str, Action], said: Outcome | None
) -> None:
    assert outcome(case, Policy(actions=actions)) is said


def test_figures_count_files_by_kind() -> None:
    right, wrong = file("m", 0, hunk("a")), file("n", 0, hunk("b", equal=Equal.DIFFERENT))
    open_ = replace(file("o", 0, hunk("c", rule="")), kind=FileKind.OTHER)
    judged = [
        Judged(case=right, outcome=Outcome.RESOLVED),
        Judged(case=wrong, outcome=Outcome.PROPOSED),
        Judged(case=open_, outcome=Outcome.HANDED_BACK),
    ]
    found = figures(judged, ())
    assert (found.acted.cases, found.acted.answered, found.acted.right) == (3, 1, 1)
    assert (found.answered.answered, found.answered.right) == (2, 1)
    assert {kind: acted.cases for kind, (acted, _) in found.kinds.items()} == {
        FileKind.SOURCE: 2,
        FileKind.OTHER: 1,
    }


def test_figures_and_the_curve_are_of_files_and_whole_paths_are_a_kind() -> None:
    right, path = file("m", 0, hunk("a")), replace(whole("n", 0), equal=Equal.DIFFERENT)
    judged = [Judged(case=one, outcome=Outcome.RESOLVED) for one in (right, path)]
    found = figures(judged, curve([right, path], GOOD, {}))
    assert (found.acted.cases, found.acted.right) == (1, 1)
    assert (found.paths.cases, found.paths.answered, found.paths.right) == (1, 1, 0)
    assert found.every.cost(10) == pytest.approx(10 / 2)
    assert [point.coverage for point in found.curve] == [1.0]
    assert figures(judged[:1], ()).paths.cases == 0


def test_a_policy_is_asked_for_a_whole_path_by_its_record_with_paths() -> None:
    act = Standing(action=Action.ACT, right=9, cases=9)
    policy = Policy(actions={}, standings={(WORDS, "path"): act}, kind=lambda _path: "source")
    assert outcome(whole("m", 0), policy) is Outcome.RESOLVED
    assert outcome(file("m", 0, hunk("a")), policy) is Outcome.PROPOSED


def test_the_curve_goes_from_the_surest_files_to_the_least_sure() -> None:
    sure, doubtful = file("m", 0, hunk("a")), file("n", 0, hunk("b", rule="x/y", equal=Equal.DIFFERENT))
    open_ = file("o", 0, hunk("c", rule=""))
    points = curve([doubtful, open_, sure, replace(sure, merge="p")], GOOD, {})
    assert [(point.coverage, point.risk) for point in points] == [
        (0.5, 0.0),
        (0.75, pytest.approx(1 / 3)),
    ]


def test_a_file_is_as_sure_as_its_weakest_rule() -> None:
    both = file("m", 0, hunk("a"), hunk("b", rule="x/y"))
    alone = file("n", 0, hunk("c"))
    points = curve([both, alone], GOOD, {})
    assert points[0].coverage == 0.5
    assert curve([both], GOOD, {}) == curve([file("m", 0, hunk("b", rule="x/y"))], GOOD, {})


# --------------------------------------------------------------------------------------------- from a conflict

BASE, UP, MINE = b"a\nb\nx = 1\ny\nz\n", b"a\nb\nx = 2\ny\nz\n", b"a\nb\nx = 3\ny\nz\n"
TOP, BOTTOM = b"a\nb\n", b"y\nz\n"


def conflict_of(*hunks: Hunk) -> Conflict:
    row: list[bytes | Hunk] = [TOP]
    for one in hunks:
        row += [one, BOTTOM]
    texts = [Version(path="a", mode="100644", oid="0" * 40, content=text) for text in (BASE, UP, MINE)]
    return Conflict(
        path="a", kind=Kind.CONTENT, base=texts[0], upstream=texts[1], commit=texts[2], segments=tuple(row)
    )


PLACE = Hunk(index=0, base=b"x = 1\n", upstream=b"x = 2\n", commit=b"x = 3\n", line=3)


def climbed(answer: bytes, human: bytes, *hunks: Hunk) -> FileCase:
    conflict = conflict_of(PLACE, *hunks)
    given = HunkAnswer(index=0, text=answer, rung="structural", rule="words apart", why="because")
    rung = Rung(name="structural", resolver="structural", ask=lambda _conflict: Candidate(answers=(given,)))
    case = Case(merge="m", date=7, conflict=conflict, human=human, language=None, how="squash")
    return file_case(case, climb([conflict], [rung], replace(OPEN, paths=Paths())), 1.5)


def test_a_case_says_what_was_answered_and_whether_people_wrote_it() -> None:
    case = climbed(b"x = 5\n", TOP + b"x = 5\n" + BOTTOM)
    (one,) = case.hunks
    assert (one.rule, one.equal, one.excerpt, one.sure) == (WORDS, Equal.EXACT, None, True)
    assert (case.merge, case.date, case.how, case.equal, case.ms) == ("m", 7, "squash", Equal.EXACT, 1.5)
    assert one.key == key_of(PLACE)


def test_a_differing_answer_keeps_an_excerpt_for_a_persons_eye() -> None:
    (one,) = climbed(b"x = 5\n", TOP + b"x = 6\n" + BOTTOM).hunks
    assert one.equal is Equal.DIFFERENT
    assert one.excerpt is not None
    assert (one.excerpt.answer, one.excerpt.human, one.excerpt.line) == (b"x = 5\n", b"x = 6\n", 3)
    assert (one.excerpt.why, one.excerpt.cut) == ("because", False)


def test_a_long_text_is_cut_in_the_excerpt() -> None:
    (one,) = climbed(b"x" * (EXCERPT + 1) + b"\n", TOP + b"x = 6\n" + BOTTOM).hunks
    assert one.excerpt is not None
    assert (len(one.excerpt.answer), one.excerpt.cut) == (EXCERPT, True)


def test_a_hunk_of_a_file_that_stays_open_counts_all_the_same() -> None:
    other = Hunk(index=1, base=b"p\n", upstream=b"q\n", commit=b"r\n", line=9)
    case = climbed(b"x = 5\n", TOP + b"x = 5\n" + BOTTOM + b"s\n" + BOTTOM, other)
    assert case.equal is None
    assert [(one.rule, one.equal) for one in case.hunks] == [(WORDS, Equal.EXACT), ("", None)]
    assert case.rules == ()


def test_an_answer_for_the_whole_path_counts_as_one() -> None:
    conflict = conflict_of(PLACE, replace(PLACE, index=1))
    answer = WholeAnswer(path="a", rung="lockfile", rule="written anew", why="because", text=b"new\n")
    rung = Rung(name="lockfile", resolver="x", ask=lambda _conflict: Candidate(whole=answer), whole=True)
    answers = climb([conflict], [rung], replace(OPEN, paths=Paths()))
    for human, equal in ((b"new\n", Equal.EXACT), (b"old\n", Equal.DIFFERENT)):
        (one,) = file_case(
            Case(merge="m", date=7, conflict=conflict, human=human, language=None), answers, 1
        ).hunks
        assert (one.rule, one.equal) == ("lockfile/written anew", equal)


def test_hunks_of_equal_sides_have_one_key_and_others_have_others() -> None:
    assert key_of(PLACE) == key_of(replace(PLACE, index=4, line=90))
    assert key_of(PLACE) != key_of(replace(PLACE, upstream=PLACE.commit, commit=PLACE.upstream))
    assert key_of(replace(PLACE, base=b"ab", upstream=b"c")) != key_of(
        replace(PLACE, base=b"a", upstream=b"bc")
    )
