"""Objects read and written without a process each, compared with what git itself makes of them."""

from collections.abc import Callable

import pytest

from flowforge.core.errors import Reason, Temporary
from flowforge.git.command import Door, Git
from flowforge.git.commits import Commit, Committer, identity, parse_commit, replayed
from flowforge.git.objects import Entry, Info, Objects, format_tree, parse_tree
from tests.gitrepo import Repository


@pytest.fixture
def git(origin: Repository, door: Door) -> Git:
    return Git(folder=origin.path, door=door)


def test_what_is_written_git_reads_under_the_same_id(git: Git) -> None:
    with git.objects() as objects:
        for body in (b"", b"text\n", b"\0" * 100_000):
            oid = objects.write("blob", body)
            assert oid.encode() + b"\n" == git.run("hash-object", "--stdin", stdin=body)
            assert git.run("cat-file", "blob", oid) == body
            assert objects.read(oid, "blob") == body
            assert objects.info(oid) == Info(kind="blob", size=len(body))
            assert objects.write("blob", body) == oid


def test_what_is_not_there_is_damage_or_none(git: Git, origin: Repository) -> None:
    blob = origin.commit({"a": "1\n"})
    with git.objects() as objects:
        assert objects.info("1" * 40) is None
        assert objects.info("") is None
        assert objects.info("a\nb") is None
        for oid, kind in (("1" * 40, "blob"), (blob, "blob")):
            with pytest.raises(Temporary) as caught:
                objects.read(oid, kind)
            assert caught.value.reason is Reason.MIRROR_DAMAGED
        assert objects.commit(blob).parents == ()


def test_many_blobs_come_in_order(git: Git) -> None:
    with git.objects() as objects:
        bodies = [b"%d\n" % n * (n % 400) for n in range(1000)]
        oids = [objects.write("blob", body) for body in bodies]
        assert list(objects.contents(oids)) == bodies
        with pytest.raises(Temporary):
            list(objects.contents(["1" * 40]))


def test_a_helper_that_died_is_damage(git: Git) -> None:
    with git.objects() as objects:
        objects._process.kill()
        objects._process.wait()
        with pytest.raises(Temporary) as caught:
            objects.info("1" * 40)
    assert caught.value.reason is Reason.MIRROR_DAMAGED


FILES = {
    "a": "1\n",
    "a.b": "2\n",
    "a/": "",
    "d/e/f": "3\n",
    "d/g": ("100755", "4\n"),
    "d0": "5\n",
    "é": "6\n",
}


def test_a_tree_is_put_together_as_git_does(git: Git, origin: Repository) -> None:
    head = origin.commit({path: text for path, text in FILES.items() if path != "a/"})
    with git.objects() as objects:
        for tree in (origin.tree(head), origin.tip(f"{head}:d")):
            entries = objects.tree(tree)
            assert objects.write_tree(tuple(reversed(entries))) == tree
            assert parse_tree(format_tree(entries), 20) == entries


@pytest.mark.parametrize("path", ["a", "d/e/f", "d/g", "é"])
def test_an_entry_is_found_by_its_path(git: Git, origin: Repository, path: str) -> None:
    head = origin.commit({path: text for path, text in FILES.items() if path != "a/"})
    with git.objects() as objects:
        found = objects.entry(origin.tree(head), path.encode())
        assert found is not None
        assert found.oid == origin.tip(f"{head}:{path}")
        for absent in ("x", "a/x", "d/x", "d/e/f/g", ""):
            assert objects.entry(origin.tree(head), absent.encode()) is None


Edit = Callable[[Objects], dict[bytes, Entry | None]]


def file(objects: Objects, text: bytes, mode: str = "100644") -> Entry:
    return Entry(mode=mode, name=b"", oid=objects.write("blob", text))


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda o: {b"a": file(o, b"x\n")}, {"a": "x\n", "d/e": "2\n", "d/f": "3\n"}),
        (lambda o: {b"d/e": file(o, b"x\n")}, {"a": "1\n", "d/e": "x\n", "d/f": "3\n"}),
        (lambda o: {b"new/deep/file": file(o, b"x\n")}, {"a": "1\n", "d/e": "2\n", "d/f": "3\n", "new/deep/file": "x\n"}),
        (lambda o: {b"d/e": None, b"d/f": None}, {"a": "1\n"}),
        (lambda o: {b"d/e": None, b"a": None}, {"d/f": "3\n"}),
        (lambda o: {b"a/b": file(o, b"x\n")}, {"a/b": "x\n", "d/e": "2\n", "d/f": "3\n"}),
        (lambda o: {b"d": file(o, b"x\n")}, {"a": "1\n", "d": "x\n"}),
        (lambda o: {b"d/f": file(o, b"3\n", "100755")}, {"a": "1\n", "d/e": "2\n", "d/f": ("100755", "3\n")}),
        (lambda _: {}, {"a": "1\n", "d/e": "2\n", "d/f": "3\n"}),
        (lambda _: {b"gone": None}, {"a": "1\n", "d/e": "2\n", "d/f": "3\n"}),
    ],
)  # fmt: skip
def test_entries_are_replaced_as_a_commit_of_the_same_files_has_them(
    git: Git, origin: Repository, edit: Edit, expected: dict[str, str]
) -> None:
    tree = origin.tree(origin.commit({"a": "1\n", "d/e": "2\n", "d/f": "3\n"}))
    with git.objects() as objects:
        made = objects.replaced(tree, edit(objects))
    assert made == origin.tree(origin.commit(expected))


def test_a_tree_that_loses_all_its_entries_is_empty(git: Git, origin: Repository) -> None:
    tree = origin.tree(origin.commit({"a": "1\n"}))
    with git.objects() as objects:
        assert objects.replaced(tree, {b"a": None}) == ""


WHO = Committer(name="Flow <Forge>\n", email=" f@x ", date=7)


def test_a_committer_cannot_break_the_header() -> None:
    assert identity(WHO) == b"Flow Forge <f@x> 7 +0000"
    assert identity(Committer(name="\n<>", email="", date=7)) == b"FlowForge <> 7 +0000"


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("", "Zoë".encode()),
        ("ISO-8859-1", b"Zo\xeb"),
        ("no-such-codec", b"Zo?"),
        ("rot13", b"Zo?"),
        ("utf-16", b"Zo?"),
    ],
)
def test_a_committers_name_is_in_the_commits_encoding(encoding: str, expected: bytes) -> None:
    shown = identity(Committer(name="Zoë", email="z@x", date=7), encoding)
    assert shown == expected + b" <z@x> 7 +0000"


def test_headers_that_git_does_not_know_are_read_over() -> None:
    raw = (
        b"tree " + b"1" * 40 + b"\nparent " + b"2" * 40 + b"\nparent " + b"3" * 40 + b"\nauthor A <a@x> 1 +0100\n"
        b"committer B <b@x> 2 +0100\nmergetag object 1\n type commit\n parent x\nHG:extra a\nencoding latin-1\n"
        b"gpgsig x\n parent 4\n\n\n\nsubject\r\n\nbody"
    )  # fmt: skip
    commit = parse_commit("9" * 40, raw)
    assert commit == Commit(
        oid="9" * 40,
        tree="1" * 40,
        parents=("2" * 40, "3" * 40),
        author=b"A <a@x> 1 +0100",
        encoding="latin-1",
        message=b"\n\nsubject\r\n\nbody",
    )
    assert commit.subject == "subject"
    again = replayed(commit, tree="5" * 40, parent="", committer=WHO)
    assert again.split(b"\n\n", 1)[1] == commit.message
    assert b"parent" not in again
    assert b"encoding latin-1" in again
