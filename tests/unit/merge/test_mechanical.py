"""The mechanical rules, the ladder's first answers: whitespace, and versions of manifests."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.conflict import Abstain, Candidate, Conflict, Hunk, HunkAnswer, Kind, Version
from flowforge.hooks.contracts import Language, ResolveContext
from flowforge.merge import bumps, whitespace

GO = ResolveContext(language=Language(id="go", globs=("*.go",)))
PYTHON = ResolveContext(language=Language(id="python", globs=("*.py",), indentation=True))
UNKNOWN = ResolveContext()


def conflict(base: bytes, upstream: bytes, commit: bytes, path: str = "a.go") -> Conflict:
    side = Version(path=path, mode="100644", oid="0" * 40, content=b"")
    hunk = Hunk(index=0, base=base, upstream=upstream, commit=commit)
    return Conflict(
        path=path, kind=Kind.CONTENT, base=side, upstream=side, commit=side, segments=(b"", hunk, b"")
    )


def only(said: Candidate | Abstain) -> HunkAnswer | None:
    return said.answers[0] if isinstance(said, Candidate) else None


def mechanically(
    base: bytes, upstream: bytes, commit: bytes, context: ResolveContext = GO
) -> HunkAnswer | None:
    return only(whitespace.resolve(conflict(base, upstream, commit), context))


def test_identical_edits_are_taken_once() -> None:
    found = mechanically(b"a\n", b"b\n", b"b\n")
    assert found is not None
    assert (found.text, found.rule) == (b"b\n", "identical edits")


def test_the_same_edit_up_to_line_ends_takes_upstreams() -> None:
    found = mechanically(b"a\n", b"b\n", b"b  \n\n")
    assert found is not None
    assert (found.text, found.rule) == (b"b\n", "same edit, trailing whitespace")


def said(
    base: bytes, upstream: bytes, commit: bytes, context: ResolveContext = GO
) -> tuple[bytes, str] | str:
    """The answer's text and rule, or the word of the abstention."""
    found = whitespace.resolve(conflict(base, upstream, commit), context)
    if isinstance(found, Abstain):
        return found.why
    return found.answers[0].text, found.answers[0].rule


def test_a_side_that_changed_whitespace_only_gives_way() -> None:
    base, spaced, worded = b"f(a,b)\n", b"f(a, b)\n", b"f(a,c)\n"
    assert said(base, spaced, worded) == (worded, "whitespace-only upstream")
    assert said(base, worded, spaced) == (worded, "whitespace-only commit")


@pytest.mark.parametrize(
    ("base", "spaced", "worded"),
    [
        (b"f(a,b)\n", b"f(a, b)\n", b"f(a,b,c)\n"),  # `b` stands still, and its whitespace is new
        (b"a=1\nb=2\n", b"a = 1\nb=2\n", b"a=1\nb=3\n"),  # on the line above
        (b"a=1\n", b"a = 1\n", b"a=1\nb=2\n"),  # beside a line that was added
        (b"def f(a,b):\n    g()\n", b"def f(a, b):\n    g()\n", b"def f(a,b):\n    h()\n"),
    ],
)
def test_a_new_layout_of_words_that_stand_still_is_a_doubt(base: bytes, spaced: bytes, worded: bytes) -> None:
    assert said(base, spaced, worded) == "reformatted"
    assert said(base, worded, spaced) == "reformatted"


def test_what_one_side_removed_needs_no_layout() -> None:
    base, spaced = b"a = f(1,2)\nb = 2\n", b"a = f(1, 2)\n\nb = 2\n"
    assert said(base, spaced, b"") == (b"", "removed beside whitespace")
    assert said(base, b"", spaced) == (b"", "removed beside whitespace")
    joined = b"    a = f(1,\n          2)\n    b = 2\n"
    assert said(base, b"\n", joined) == (b"\n", "removed beside whitespace")


def test_what_one_side_removed_and_the_other_changed_stays_a_conflict() -> None:
    assert said(b"a = 1\n", b"", b"a = 2\n") == "both_changed"
    assert said(b'a = "b c"\n', b"", b'a = "b  c"\n') == "both_changed"


