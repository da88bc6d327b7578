"""What the checks of an answer must let through, and where exactly they begin: the other side of the attack table."""

import json
from dataclasses import replace
from typing import Any

import pytest

from flowforge.core.conflict import Candidate, Conflict, Hunk, HunkAnswer, Kind
from flowforge.resolve.answer import check
from flowforge.resolve.answer_brings import runs_of
from flowforge.resolve.answer_ends import fit_line_ends
from flowforge.resolve.answer_known import Known, indent
from flowforge.resolve.answer_shape import Flaw, Problem


def conflict(
    hunk: Hunk, *, path: str = "a.py", before: bytes = b"top line\n", after: bytes = b"end line\n"
) -> Conflict:
    return Conflict(
        path=path, kind=Kind.CONTENT, base=None, upstream=None, commit=None, segments=(before, hunk, after)
    )


def hunk(base: str, upstream: str, commit: str) -> Hunk:
    return Hunk(index=0, base=base.encode(), upstream=upstream.encode(), commit=commit.encode())


def judged(where: Conflict, text: str, **values: Any) -> HunkAnswer | Flaw:
    usual = {
        "id": 0,
        "action": "merged",
        "text": text,
        "kept": [],
        "dropped": [],
        "why": "w",
        "elsewhere": [],
    }
    made = check(where, json.dumps({"hunks": [{**usual, **values}]}))
    if isinstance(made, Problem):
        return made.flaw
    assert isinstance(made, Candidate)
    return made.answers[0]


def taken(where: Conflict, text: str, **values: Any) -> HunkAnswer:
    made = judged(where, text, **values)
    assert isinstance(made, HunkAnswer), made
    return made


IMPORTS = hunk("from a import b\n", "from a import b, c\n", "from a import b, d\n")


def test_imports_of_both_sides_may_be_merged_into_one_line() -> None:
    assert taken(conflict(IMPORTS), "from a import b, c, d\n").text == b"from a import b, c, d\n"


def test_a_call_that_a_side_has_may_stay() -> None:
    calls = hunk("run()\n", "run()\nos.system(cmd)\n", "run()\ncheck(cmd)\n")
    assert taken(conflict(calls), "run()\nos.system(cmd)\ncheck(cmd)\n")
    assert judged(conflict(calls), "run()\nos.system(cmd)\ncheck(os.system(cmd))\n") is not Flaw.DANGEROUS
    twice = "run()\nos.system(cmd)\ncheck(cmd)\nos.system(run)\nos.system(check)\n"
    assert judged(conflict(calls), twice) is Flaw.DANGEROUS


def test_a_call_of_another_place_of_the_file_is_no_leave_for_one_here() -> None:
    plain = hunk("run()\n", "run()\nlog()\n", "run()\ncheck()\n")
    where = conflict(plain, before=b"eval(path)\n")
    assert judged(where, "run()\nlog()\ncheck()\neval(log)\n") is Flaw.DANGEROUS


def test_a_host_that_the_file_knows_may_stand_in_a_new_address() -> None:
    urls = hunk("get('https://x.org/a')\n", "get('https://x.org/b')\n", "get('https://x.org/a?q=t')\n")
    assert taken(conflict(urls), "get('https://x.org/b?q=t')\n")
    assert judged(conflict(urls), "get('https://y.org/b?q=t')\n") is Flaw.NEW_ADDRESS


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("\tx = 1\n\ty = 2\n", None),
        ("    x = 1\n\ty = 2\n", Flaw.INDENTATION),
        ("x = 1\ny = 2\n", None),  # no indentation at all is a choice of the text
    ],
)
def test_a_file_of_tabs_gets_no_spaces(text: str, flaw: Flaw | None) -> None:
    made = judged(conflict(hunk("", "\tx = 1\n", "\ty = 2\n"), before=b"def f():\n", after=b"end()\n"), text)
    assert made is flaw if flaw else isinstance(made, HunkAnswer)


def test_each_line_keeps_its_own_indentation_in_a_file_of_both() -> None:
    both = hunk("", "all:\n\techo a\n", "    x = 1\n")
    assert taken(conflict(both), "all:\n\techo a\n    x = 1\n")
    assert judged(conflict(both), "all:\n    echo a\n    x = 1\n") is Flaw.INDENTATION


def test_a_file_without_indentation_has_no_habit() -> None:
    flat = hunk("a = 1\n", "a = 2\n", "a = 1\nb = 3\n")
    assert taken(conflict(flat), "a = 2\nif a:\n    b = 3\n")


