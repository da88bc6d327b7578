"""Whether a new import is needed in what becomes of the file, told by real conflicts of several places."""

from pathlib import Path

import pytest

from flowforge.core.conflict import Abstain, Candidate
from flowforge.hooks.contracts import ResolveContext
from flowforge.merge.structural import resolve
from tests.golden.conflictcases import conflict_of
from tests.unit.merge.languages import LANGUAGES

FAR = "".join(f"def step_{n}(): ...\n" for n in range(4))
OPEN = "limit = 1\n", "limit = 2\n", "limit = 3\n"  # a place that nobody can decide
SHUT = "", "", ""


def rules(
    tmp_path: Path,
    heads: tuple[str, str, str],
    ends: tuple[str, str, str] = SHUT,
    uses: tuple[str, str, str] = SHUT,
) -> list[str] | str:
    """The rules that answered, or the word of the rung: imports, uses between far lines, and a last place."""
    texts = [
        (head + FAR + use + FAR.replace("step", "walk") + end).encode()
        for head, use, end in zip(heads, uses, ends, strict=True)
    ]
    said = resolve(conflict_of("a.py", *texts, tmp_path), ResolveContext(language=LANGUAGES["python"]))
    if isinstance(said, Abstain):
        return said.why
    assert isinstance(said, Candidate)
    return [answer.rule for answer in said.answers]


HEADS = "import a\n", "import a\nimport bell\n", "import a\nimport cart\n"


def test_imports_whose_uses_are_decided_are_kept(tmp_path: Path) -> None:
    used = "x = 0\n", "x = 0\n", "x = cart\n"
    assert rules(tmp_path, HEADS, uses=used) == ["added imports"]


def test_an_open_place_makes_imports_beside_it_more_doubtful(tmp_path: Path) -> None:
    used = "x = 0\n", "x = 0\n", "x = cart\n"
    assert rules(tmp_path, HEADS, OPEN, used) == ["imports of a file with open places"]


MANY = "".join(f"def run_{n}(): ...\n" for n in range(4))


@pytest.mark.parametrize(
    ("ends", "kept"),
    [
        (("limit = 1\n", "limit = bell\n", "limit = 3\n"), False),
        (("limit = 1\n", "limit = 2\n", "limit = bell + cart\n"), True),
        (("limit = cart\n", "limit = bell + cart\n", "limit = 3\n"), False),
        (("limit = 1\n", "limit = 2\n", "limit = cart\n"), True),
    ],
)
def test_an_import_waits_for_the_open_place_that_alone_uses_it(
    tmp_path: Path, ends: tuple[str, str, str], kept: bool
) -> None:
    """Definitions that both sides add are answered, whatever becomes of the imports."""
    used = "x = 0\n", "x = 0\n", "x = cart\n"
    more = "y = 0\n", "y = 0\n\n\ndef u():\n    return [1, 2]\n", "y = 0\n\n\ndef c():\n    raise KeyError\n"
    uses = [one + MANY + two for one, two in zip(used, more, strict=True)]
    said = rules(tmp_path, HEADS, ends, (uses[0], uses[1], uses[2]))
    assert said == (["imports of a file with open places"] if kept else []) + ["added definitions"]


def test_an_import_that_its_own_side_never_uses_is_kept_for_its_effects(tmp_path: Path) -> None:
    assert rules(tmp_path, HEADS) == ["added imports"]


def test_imports_that_do_not_tell_their_names_are_more_doubtful(tmp_path: Path) -> None:
    heads = "import a\n", "import a\nfrom bell import *\n", "import a\nimport cart\n"
    assert rules(tmp_path, heads) == ["imports of unknown names"]


def test_includes_do_not_tell_their_names(tmp_path: Path) -> None:
    texts = [
        f"#include <a.h>\n{more}\nint x;\n".encode() for more in ("", "#include <b.h>\n", "#include <c.h>\n")
    ]
    said = resolve(conflict_of("a.c", *texts, tmp_path), ResolveContext(language=LANGUAGES["c"]))
    assert isinstance(said, Candidate)
    assert [answer.rule for answer in said.answers] == ["imports of unknown names"]


def test_imports_that_do_not_tell_their_names_wait_for_every_open_place(tmp_path: Path) -> None:
    heads = "import a\n", "import a\nfrom bell import *\n", "import a\nimport cart\n"
    assert rules(tmp_path, heads, OPEN) in {"use_open", "same_tokens"}


def test_a_name_that_stands_already_elsewhere_is_not_imported_twice(tmp_path: Path) -> None:
    heads = "import a\n", "import a\nfrom shop import bell\n", "import a\nimport cart\n"
    used = "x = 0\n", "x = 0\n", "x = 0\nfrom tower import bell\n"
    assert rules(tmp_path, heads, uses=used) == "duplicate"
