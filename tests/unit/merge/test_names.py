"""Names across a whole file: what a hunk does not show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.conflict import Hunk
from flowforge.merge.doubt import Doubt
from flowforge.merge.names import Names, bound, check_hunk_names, troubled, uses
from tests.unit.merge.languages import imports_of, source

WORDS = st.lists(st.sampled_from(["a", "b", "f(a)", "x = b"]), max_size=6).map("\n".join)


def of(text: str, language: str = "python") -> Names:
    return Names.of(source(text, language))


@pytest.mark.parametrize(
    ("language", "text", "names"),
    [
        ("python", "import os\n", {"os"}),
        ("python", "from a.b import c, d as e\n", {"c", "d", "e"}),
        ("python", "from . import json\n", {"json"}),
        ("python", "from a import *\n", set()),
        ("go", 'package p\n\nimport "net/http"\n', {"http"}),
        ("go", 'package p\n\nimport web "net/http"\n', {"web"}),
        ("java", "import static shop.Money.*;\n", set()),
        ("java", "import shop.Money;\n", {"Money"}),
        ("javascript", "import a, { b as c } from 'x/y';\n", {"a", "b", "c"}),
        ("typescript", "import type { Row } from './row';\n", {"Row"}),
        ("go", 'package p\n\nimport _ "embed"\n', set()),
        ("rust", "use std::io;\n", {"io"}),
        ("rust", "use std::collections::{HashMap, HashSet as Set};\n", {"HashMap", "HashSet", "Set"}),
        ("rust", "use a::b::*;\n", set()),
        ("c", "#include <stdio.h>\n", set()),
        ("csharp", "using System.Text;\n", set()),
        ("ruby", "require 'set'\n", set()),
        ("php", "<?php\nuse Shop\\Till;\n", {"Till"}),
        ("php", "<?php\nuse Shop\\Till as Box;\n", {"Box"}),
        ("kotlin", "import shop.Till\n", {"Till"}),
        ("kotlin", "import shop.*\n", set()),
        ("kotlin", "import shop.Till as Box\n", {"Box"}),
        ("scala", "import shop.Till\n", {"Till"}),
        ("scala", "import shop.{Till, Box => Crate}\n", {"Till", "Box", "Crate"}),
        ("scala", "import shop._\n", set()),
    ],
)
def test_the_names_that_an_import_brings(language: str, text: str, names: set[str]) -> None:
    assert bound(imports_of(text, language)[0]) == {name.encode() for name in names}


def test_uses_counts_names_and_leaves_numbers_and_signs() -> None:
    assert uses(b"a + b1 - a * 10 / $c") == {b"a": 2, b"b1": 1, b"$c": 1}


def test_a_versions_names_part_imports_from_uses() -> None:
    names = of("import os\nfrom a import b\n\nprint(os.getcwd())\n")
    assert names.imported == {b"os", b"b"}
    assert names.used[b"os"] == 1
    assert names.used[b"b"] == 0


def test_a_go_block_of_imports_is_looked_into() -> None:
    names = of('package p\n\nimport (\n\t"fmt"\n\tx "a/b"\n)\n\nvar _ = fmt.Sprint\n', "go")
    assert names.imported == {b"fmt", b"x"}
    assert names.used[b"fmt"] == 1


BASE = "import os\n\nprint(os)\n"


@pytest.mark.parametrize(
    ("upstream", "commit", "result", "names"),
    [
        # the line for which upstream imports json is not in the result
        ("import json\nimport os\n\nprint(json)\n", BASE, "import json\nimport os\n\nprint(os)\n", {"json"}),
        # it is
        ("import json\nimport os\n\nprint(json)\n", BASE, "import json\nimport os\n\nprint(json)\n", set()),
        # upstream never used it: an import for its effect, or for others
        ("import json\nimport os\n\nprint(os)\n", BASE, "import json\nimport os\n\nprint(os)\n", set()),
        # the commit dropped the import with its last use; upstream has another use
        (BASE + "os.sep\n", "print(1)\n", "print(1)\nos.sep\n", {"os"}),
        # and nothing uses it any more
        (BASE, "print(1)\n", "print(1)\n", set()),
        # the commit has the name from elsewhere
        (BASE, "os = 1\nprint(os)\n", "os = 1\nprint(os)\n", set()),
    ],
)
def test_imports_and_uses_that_the_merge_would_part_are_trouble(
    upstream: str, commit: str, result: str, names: set[str]
) -> None:
    found = troubled([of(BASE), of(upstream), of(commit)], of(result))
    assert {name.decode() for name, _ in found} == names
    swapped = troubled([of(BASE), of(commit), of(upstream)], of(result))
    assert {name.decode() for name, _ in swapped} == names


def check(
    base: str, upstream: str, commit: str, *, words: bool, outside: tuple[str, str, str] = ("", "", "")
) -> str:
    """The word of the doubt about one hunk, "" when there is none; `outside`: the files' other text."""
    files = [
        uses((text + rest).encode()) for text, rest in zip((base, upstream, commit), outside, strict=True)
    ]
    hunk = Hunk(index=0, base=base.encode(), upstream=upstream.encode(), commit=commit.encode())
    try:
        check_hunk_names(hunk, files, (), words=words)
    except Doubt as doubt:
        return doubt.why
    return ""


def test_a_new_use_of_a_name_that_the_other_side_removed_everywhere_is_a_doubt() -> None:
    outside = ("old()\n", "new()\n", "old()\n")  # upstream renamed it far from the hunk
    assert check("", "x = 1\n", "y = old()\n", words=False, outside=outside) == "opposed"


def test_a_new_use_of_a_name_that_the_other_side_uses_less_is_a_doubt_between_words_only() -> None:
    outside = ("old()\nold()\n", "old()\n", "old()\nold()\n")
    assert check("", "x = 1\n", "y = old()\n", words=False, outside=outside) == ""
    assert check("", "x = 1\n", "y = old()\n", words=True, outside=outside) == "opposed"


def test_a_new_use_of_a_name_that_the_other_side_left_alone_is_none() -> None:
    assert check("", "x = 1\n", "y = old()\n", words=True, outside=("old()\n",) * 3) == ""


def test_trouble_speaks_only_in_hunks_that_the_sides_differ_about_it() -> None:
    files = [uses(b"a\n"), uses(b"a\nb\n"), uses(b"a\nc\n")]
    trouble = [(b"b", "is imported for nothing")]
    here = Hunk(index=0, base=b"a\n", upstream=b"a\nb\n", commit=b"a\nc\n")
    elsewhere = Hunk(index=1, base=b"b\n", upstream=b"b\nx\n", commit=b"b\ny\n")
    with pytest.raises(Doubt, match="for nothing"):
        check_hunk_names(here, files, trouble, words=False)
    check_hunk_names(elsewhere, files, trouble, words=False)


@given(WORDS, WORDS)
def test_a_side_that_changed_nothing_is_never_opposed(base: str, changed: str) -> None:
    files = [uses(text.encode()) for text in (base, base, changed)]
    hunk = Hunk(index=0, base=base.encode(), upstream=base.encode(), commit=changed.encode())
    check_hunk_names(hunk, files, (), words=True)


@given(WORDS, WORDS, WORDS)
def test_the_check_of_names_does_not_know_which_side_is_upstream(base: str, one: str, two: str) -> None:
    assert check(base, one, two, words=True) == check(base, two, one, words=True)
