"""What a change brings: paths, modes, links, submodules, secrets; where, what kind, and never the secret."""

from collections.abc import Callable

import pytest

from flowforge.core.verdict import Finding, Level
from flowforge.git.mirror import Mirror
from flowforge.git.scan import MAX_FINDINGS, scan
from tests.gitrepo import Content, Repository

MirrorOf = Callable[[Repository], Mirror]
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


def found(
    origin: Repository, mirror_of: MirrorOf, old: dict[str, Content], new: dict[str, Content]
) -> tuple[Finding, ...]:
    start = origin.commit(old, branch="main")
    head = origin.commit(new, start, branch="topic")
    mirror = mirror_of(origin)
    mirror.fetch("topic", "main")
    return scan(mirror, start, head)


def words(findings: tuple[Finding, ...]) -> list[tuple[str, Level, str, int]]:
    return [(f.rule, f.level, f.path, f.start) for f in findings]


def test_an_honest_change_has_no_findings(origin: Repository, mirror_of: MirrorOf) -> None:
    assert found(origin, mirror_of, {"a": "1\n"}, {"a": "2\n", "d/b": "password = input()\n"}) == ()


def test_a_secret_on_a_new_line_is_found_and_not_repeated(origin: Repository, mirror_of: MirrorOf) -> None:
    findings = found(origin, mirror_of, {"a": "1\n2\n"}, {"a": f"1\nnew\ntoken = {TOKEN}\n2\n"})
    assert words(findings) == [("secret-github-token", Level.WARNING, "a", 3)]
    assert TOKEN not in repr(findings)


def test_a_secret_that_was_there_before_is_not_told_again(origin: Repository, mirror_of: MirrorOf) -> None:
    assert found(origin, mirror_of, {"a": f"{TOKEN}\n"}, {"a": f"{TOKEN}\nmore\n"}) == ()


def test_a_secret_in_a_file_of_any_name_is_found_in_the_right_file(
    origin: Repository, mirror_of: MirrorOf
) -> None:
    strange = 'b "\t\n é'
    findings = found(
        origin, mirror_of, {"a": "x\n", "t": "x\n"}, {"a": "y\n", "t": ("120000", "a"), strange: f"{TOKEN}\n"}
    )
    assert words(findings) == [("secret-github-token", Level.WARNING, strange, 1)]


def test_links_submodules_and_modes_are_told(origin: Repository, mirror_of: MirrorOf) -> None:
    new: dict[str, Content] = {
        "run": ("100755", "x\n"),
        "out": ("120000", "../../etc/passwd"),
        "in": ("120000", "run"),
        "sub": ("160000", "1" * 40),
    }
    findings = words(found(origin, mirror_of, {"run": "x\n"}, new))
    assert ("mode", Level.NOTE, "run", 1) in findings
    assert ("link", Level.WARNING, "out", 1) in findings
    assert ("submodule", Level.NOTE, "sub", 1) in findings
    assert not any(path == "in" for _, _, path, _ in findings)


@pytest.mark.parametrize(
    "line", ["url = --upload-pack=touch x", "url = ext::sh -c id", "path = ../../x", "update = !touch x"]
)
def test_a_gitmodules_that_runs_something_is_an_error(
    origin: Repository, mirror_of: MirrorOf, line: str
) -> None:
    text = f'[submodule "x"]\n\tpath = x\n\turl = https://example.org/x\n\t{line}\n'
    start = origin.commit({"a": "1\n"}, branch="main")
    head = origin.commit({"a": "1\n", ".gitmodules": text}, start)
    mirror = mirror_of(origin)
    origin.point("topic", start)
    mirror.fetch("topic", "main")
    objects = origin.git("pack-objects", "--revs", "--stdout", stdin=f"{head}\n^{start}\n".encode())
    mirror.git.run("index-pack", "--stdin", "--fix-thin", stdin=objects)  # a fetch's own check refuses some
    assert ("gitmodules", Level.ERROR, ".gitmodules", 4) in words(scan(mirror, start, head))


def test_names_that_differ_in_capitals_are_told(origin: Repository, mirror_of: MirrorOf) -> None:
    findings = words(found(origin, mirror_of, {"a": "1\n"}, {"a": "1\n", "Read": "1\n", "read": "2\n"}))
    assert findings == [("case-clash", Level.WARNING, "read", 1)]


def test_findings_are_bounded(origin: Repository, mirror_of: MirrorOf) -> None:
    flood = "".join(f"{TOKEN}{n:04}\n" for n in range(MAX_FINDINGS + 50))
    assert len(found(origin, mirror_of, {"a": "1\n"}, {"a": flood})) == MAX_FINDINGS


def test_the_first_commit_is_scanned_whole(origin: Repository, mirror_of: MirrorOf) -> None:
    head = origin.commit({"a": f"{TOKEN}\n"}, branch="main")
    origin.commit({"b": "1\n"}, head, branch="topic")
    mirror = mirror_of(origin)
    mirror.fetch("topic", "main")
    assert words(scan(mirror, "", head)) == [("secret-github-token", Level.WARNING, "a", 1)]
