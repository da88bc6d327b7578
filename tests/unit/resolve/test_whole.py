"""Answers for a path as a whole beside what people left there: each kind of answer, right and wrong."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from flowforge.core.conflict import Abstain, Candidate, Conflict, Kind, Version, WholeAnswer, resolve_whole
from flowforge.resolve.cases import FileCase, file_case
from flowforge.resolve.difference import Difference
from flowforge.resolve.equality import Equal
from flowforge.resolve.kinds import FileKind
from flowforge.resolve.ladder import Rung, climb
from flowforge.resolve.policy import PATH, Action, Paths, Policy, Standing
from flowforge.resolve.replay import Case, Outcome, counts, judged
from flowforge.resolve.rungs import language_of
from flowforge.resolve.whole import difference_whole, equal_whole, key_of_path, took_whole
from tests.golden.rungs import registry

PYTHON = registry().languages["python"]
FILE, RUNS, LINK, MODULE = "100644", "100755", "120000", "160000"


def version(content: bytes | None, path: str = "a", mode: str = FILE, oid: str = "") -> Version:
    return Version(path=path, mode=mode, oid=oid or (content or b"?").hex(), content=content)


BASE, UP, MINE = (version(text) for text in (b"x = 1\n", b"x = 2\n", b"x  =  1\n"))
DELETED = Conflict(path="a", kind=Kind.MODIFY_DELETE, base=BASE, upstream=None, commit=MINE, places=("a",))
CHANGED = replace(DELETED, upstream=UP)
NAMED = Conflict(  # each side gave it a name
    path="a",
    kind=Kind.RENAME_RENAME,
    base=BASE,
    upstream=replace(BASE, path="b"),
    commit=replace(BASE, path="c"),
    places=("a", "b", "c"),
)
MOVED = Conflict(  # put into a folder that the other side renamed
    path="e/a",
    kind=Kind.DIRECTORY_RENAME,
    base=None,
    upstream=None,
    commit=replace(BASE, path="d/a"),
    places=("e/a",),
)
LINKS = replace(
    CHANGED,
    kind=Kind.SYMLINK,
    base=version(b"old", mode=LINK),
    upstream=version(b"./to", mode=LINK),
    commit=version(b"to", mode=LINK),
)
BINARY = replace(
    CHANGED,
    kind=Kind.BINARY,
    base=version(None, oid="1" * 40),
    upstream=version(None, oid="2" * 40),
    commit=version(None, oid="3" * 40),
)
MODULES = replace(
    BINARY,
    kind=Kind.SUBMODULE,
    upstream=version(None, mode=MODULE, oid="4" * 40),
    commit=version(None, mode=MODULE, oid="5" * 40),
)


def gone(path: str = "a") -> WholeAnswer:
    return WholeAnswer(path=path, rung="mechanical", rule="r", why="w")


def taken(one: Version | None, path: str = "a", mode: str = "") -> WholeAnswer:
    assert one is not None
    return replace(gone(path), version=one, mode=mode or one.mode)


def text(content: bytes, mode: str = FILE) -> WholeAnswer:
    return replace(gone(), text=content, mode=mode)


EXACT, SPACE, ORDER, OTHER = Equal.EXACT, Equal.WHITESPACE, Equal.ORDER, Equal.DIFFERENT


@pytest.mark.parametrize(
    ("conflict", "answer", "stood", "equal"),
    [
        pytest.param(DELETED, gone(), [], EXACT, id="removed, and people removed it"),
        pytest.param(DELETED, gone(), [MINE], OTHER, id="removed, and people kept it"),
        pytest.param(DELETED, taken(MINE), [MINE], EXACT, id="kept, and people kept it"),
        pytest.param(DELETED, taken(MINE), [], OTHER, id="kept, and people removed it"),
        pytest.param(CHANGED, taken(UP), [UP], EXACT, id="upstream's, as people took it"),
        pytest.param(CHANGED, taken(UP), [MINE], OTHER, id="upstream's, and people took the commit's"),
        pytest.param(CHANGED, taken(MINE), [MINE], EXACT, id="the commit's, as people took it"),
        pytest.param(CHANGED, taken(MINE), [UP], OTHER, id="the commit's, and people took upstream's"),
        pytest.param(CHANGED, taken(UP), [version(b"\n  x = 2\n")], SPACE, id="but for whitespace"),
        pytest.param(CHANGED, taken(UP), [replace(UP, mode=RUNS)], OTHER, id="of another mode"),
        pytest.param(CHANGED, text(b"x = 3\n"), [version(b"x = 3\n")], EXACT, id="a text, as people wrote"),
        pytest.param(CHANGED, text(b"q\np\n"), [version(b"p\nq\n")], ORDER, id="a text in other order"),
        pytest.param(CHANGED, text(b"x = 3\n"), [version(b"x = 4\n")], OTHER, id="another text"),
        pytest.param(CHANGED, text(b"x = 3\n"), [], OTHER, id="a text, and people removed it"),
        pytest.param(CHANGED, text(b""), [version(b"")], EXACT, id="an empty text"),
        pytest.param(CHANGED, text(b""), [], OTHER, id="an empty text is not nothing"),
        pytest.param(NAMED, taken(BASE, "b"), [replace(BASE, path="b")], EXACT, id="one of two names"),
        pytest.param(NAMED, taken(BASE, "b"), [replace(BASE, path="c")], OTHER, id="the other of two names"),
        pytest.param(
            NAMED,
            taken(BASE, "b"),
            [replace(BASE, path="b"), replace(BASE, path="c")],
            OTHER,
            id="one name, and people kept both",
        ),
        pytest.param(MOVED, taken(MOVED.commit, "e/a"), [replace(BASE, path="e/a")], EXACT, id="moved along"),
        pytest.param(MOVED, taken(MOVED.commit, "e/a"), [replace(BASE, path="d/a")], OTHER, id="left there"),
        pytest.param(LINKS, taken(LINKS.commit), [LINKS.commit], EXACT, id="a link"),
        pytest.param(LINKS, taken(LINKS.commit), [LINKS.upstream], OTHER, id="a link that leads elsewhere"),
        pytest.param(LINKS, taken(LINKS.commit), [version(b"to")], OTHER, id="a file is no link"),
        pytest.param(
            LINKS, taken(LINKS.commit), [version(b"to\n", mode=LINK)], OTHER, id="whitespace leads elsewhere"
        ),
        pytest.param(BINARY, taken(BINARY.upstream), [BINARY.upstream], EXACT, id="what was not read"),
        pytest.param(
            BINARY,
            taken(BINARY.upstream),
            [version(b"", oid="3" * 40)],
            OTHER,
            id="what was not read beside what was",
        ),
        pytest.param(
            CHANGED, text(b"\0 a\n"), [version(b"\0  a\n")], OTHER, id="bytes that are no text by the byte"
        ),
        pytest.param(MODULES, taken(MODULES.commit), [MODULES.commit], EXACT, id="a submodule's commit"),
        pytest.param(MODULES, taken(MODULES.commit), [MODULES.upstream], OTHER, id="another commit of it"),
    ],
)
def test_an_answer_is_equal_where_it_leaves_at_every_path_what_people_left(
    conflict: Conflict, answer: WholeAnswer, stood: Sequence[Version], equal: Equal
) -> None:
    assert equal_whole(resolve_whole(conflict, answer), stood) is equal


@pytest.mark.parametrize(
    ("conflict", "stood", "took"),
    [
        (DELETED, [], "upstream"),  # who deleted has nothing
        (DELETED, [MINE], "commit"),
        (DELETED, [BASE], "base"),
        (DELETED, [version(b"x = 9\n")], ""),
        (DELETED, [replace(MINE, mode=RUNS)], ""),
        (CHANGED, [], "removed"),
        (CHANGED, [UP], "upstream"),
        (replace(CHANGED, base=None), [], "removed"),
        (NAMED, [replace(BASE, path="b")], "upstream"),
        (NAMED, [replace(BASE, path="b"), replace(BASE, path="c")], ""),
        (MOVED, [replace(BASE, path="d/a")], "commit"),
        (MOVED, [replace(BASE, path="e/a")], ""),
    ],
)
def test_whose_state_of_the_paths_people_took(
    conflict: Conflict, stood: Sequence[Version], took: str
) -> None:
    assert took_whole(conflict, stood) == took


@pytest.mark.parametrize(
    ("conflict", "answer", "stood", "said"),
    [
        (CHANGED, taken(UP), [], Difference.REMOVED),
        (DELETED, gone(), [MINE], Difference.TOOK_COMMIT),
        (DELETED, taken(MINE), [], Difference.TOOK_UPSTREAM),
        (DELETED, gone(), [BASE], Difference.TOOK_BASE),
        (DELETED, gone(), [version(b"y = 1\n")], Difference.NEW_WORDS),
        (DELETED, gone(), [version(b"x\n")], Difference.MORE),
        (CHANGED, taken(UP), [version(b"x = 2 1\n")], Difference.MORE),
        (CHANGED, taken(UP, mode=FILE), [replace(UP, mode=RUNS)], Difference.MODE),
        (MOVED, taken(MOVED.commit, "e/a"), [replace(BASE, path="d/a", mode=RUNS)], Difference.PLACE),
        (NAMED, taken(BASE, "b"), [replace(BASE, path="b"), replace(BASE, path="c")], Difference.MORE),
        (BINARY, taken(BINARY.upstream), [version(b"z", oid="6" * 40)], Difference.OTHERWISE),
    ],
)
def test_how_a_different_answer_differs(
    conflict: Conflict, answer: WholeAnswer, stood: Sequence[Version], said: Difference
) -> None:
    whole = resolve_whole(conflict, answer)
    assert equal_whole(whole, stood) is Equal.DIFFERENT
    assert difference_whole(whole, stood) is said


def test_conflicts_of_equal_versions_have_one_key_and_others_have_others() -> None:
    assert key_of_path(DELETED) == key_of_path(replace(DELETED, subject="again", commit_id="f" * 40))
    others = [
        replace(DELETED, kind=Kind.RENAME_DELETE),
        replace(DELETED, path="b", places=("b",)),
        replace(DELETED, commit=replace(MINE, mode=RUNS)),
        replace(DELETED, commit=UP),
        replace(DELETED, commit=None, upstream=MINE),
        replace(DELETED, commit=replace(MINE, path="b")),
    ]
    assert len({key_of_path(one) for one in (DELETED, *others)}) == 1 + len(others)


# ------------------------------------------------------------------------------------------ as a case, and a row


def case(conflict: Conflict, *stood: Version, language: str = "") -> Case:
    languages = registry().languages.values()
    return Case(
        merge="m",
        date=0,
        conflict=conflict,
        human=None,
        language=language_of(language, languages) if language else None,
        stood=stood,
    )


def rung(answer: WholeAnswer | None) -> Rung:
    def ask(_conflict: Conflict) -> Candidate | Abstain:
        return Abstain(why="changed", sentence="s") if answer is None else Candidate(whole=answer)

    return Rung(name="mechanical", resolver="paths", ask=ask, whole=True)


def counted(asked: Case, answer: WholeAnswer | None) -> FileCase:
    policy = Policy(actions={}, otherwise=Action.ACT, paths=Paths(protected=()))
    return file_case(asked, climb([asked.conflict], [rung(answer)], policy), 1.0)


def test_a_path_is_counted_as_one_place_of_a_kind_of_its_own() -> None:
    found = counted(case(DELETED), gone())
    (one,) = found.hunks
    assert (found.kind, found.whole, found.equal) == (FileKind.PATH, True, Equal.EXACT)
    assert (one.key, one.rule, one.right, one.excerpt) == (key_of_path(DELETED), "mechanical/r", True, None)


def test_a_path_that_nobody_answers_is_there_and_not_counted() -> None:
    found = counted(case(DELETED), None)
    assert (found.equal, found.rules) == (None, ())
    assert [(one.key, one.counted) for one in found.hunks] == [(key_of_path(DELETED), False)]


def test_a_differing_answer_for_a_path_is_shown_with_what_people_left() -> None:
    (one,) = counted(case(DELETED, MINE), gone()).hunks
    assert one.excerpt is not None
    assert (one.excerpt.line, one.excerpt.answer, one.excerpt.human) == (0, b"", MINE.content)
    assert (one.excerpt.base, one.excerpt.upstream, one.difference) == (
        BASE.content,
        b"",
        Difference.TOOK_COMMIT,
    )
    (one,) = counted(case(MODULES, *filter(None, [MODULES.upstream])), taken(MODULES.commit)).hunks
    assert one.excerpt is not None
    assert one.excerpt.answer == f"(no text: mode 160000, {'5' * 40})\n".encode()


@pytest.mark.parametrize(
    ("stood", "told"),
    [
        ((), True),  # to remove it is a judgement
        ((version(b"x = 5\n", "a.py"),), True),
        ((version(b"x = (\n", "a.py"),), False),
        ((version(b"<<<<<<< a\nx\n>>>>>>> b\n", "a.py"),), False),
        ((version(b"\0(", "a.py"),), True),
        ((version(b"to", "a.py", LINK),), True),
    ],
)
def test_an_accident_of_people_is_not_judged_by(stood: tuple[Version, ...], told: bool) -> None:
    conflict = replace(
        DELETED,
        path="a.py",
        base=replace(BASE, path="a.py"),
        commit=replace(MINE, path="a.py"),
        places=("a.py",),
    )
    assert counts(case(conflict, *stood, language="a.py")) is told
    broken = version(b"x = (\n", "a.py")
    assert counts(case(replace(conflict, commit=broken), broken, language="a.py"))


@pytest.mark.parametrize(
    ("answer", "whole", "stands_at", "outcome"),
    [
        (gone(), "removed", "", Outcome.RESOLVED),
        (taken(MINE), "commit", "a", Outcome.RESOLVED),
        (text(b"x = 1\n"), "text", "a", Outcome.RESOLVED),
        (None, "", "", Outcome.HANDED_BACK),
    ],
)
def test_a_row_tells_what_an_answer_leaves(
    answer: WholeAnswer | None, whole: str, stands_at: str, outcome: Outcome
) -> None:
    policy = Policy(actions={"mechanical": Action.ACT}, paths=Paths(protected=()))
    asked = case(DELETED)
    row = judged(asked, climb([DELETED], [rung(answer)], policy), 1.0)
    assert (row.whole, row.stands_at, row.outcome) == (whole, stands_at, outcome)
    assert (row.kind, row.conflict, row.conflicts, row.human_took_side) == (
        FileKind.PATH,
        Kind.MODIFY_DELETE,
        0,
        "upstream",
    )
    assert row.right is (whole == "removed")
    assert row.parses is None


# ----------------------------------------------------------------------------------------------- and its standing


def test_a_rule_for_whole_paths_stands_by_its_record_with_paths_whatever_the_file() -> None:
    standing = Standing(action=Action.ACT, right=40, cases=40)
    policy = Policy(actions={}, standings={("mechanical/r", PATH): standing}, kind=lambda _path: "source")
    (found,) = climb([DELETED], [rung(gone())], policy).resolutions
    (answer,) = found.given
    assert answer.confirmed
    assert answer.why == "w; mechanical acts here: right 40 of 40 in this repository's history"


@pytest.mark.parametrize("kind", ["source", "other"])
def test_a_record_with_files_says_nothing_of_whole_paths(kind: str) -> None:
    standing = Standing(action=Action.ACT, right=40, cases=40)
    policy = Policy(actions={}, standings={("mechanical/r", kind): standing}, kind=lambda _path: kind)
    (found,) = climb([DELETED], [rung(gone())], policy).resolutions
    assert not found.given[0].confirmed
    assert policy.action("mechanical", "r", "a") is Action.ACT


def test_a_rule_that_is_off_for_paths_leaves_them_to_a_person_and_says_its_record() -> None:
    standing = Standing(action=Action.OFF, right=0, cases=30)
    policy = Policy(actions={}, standings={("mechanical/r", PATH): standing})
    answers = climb([DELETED], [rung(gone())], policy)
    assert answers.resolutions == ()
    assert "right 0 of 30" in answers.notes[0].sentence