@pytest.mark.parametrize(
    ("line", "kind"),
    [("a", ""), ("  a", "spaces"), ("\ta", "tabs"), ("\t a", "both"), ("", ""), ("   ", "spaces")],
)
def test_how_a_line_is_indented(line: str, kind: str) -> None:
    assert indent(line) == kind


def test_a_line_that_every_side_has_beside_the_hunk_too_is_no_copy() -> None:
    lines = hunk("return result\n", "return result\nlog(result)\n", "check(result)\nreturn result\n")
    where = conflict(lines, before=b"return result\n")
    assert taken(where, "check(result)\nreturn result\nlog(result)\n")


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("one line here\nx = 2\ny = 3\n", Flaw.OTHER_PLACE),
        ("x = 2\ny = 3\nlast line here\n", Flaw.OTHER_PLACE),
    ],
)
def test_the_lines_around_a_hunk_are_not_repeated(text: str, flaw: Flaw) -> None:
    where = conflict(
        hunk("x = 1\n", "x = 2\n", "x = 1\ny = 3\n"), before=b"one line here\n\n", after=b"\nlast line here\n"
    )
    assert judged(where, text) is flaw
    assert taken(where, "x = 2\ny = 3\n")


def test_versions_that_a_side_has_may_meet_in_a_manifest() -> None:
    pins = hunk("a==1.0\n", "a==1.1\n", "a==1.0\nb==2.0\n")
    assert taken(conflict(pins, path="requirements.txt"), "a==1.1\nb==2.0\n")
    assert judged(conflict(pins, path="requirements.txt"), "a==1.2\nb==2.0\n") is Flaw.NEW_DEPENDENCY
    assert judged(conflict(pins, path="notes.md"), "a==1.2\nb==2.0\n") is Flaw.LOST_CHANGE


@pytest.mark.parametrize(
    ("sides", "text", "fitted"),
    [
        (("a\n", "b\n", "c\n"), "x\r\ny\r\n", "x\ny\n"),
        (("a\r\n", "b\r\n", "c\r\n"), "x\ny\n", "x\r\ny\r\n"),
        (("a\r\n", "b\r\n", "c\r\n"), "x\r\ny\n", "x\r\ny\r\n"),
        (("a\r\nb\n", "a\r\nb\nc\r\n", "a\r\nb\n"), "a\nb\nc\nnew\n", "a\r\nb\nc\r\nnew\r\n"),
        (("a", "b", "c"), "x", "x"),
        (("a\n", "b\n", "c\n"), "x", "x\n"),
        (("", "", ""), "x\n", "x\n"),
    ],
)
def test_line_ends_are_those_of_the_place(sides: tuple[str, str, str], text: str, fitted: str) -> None:
    assert fit_line_ends(text, hunk(*sides)) == fitted


def test_a_long_run_of_words_is_known_however_it_is_laid_out() -> None:
    text = "one two three four five six seven eight nine"
    assert runs_of([text]) & runs_of([text.upper().replace(" ", "\n# ")])
    assert not runs_of(["one two three"])


def test_what_other_hunks_have_is_known_only_where_it_is_theirs() -> None:
    other = replace(IMPORTS, index=1, upstream=b"shared line here\nown line here\n")
    here = hunk("x\n", "x\nshared line here\n", "y\n")
    segments = (b"", here, b"between\n", other, b"")
    known = Known(replace(conflict(here), segments=segments))
    assert "own line here" in known.of_other_hunks(0)
    assert "shared line here" not in known.of_other_hunks(0)


@pytest.mark.parametrize(
    ("sides", "text", "dropped", "why"),
    [
        (("a(1)\n", "a(2)\n", "a(1, b)\n"), "a(2, b)\n", [], ""),
        (("a(1)\n", "a(2)\n", "a(1, b)\n"), "a(1, b)\n", [("upstream", "1 2")], "gives up what upstream changed"),
        (("a(1)\n", "a(2)\n", "a(1, b)\n"), "a(2)\n", [("commit", "b")], ""),
        (("x\n", "x\n\nit('works', f)\n", "y\n"), "y\n", [("upstream", "it works f")], "gives up a test"),
        (("x\n", "y\n", "x\nassert f(x)\n"), "y\n", [("commit", "assert f x")], "gives up a test"),
        (("a(1)\n", "a(2)\n", "a(3)\n"), "a(4)\n", [("upstream", "2"), ("commit", "3")], "number 4"),
    ],
)  # fmt: skip
def test_who_must_agree(
    sides: tuple[str, str, str], text: str, dropped: list[tuple[str, str]], why: str
) -> None:
    notes = [{"side": side, "what": what, "why": "y"} for side, what in dropped]
    answer = taken(conflict(hunk(*sides)), text, dropped=notes)
    assert (why in answer.approval) if why else answer.approval == ""