def test_whitespace_that_both_sides_changed_is_a_doubt() -> None:
    assert said(b"a = 1 # one\n", b"a = 1  # one\n", b"a = 1    # one\n") == "reformatted"


def test_whitespace_before_one_word_changed_by_both_is_left_open_where_upstreams_would_go() -> None:
    base, spaced, worded = b"a\nb\n", b"a\n\nb\n", b"c\n\n\nb\n"
    assert said(base, worded, spaced) == (worded, "whitespace-only commit")
    assert said(base, spaced, worded) == "both_changed"


@pytest.mark.parametrize("context", [GO, PYTHON, UNKNOWN])
def test_indentation_is_a_change(context: ResolveContext) -> None:
    """It has a meaning, or the other side's edit would stand at the old depth."""
    sides = (b"if a:\n    b()\n", b"if a:\n        b()\n", b"if a:\n    c()\n")
    assert mechanically(*sides, context=context) is None


def test_whitespace_inside_a_string_is_no_whitespace() -> None:
    assert mechanically(b'f("a b")\n', b'f("a  b")\n', b'g("a b")\n') is None


def test_whitespace_that_parts_words_is_not_thrown_away() -> None:
    assert mechanically(b"return x\n", b"returnx\n", b"return y\n") is None


def test_blank_lines_added_on_one_side_give_way() -> None:
    found = mechanically(b"a\n", b"a\n\n", b"b\n", context=PYTHON)
    assert found is not None
    assert found.text == b"b\n"


def test_blank_lines_alone_are_no_side() -> None:
    assert mechanically(b"\n", b"\n\n", b"a\n") is None


def test_an_edit_on_both_sides_is_not_mechanical() -> None:
    said = whitespace.resolve(conflict(b"a\n", b"b\n", b"c\n"), GO)
    assert isinstance(said, Abstain)
    assert said.why == "both_changed"


def larger(base: str, upstream: str, commit: str, path: str) -> str | None:
    said = bumps.resolve(conflict(base.encode(), upstream.encode(), commit.encode(), path), UNKNOWN)
    found = only(said)
    return found.text.decode() if found else None


