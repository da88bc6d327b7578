from dataclasses import replace
from pathlib import Path

import pytest

from flowforge.core.conflict import Abstain, Candidate, Conflict, fit, splice
from flowforge.core.errors import Broken
from flowforge.hooks.contracts import ResolveContext
from flowforge.merge.structural import resolve
from flowforge_plugins.languages.python import register_languages
from tests.golden.conflictcases import conflict_of

PYTHON = register_languages()[0]
CONTEXT = ResolveContext(language=PYTHON)

BASE = b"def f():\n    return 1\n\n\nX = 1\n"
TWO_PLACES = (
    b"def f():\n    return 1\n\n\ndef middle():\n    a()\n    b()\n    c()\n\n\nLIMIT = 1\n",
    b"def f():\n    return 1\n\n\ndef u():\n    return 2\n\n\ndef middle():\n    a()\n    b()\n    c()\n\n\nLIMIT = 2\n",
    b"def f():\n    return 1\n\n\ndef c():\n    return 3\n\n\ndef middle():\n    a()\n    b()\n    c()\n\n\nLIMIT = 3\n",
)


@pytest.fixture
def two_places(tmp_path: Path) -> Conflict:
    """Both sides add a function, which is certain, and change one number, which is not."""
    return conflict_of("a.py", *TWO_PLACES, tmp_path)


def answer(conflict: Conflict, context: ResolveContext = CONTEXT) -> Candidate | Abstain:
    return resolve(conflict, context)


def test_a_place_in_doubt_leaves_the_other_hunks_answered(two_places: Conflict) -> None:
    assert len(two_places.hunks) == 2
    said = answer(two_places)
    assert isinstance(said, Candidate)
    assert [a.index for a in said.answers] == [0]
    assert b"def u()" in said.answers[0].text
    assert b"def c()" in said.answers[0].text
    assert said.answers[0].rule == "added definitions"


def test_the_answer_leaves_every_byte_outside_the_hunks(two_places: Conflict) -> None:
    said = answer(two_places)
    assert isinstance(said, Candidate)
    result = splice(two_places.segments, [said.answers[0].text, two_places.hunks[1].upstream])
    assert fit(two_places.segments, result) is not None


def test_the_same_conflict_gets_the_same_answer(two_places: Conflict) -> None:
    assert answer(two_places) == answer(two_places)


def test_no_language_and_no_grammar_abstain(two_places: Conflict) -> None:
    for language in (None, replace(PYTHON, grammar=""), replace(PYTHON, entities=())):
        said = answer(two_places, ResolveContext(language=language))
        assert isinstance(said, Abstain)
        assert said.why == "no_language"


def test_a_file_that_both_sides_added_abstains(two_places: Conflict) -> None:
    said = answer(replace(two_places, base=None))
    assert isinstance(said, Abstain)
    assert said.why == "no_base"


def test_a_version_that_was_not_read_abstains(two_places: Conflict) -> None:
    assert two_places.upstream is not None
    said = answer(replace(two_places, upstream=replace(two_places.upstream, content=None)))
    assert isinstance(said, Abstain)
    assert said.why == "too_large"


def test_time_that_is_up_abstains(two_places: Conflict) -> None:
    ticks = iter(range(1000))
    said = resolve(
        two_places, ResolveContext(language=PYTHON, deadline=0.5), clock=lambda: float(next(ticks))
    )
    assert isinstance(said, Abstain)
    assert said.why == "out_of_time"


def test_a_grammar_that_is_not_installed_is_the_installations_fault(two_places: Conflict) -> None:
    missing = ResolveContext(language=replace(PYTHON, grammar="no_such_grammar:language"))
    with pytest.raises(Broken, match="no_such_grammar"):
        answer(two_places, missing)


@pytest.mark.parametrize(
    ("why", "base", "upstream", "commit"),
    [
        ("same_tokens", b"X = 1\n", b"X = 2\n", b"X = 3\n"),
        (
            "deleted_and_changed",
            b"def f():\n    return 1\n\n\ndef g():\n    return 1\n",
            b"def f():\n    return 1\n",
            b"def f():\n    return 1\n\n\ndef g():\n    return 2\n",
        ),
        ("same_name_added", b"", b"def f():\n    return 1\n", b"def f():\n    return 2\n"),
        ("both_removed", b"import a\nimport b\n", b"import a\n", b"import b\n"),
        ("opposed", b"x = load(a)\ny = 1\n", b"z = load(b)\ny = 1\n", b"x = load(a)\ny = a + 1\n"),
        ("does_not_parse", b"x = (1\n", b"x = (2\n", b"x = (3\n"),
        ("one_line", b"f(a, b, c)\n", b"f(x, b, c)\n", b"f(a, b, z)\n"),
        ("both_added", b"f(a)\ng(b)\n", b"f(a, x)\ng(b)\n", b"f(a)\ng(b, y)\n"),
        ("texts", b"f('s', a)\ng(b)\n", b"f('t', a)\ng(b)\n", b"f('s', a)\ng(c)\n"),
        ("reformatted", b"f(a, b)\n", b"f(\n  a, b)\n", b"f(a, c)\n"),
    ],
)
def test_every_doubt_has_its_word(
    why: str, base: bytes, upstream: bytes, commit: bytes, tmp_path: Path
) -> None:
    said = answer(conflict_of("a.py", base, upstream, commit, tmp_path))
    assert isinstance(said, Abstain)
    assert said.why == why
    assert said.sentence


