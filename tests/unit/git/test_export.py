"""A tree's files on disk: everything of it, nothing beside it, and no way out of the folder."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flowforge.core.errors import Broken, Reason, Refused
from flowforge.git import export
from flowforge.git.export import export_tree
from flowforge.git.mirror import Mirror
from flowforge.git.paths import clashes, is_git_name, leaves_tree, path_problem
from tests.gitrepo import Content, Repository

MirrorOf = Callable[[Repository], Mirror]


@pytest.fixture
def mirrored(origin: Repository, mirror_of: MirrorOf) -> Callable[[dict[str, Content]], tuple[Mirror, str]]:
    def made(files: dict[str, Content]) -> tuple[Mirror, str]:
        head = origin.commit(files, branch="main")
        origin.commit({**files, "more": "1\n"}, head, branch="topic")
        mirror = mirror_of(origin)
        mirror.fetch("topic", "main")
        return mirror, head

    return made


Mirrored = Callable[[dict[str, Content]], tuple[Mirror, str]]

FILES: dict[str, Content] = {
    "a": "text\n",
    "run.sh": ("100755", "#!/bin/sh\n"),
    "d/e/f": b"\0binary\xff",
    "d/link": ("120000", "e/f"),
    "empty": "",
    "gr\u00fcn/sp ace\n": "odd\n",
    ".gitattributes": "*.txt eol=crlf filter=evil ident\n",
    "x.txt": "$Id$\nlines\n",
    "sub": ("160000", "1" * 40),
}


def test_every_file_has_its_bytes_its_mode_and_its_link(mirrored: Mirrored, tmp_path: Path) -> None:
    mirror, head = mirrored(FILES)
    done = export_tree(mirror, mirror.tree_of(head), tmp_path / "out")
    assert (done.files, done.submodules, done.inert) == (8, ("sub",), ())
    assert (done.folder / "d/link").readlink() == Path("e/f")
    assert os.access(done.folder / "run.sh", os.X_OK)
    assert not os.access(done.folder / "a", os.X_OK)
    assert list((done.folder / "sub").iterdir()) == []
    assert (done.folder / "x.txt").read_bytes() == b"$Id$\nlines\n"
    assert (done.folder / "gr\u00fcn/sp ace\n").read_bytes() == b"odd\n"
    assert (done.folder / "d/e/f").read_bytes() == b"\0binary\xff"
    assert not (done.folder / ".git").exists()


def test_folders_that_hold_only_folders_or_links_or_a_submodule_are_made(
    mirrored: Mirrored, tmp_path: Path
) -> None:
    mirror, head = mirrored(
        {
            "a/b/c/file": "1\n",
            "a/b-b/c/file": "2\n",
            "l/m/link": ("120000", "n"),
            "s/t/u": ("160000", "1" * 40),
        }
    )
    done = export_tree(mirror, head, tmp_path / "out")
    assert (done.folder / "a/b/c/file").read_text() == "1\n"
    assert (done.folder / "a/b-b/c/file").read_text() == "2\n"
    assert (done.folder / "l/m/link").readlink() == Path("n")
    assert list((done.folder / "s/t/u").iterdir()) == []


def test_many_files_come_in_one_go(mirrored: Mirrored, tmp_path: Path) -> None:
    mirror, head = mirrored({f"d{n % 7}/f{n}": f"{n}\n" * (n % 50) for n in range(1500)})
    done = export_tree(mirror, head, tmp_path / "out")
    assert done.files == 1500
    assert done.size == sum(path.stat().st_size for path in done.folder.rglob("f*"))
    assert (done.folder / "d3/f1200").read_text() == ""
    assert (done.folder / "d6/f1203").read_text() == "1203\n" * 3


def test_a_link_that_leaves_becomes_a_file_that_holds_its_target(mirrored: Mirrored, tmp_path: Path) -> None:
    mirror, head = mirrored({"a": "1\n", "d/out": ("120000", "../../x"), "abs": ("120000", "/etc/passwd")})
    done = export_tree(mirror, head, tmp_path / "out")
    assert done.inert == ("abs", "d/out")
    assert not any(path.is_symlink() for path in done.folder.rglob("*"))
    assert (done.folder / "abs").read_text() == "/etc/passwd"


def test_a_link_that_leaves_is_refused_where_that_is_asked(mirrored: Mirrored, tmp_path: Path) -> None:
    mirror, head = mirrored({"a": "1\n", "out": ("120000", "../x")})
    with pytest.raises(Refused) as caught:
        export_tree(mirror, head, tmp_path / "out", links="refuse")
    assert caught.value.reason is Reason.HOSTILE_CONTENT
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [b".git", b".GIT", b"..", b".git\xe2\x80\x8c"])
def test_a_tree_with_a_name_that_git_would_read_is_refused(
    mirrored: Mirrored, tmp_path: Path, name: bytes
) -> None:
    mirror, _ = mirrored({"a": "1\n"})
    with mirror.git.objects() as objects:
        blob = objects.write("blob", b"[core]\n\tfsmonitor = touch /tmp/x\n")
        inner = objects.write("tree", b"100644 config\0" + bytes.fromhex(blob))
        tree = objects.write("tree", b"40000 " + name + b"\0" + bytes.fromhex(inner))
    with pytest.raises(Refused) as caught:
        export_tree(mirror, tree, tmp_path / "out")
    assert caught.value.reason is Reason.HOSTILE_CONTENT
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_in_use_is_not_written_into(mirrored: Mirrored, tmp_path: Path) -> None:
    mirror, head = mirrored({"a": "1\n"})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(Broken, match="not empty"):
        export_tree(mirror, head, tmp_path / "out")
    assert not (tmp_path / "out" / "a").exists()


def test_a_tree_too_large_is_refused_before_anything_is_written(
    mirrored: Mirrored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror, head = mirrored({"a": "12345\n"})
    monkeypatch.setattr(export, "MAX_BYTES", 5)
    with pytest.raises(Refused) as caught:
        export_tree(mirror, head, tmp_path / "out")
    assert caught.value.reason is Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("links", "leaving"),
    [
        ({"l": "a"}, set()),
        ({"l": "./d/../a"}, set()),
        ({"d/l": "../a"}, set()),
        ({"d/l": "../.."}, {"d/l"}),
        ({"l": "/etc"}, {"l"}),
        ({"l": ".."}, {"l"}),
        ({"l": "l"}, {"l"}),
        ({"a": "b", "b": "a"}, {"a", "b"}),
        ({"a/b/s": "../..", "t": "a/b/s/../x"}, {"t"}),
        ({"s": "d", "t": "s/../../x"}, {"t"}),
        ({"s": "d/e", "t": "s/../x"}, set()),
        ({"s": "..", "t": "s/x"}, {"s", "t"}),
        ({"l": "nowhere/at/all"}, set()),
    ],
)
def test_links_are_followed_as_the_kernel_follows_them(links: dict[str, str], leaving: set[str]) -> None:
    targets = {path.encode(): target.encode() for path, target in links.items()}
    assert {path for path in links if leaves_tree(path.encode(), targets)} == leaving


@pytest.mark.parametrize(
    "name",
    [
        ".git",
        ".GIT",
        ".Git",
        ".git ",
        ".git.",
        ".git . .",
        "git~1",
        "GIT~1",
        ".git::$INDEX_ALLOCATION",
        ".g\u200cit",
    ],
)
def test_names_that_some_disk_takes_for_git_are_known(name: str) -> None:
    assert is_git_name(name.encode())
    assert path_problem(b"d/" + name.encode())


@pytest.mark.parametrize("name", [".gitignore", ".github", "git", "a.git", ".gitmodules", "git~2"])
def test_names_that_only_look_like_it_are_let_through(name: str) -> None:
    assert not is_git_name(name.encode())
    assert path_problem(name.encode()) == ""


@pytest.mark.parametrize("path", [b"", b"a//b", b"/a", b"../a", b"a/./b", b"a\0b", b"x" * 256, b"a/" * 2500])
def test_paths_that_cannot_be_written_are_known(path: bytes) -> None:
    assert path_problem(path)


def test_names_that_are_one_on_other_disks_are_paired() -> None:
    one, other = "caf\u00e9".encode(), "cafe\u0301".encode()
    assert clashes([b"a", b"A", b"b", one, other]) == ((b"a", b"A"), (one, other))