@pytest.mark.parametrize(
    ("path", "old", "one", "two", "wins"),
    [
        ("package.json", "1.2.3", "1.3.0", "1.2.10", "1.3.0"),
        ("package.json", "1.2.3", "1.2.9", "1.2.10", "1.2.10"),
        ("package.json", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0", "1.0.0"),
        ("Cargo.toml", "0.9.0", "0.10.0", "0.9.1", "0.10.0"),
        ("sub/go.mod", "v1.2.0", "v1.4.0", "v1.3.9", "v1.4.0"),
        ("pom.xml", "5.1.0", "5.2.0", "5.1.1", "5.2.0"),
        ("build.gradle", "1.8.0", "1.8.1", "1.9.0", "1.9.0"),
        ("pyproject.toml", "2.0", "2.0.1", "2.1rc1", "2.1rc1"),
        ("requirements-dev.txt", "8.0.1", "8.2.0", "8.1.2", "8.2.0"),
        ("setup.cfg", "1.0.dev1", "1.0", "1.0rc1", "1.0"),
        ("pom.xml", "5.1.0.Final", "5.2.0.Final", "5.1.1.Final", "5.2.0.Final"),
        ("build.gradle", "6.0.0-M1", "6.0.0-RC1", "6.0.0-M3", "6.0.0-RC1"),
        ("gradle.properties", "5.7.1-SNAPSHOT", "6.0.0-SNAPSHOT", "5.7.2-SNAPSHOT", "6.0.0-SNAPSHOT"),
        ("gradle/libs.versions.toml", "1.9.20.1", "1.9.21", "1.9.20.2", "1.9.21"),
        ("requirements/dev.txt", "2.1", "2.2", "2.10", "2.10"),
        (
            "go.mod",
            "v0.0.0-20220722155238-128564f6959c",
            "v0.0.0-20220909003341-f21342109be1",
            "v0.1.0",
            "v0.1.0",
        ),
    ],
)
def test_the_larger_version_wins(path: str, old: str, one: str, two: str, wins: str) -> None:
    line = 'lib = "{}"\n'
    assert larger(line.format(old), line.format(one), line.format(two), path) == line.format(wins)


def test_each_version_of_a_hunk_is_chosen_by_itself() -> None:
    found = larger(
        '"a": "1.0.0",\n"b": "2.0.0"\n',
        '"a": "1.1.0",\n"b": "2.0.0"\n',
        '"a": "1.0.1",\n"b": "2.1.0"\n',
        "package.json",
    )
    assert found == '"a": "1.1.0",\n"b": "2.1.0"\n'


@pytest.mark.parametrize(
    ("path", "base", "upstream", "commit"),
    [
        ("package.json", '"a": "1.0.0"', '"b": "1.1.0"', '"a": "1.0.1"'),  # more than versions
        ("package.json", '"a": "1.0.0"', '"a": "^1.1.0"', '"a": "1.0.1"'),  # a range on one side
        ("requirements.txt", "a>=1.0,<2.0", "a>=1.1,<2.0", "a>=1.2,<2.0"),  # ranges
        ("package.json", '"a": "1.5.0"', '"a": "1.4.0"', '"a": "1.6.0"'),  # one side went back
        ("requirements.txt", "a==1.4.0\nb==1.0.0", "a==1.3.0\nb==1.0.0", "a==1.4.0\nb==1.1.0"),  # or here
        ("pom.xml", "<v>5.1.0-jre</v>", "<v>5.2.0-jre</v>", "<v>5.1.1-android</v>"),  # flavours have no order
        ("Makefile", "gem 'a', '1.0.0'", "gem 'a', '1.1.0'", "gem 'a', '1.2.0'"),  # no order is known
        ("setup.cfg", "version = 1.0+local", "version = 1.1+local", "version = 1.2+local"),  # local versions
        ("go.mod", "go 2", "go 3", "go 4"),  # a bare number is no version
        ("package.json", '"a": "1.0"', '"a": "1.1"', '"a": "1.1.0"'),  # equal, spelt differently
    ],
)
def test_what_cannot_be_ordered_is_left_to_a_person(path: str, base: str, upstream: str, commit: str) -> None:
    assert larger(base + "\n", upstream + "\n", commit + "\n", path) is None


@pytest.mark.parametrize(
    ("rule", "path", "base", "upstream", "commit"),
    [
        ("larger version", "package.json", '"a": "1.0.0"', '"a": "1.2.0"', '"a": "1.1.0"'),
        ("larger version of the commit", "package.json", '"a": "1.0.0"', '"a": "1.1.0"', '"a": "1.2.0"'),
        (
            "versions raised apart",
            "go.mod",
            "a v1.0.0\nb v1.0.0",
            "a v1.1.0\nb v1.0.0",
            "a v1.0.0\nb v1.1.0",
        ),
        (
            "larger version of the project",
            "package.json",
            '"version": "1.0.0"',
            '"version": "1.2.0"',
            '"version": "1.1.0"',
        ),
    ],
)
def test_who_raised_what_is_told_apart(rule: str, path: str, base: str, upstream: str, commit: str) -> None:
    texts = (f"{side}\n".encode() for side in (base, upstream, commit))
    found = only(bumps.resolve(conflict(*texts, path), UNKNOWN))
    assert found is not None
    assert found.rule == rule


def test_a_base_that_git_could_not_merge_itself_is_settled_first() -> None:
    base = "<<<<<<<<< Temporary merge branch 1\na 2.1.0\n||||||||| 1a2b3c\na 2.0.0\n=========\na 3.0.0\n>>>>>>>>> Temporary merge branch 2\n"
    assert larger(base, "a 3.0.0\n", "a 3.1.0\n", "requirements.txt") == "a 3.1.0\n"
    assert larger(base, "a 2.5.0\n", "a 3.1.0\n", "requirements.txt") is None  # it went back


@pytest.mark.parametrize(
    ("base", "upstream", "commit", "text"),
    [
        ("a = 1\r\n", "a =  1\r\n", "a = 2\r\n", "a = 2\r\n"),
        ("a\n", "a\r\n", "b\n", "b\n"),  # line ends alone are no edit
        ("if a:\n\tb(x)\n", "if a:\n\tb( x)\n", "if a:\n\tb(y)\n", "if a:\n\tb(y)\n"),
        ("if a:\n\tb()\n", "if a:\n    b()\n", "if a:\n\tc()\n", None),  # tabs to spaces is indentation
        ("", "a\n", "b\n", None),
        ("a\n", "", "b\n", None),
    ],
)
def test_whitespace_of_one_side_in_many_forms(
    base: str, upstream: str, commit: str, text: str | None
) -> None:
    found = mechanically(base.encode(), upstream.encode(), commit.encode())
    assert (found.text.decode() if found else None) == text
    other = mechanically(base.encode(), commit.encode(), upstream.encode())
    assert (other.text.decode() if other else None) == text


def test_the_same_edit_laid_out_differently_is_a_doubt() -> None:
    assert said(b"a(1)\n", b"f(x,y)\n", b"f(x, y)\n") == "reformatted"
    assert said(b"a(1)\n", b"f(x,\n  y)\n", b"f(x, y)\n") == "reformatted"
    assert said(b"a(1)\n", b"f(x,y)\n", b"f(x, z)\n") == "both_changed"


def test_the_same_edit_with_other_blank_lines_takes_upstreams() -> None:
    upstream, commit = b"f(x)\n\ng(y)\n", b"f(x)\ng(y)\n"
    for base in (b"", b"a(1)\n", b"f(x)\ng(y)  \n"):
        assert said(base, upstream, commit) == (upstream, "same edit, blank lines")


def test_the_same_edit_at_another_depth_takes_upstreams_where_depth_has_no_meaning() -> None:
    sides = b"a(1)\n", b"  f(x)\n", b"    f(x)\n"
    assert said(*sides) == (b"  f(x)\n", "same edit, indentation")
    markdown = ResolveContext(language=Language(id="markdown", globs=("*.md",), document=True))
    for context in (PYTHON, UNKNOWN, markdown):
        assert said(*sides, context=context) == "reformatted"


def test_other_hunks_are_answered_beside_a_doubt() -> None:
    doubtful = Hunk(index=0, base=b"f(a,b)\n", upstream=b"f(a, b)\n", commit=b"f(a,b,c)\n")
    clear = Hunk(index=1, base=b"a\n", upstream=b"b\n", commit=b"b\n")
    two = replace(conflict(b"", b"", b""), segments=(b"", doubtful, b"x\n", clear, b""))
    found = whitespace.resolve(two, GO)
    assert isinstance(found, Candidate)
    assert [answer.index for answer in found.answers] == [1]


LAYOUTS = st.lists(st.sampled_from([b"a", b"b", b"(", b'"', b" ", b"\n", b"  ", b"\r\n"]), max_size=16).map(
    b"".join
)


@given(LAYOUTS, LAYOUTS, LAYOUTS)
def test_an_answer_is_always_one_of_the_sides(base: bytes, upstream: bytes, commit: bytes) -> None:
    found = said(base, upstream, commit)
    if isinstance(found, str):
        assert found in {"both_changed", "reformatted"}
        return
    assert found[0] in {upstream, commit}


@given(LAYOUTS, LAYOUTS)
def test_no_word_of_the_side_that_changed_words_gets_lost(base: bytes, worded: bytes) -> None:
    spaced = base.replace(b"\n", b"\n\n")
    found = said(base, spaced, worded)
    if not isinstance(found, str) and found[1] == "whitespace-only upstream":
        assert found[0] == worded


def test_a_large_hunk_is_no_layout_to_compare() -> None:
    long = b"x, " * (1 << 19) + b"\n"
    assert mechanically(b"a\n", long, long.replace(b", ", b",  ", 1)) is None