def test_a_byte_order_mark_on_one_side_only_abstains(tmp_path: Path) -> None:
    bom = b"\xef\xbb\xbf"
    said = answer(conflict_of("a.py", b"X = 1\n", bom + b"X = 1\n", b"X = 2\n", tmp_path))
    assert isinstance(said, Abstain)
    assert said.why == "byte_order_mark"


@pytest.mark.parametrize(
    ("rule", "base", "upstream", "commit"),
    [
        ("added definitions", "x = 1\n", "x = 1\n\n\ndef f(): ...\n", "x = 1\n\n\nclass G:\n    a = x\n"),
        ("added imports", "import a\n", "import a\nimport b\n", "import a\nimport c\n"),
        ("imports beside removed ones", "import a\nimport b\n", "import a\nimport c\n",
         "import a\nimport b\nimport d\n"),
        ("names of an import", "from a import b\n", "from a import b, c\n", "from a import b, d\n"),
        ("a word or two of each side", "f(a, b)\ng(c)\n", "f(a, d)\ng(c)\n", "f(a, b)\ng(e)\n"),
        ("the same words and more", "f(a, b, c)\n", "f(x, b, c)\n", "f(x, b, z)\n"),
        ("the same and more, in texts or comments", "f(a, 's')\n", "f(x, 's')\n", "f(x, 't')\n"),
        ("lines added beside changed words", "f(a, b)\n", "f(a, b)\ng(c)\n", "f(x, b)\n"),
        ("words of indented lines", "if a:\n    f(b)\n    g(c)\n", "if a:\n  f(b)\n  g(c)\n",
         "if a:\n    f(x)\n    g(c)\n"),
        ("words of reformatted lines", "if a:\n    f(b)\n    g(c)\n", "if a:\n  f( b)\n  g(c)\n",
         "if a:\n    f(b)\n    g(x)\n"),
        ("words of one line", "f(a, b, c)\n", "g[0](a, b, c)\n", "f(a, b, c, d)\n"),
        ("words of neighbouring lines", "f(a, b)\ng(c)\n", "f(a.b[1], b)\ng(c)\n", "f(a, b)\ng(e)\n"),
        ("added imports made one", "import a\n", "import a\nfrom b import c, d\n", "import a\nfrom b import e\n"),
        ("imports of unknown names", "import a\n", "import a\nfrom b import *\n", "import a\nfrom c import d\n"),
        ("different lines or definitions", "def f():\n    return 1\ndef g():\n    return 1\n",
         "def f():\n    return 2\ndef g():\n    return 1\n", "def f():\n    return 1\ndef g(a):\n    return 1\n"),
        ("similar definitions", "x = 1\n", "x = 1\n\n\ndef f(queue): ...\n", "x = 1\n\n\nclass G:\n    a = queue\n"),
        ("addition beside a change", "def f():\n    return 1\n# About g.\ng = f\n",
         "def f():\n    return 1\n# Of g.\ng = f\n", "def f():\n    return 1\n    print(2)\n# About g.\ng = f\n"),
    ],
)  # fmt: skip
def test_an_answer_names_its_rule_and_says_why(
    rule: str, base: str, upstream: str, commit: str, tmp_path: Path
) -> None:
    said = answer(conflict_of("a.py", base.encode(), upstream.encode(), commit.encode(), tmp_path))
    assert isinstance(said, Candidate), said
    assert [a.rule for a in said.answers] == [rule]
    assert said.answers[0].why


def test_a_name_that_the_other_side_renamed_far_away_is_a_doubt(tmp_path: Path) -> None:
    middle = b"a = 1\n" * 6
    base = b"def old(): ...\n" + middle + b"x = 1\n"
    upstream = b"def new(): ...\n" + middle + b"x = 1\n\n\ndef u():\n    return 2\n"
    commit = b"def old(): ...\n" + middle + b"x = 1\n\n\nclass C:\n    value = old()\n"
    said = answer(conflict_of("a.py", base, upstream, commit, tmp_path))
    assert isinstance(said, Abstain)
    assert said.why == "opposed"


def test_an_import_waits_for_an_open_hunk_that_alone_uses_it(tmp_path: Path) -> None:
    middle = b"".join(b"def f%d(): ...\n" % n for n in range(5))
    base = b"import a\n" + middle + b"x = a\n"
    upstream = b"import a\nimport b\n" + middle + b"x = a + b\n"
    commit = b"import a\nimport c\n" + middle + b"x = c\n"
    said = answer(conflict_of("a.py", base, upstream, commit, tmp_path))
    assert isinstance(said, Abstain), said
    assert said.why in {"same_tokens", "use_open"}
