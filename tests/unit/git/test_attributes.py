"""What of .gitattributes counts: compared with a rebase in a work tree, and with git's own reading of the file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flowforge.git.attributes import Attributes, attributes_of, reduce
from flowforge.git.mirror import Mirror
from flowforge.git.replay import Committer, commits_to_replay, replay
from tests.gitrepo import Repository

MirrorOf = Callable[[Repository], Mirror]


def reduced(text: str, folder: str = "") -> list[str]:
    files = (Attributes(folder=folder.encode(), text=text.encode()),)
    lines = reduce(files, 31).decode().splitlines()
    assert lines[-1] == "* conflict-marker-size=31"
    return lines[:-1]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("*.log merge=union", ['"*.log" merge=union']),
        ("*.png binary", ['"*.png" -merge -text']),
        ("*.c merge=my-driver", ['"*.c" merge=text']),
        ("*.c filter=lfs diff=lfs merge=lfs -text", ['"*.c" merge=text -text']),
        ("*.c filter=evil", []),
        ("* text=auto eol=lf", ['"*" text=auto eol=lf']),
        ("* eol=evil ident working-tree-encoding=UTF-16", []),
        ("* conflict-marker-size=1", []),
        ("a !merge -merge merge", ['"a" !merge -merge merge']),
        ('"a b" merge=union', ['"a b" merge=union']),
        (r'"t\tab" merge=union', [r'"t\011ab" merge=union']),
        ('"broken merge=union', [r'"\042broken" merge=union']),
        ("!a merge=union", []),
        ("folder/ merge=union", []),
        ("# a merge=union", []),
        ("", []),
        ("a merge=union\r", ['"a" merge=union']),
        ("\ufeffa merge=union", ['"a" merge=union']),
        ("a " + "x" * 2100 + " merge=union", []),
        ("é merge=union", [r'"\303\251" merge=union']),
    ],
)
def test_a_line_is_reduced_to_what_merging_needs(line: str, expected: list[str]) -> None:
    assert reduced(line) == expected


def test_macros_are_kept_reduced_and_only_from_the_root() -> None:
    text = "[attr]mine merge=union filter=evil\n*.x mine\n*.y -mine\n"
    assert reduced(text) == ["[attr]ff-mine merge=union", '"*.x" ff-mine']
    assert reduced(text, "d") == []


@pytest.mark.parametrize(
    ("folder", "pattern", "expected"),
    [
        ("d", "*.x", '"/d/**/*.x"'),
        ("d/e", "/x", '"/d/e/x"'),
        ("d", "e/x", '"/d/e/x"'),
        ("d[1]*", "x", r'"/d\134[1]\134*/**/x"'),
    ],
)
def test_a_pattern_of_a_folder_reads_from_the_root(folder: str, pattern: str, expected: str) -> None:
    assert reduced(f"{pattern} merge=union", folder) == [f"{expected} merge=union"]


FILES = {
    ".gitattributes": (
        "[attr]joined merge=union\n*.log joined\n*.bin binary\n*.lock -merge\nx.txt merge=nobody\n"
        '"with space" merge=union\n/only-root merge=union\n'
    ),
    "d/.gitattributes": "*.log !merge\nnested.txt merge=union\n/here merge=union\nsub/deep merge=union\n",
    "d/sub/.gitattributes": "*.log merge=union\n",
    "d [x]/.gitattributes": "odd merge=union\n",
}
PATHS = [
    "a.log",
    "a.bin",
    "a.lock",
    "x.txt",
    "plain",
    "with space",
    "only-root",
    "d/only-root",
    "d/a.log",
    "d/nested.txt",
    "d/q/nested.txt",
    "d/here",
    "d/q/here",
    "d/sub/deep",
    "d/sub/b.log",
    "d [x]/odd",
    "d [x]/q/odd",
    "d x/odd",
]


def test_git_reads_the_same_from_the_reduced_file_as_from_the_tree(
    origin: Repository, mirror_of: MirrorOf, tmp_path: Path
) -> None:
    head = origin.commit(FILES, branch="main")
    origin.commit({**FILES, "n": "n\n"}, head, branch="topic")
    mirror = mirror_of(origin)
    mirror.fetch("topic", "main")
    with mirror.git.objects() as objects:
        files = attributes_of(mirror.git, objects, mirror.tree_of(head))
    place = tmp_path / "attributes"
    place.write_bytes(reduce(files, 31))
    ask = ["check-attr", "merge", "--", *PATHS]
    origin.git("worktree", "add", "-q", "--detach", str(tmp_path / "w"), head)
    in_tree = origin.git("-C", str(tmp_path / "w"), *ask).decode()
    from_file = mirror.git.with_attributes(place).run(*ask).decode()
    known = in_tree.replace("merge: nobody", "merge: text")  # a driver that is configured nowhere
    assert from_file == known


@pytest.mark.parametrize("path", PATHS)
def test_a_replay_merges_each_path_as_a_work_tree_rebase_does(
    origin: Repository, mirror_of: MirrorOf, committer: Committer, tmp_path: Path, path: str
) -> None:
    start = origin.commit({**FILES, path: "one\ntwo\n"})
    target = origin.commit({**FILES, path: "one\nup\ntwo\n"}, start, branch="main")
    head = origin.commit({**FILES, path: "one\ndown\ntwo\n"}, start, branch="topic")
    mirror = mirror_of(origin)
    mirror.fetch("topic", "main")
    done = replay(mirror, commits_to_replay(mirror, start, head, target), target, committer)
    rebased = origin.rebase(tmp_path / "w", head, target)
    assert (done.stopped is None) == bool(rebased)
    if rebased:
        assert done.tree == origin.tree(rebased)


def test_what_is_remembered_of_one_tree_is_brought_up_to_date_for_the_next(
    origin: Repository, mirror_of: MirrorOf
) -> None:
    one = origin.commit({"a/.gitattributes": "x merge=union\n", "k": "k\n"}, branch="main")
    two = origin.commit({"b/.gitattributes": "y merge=union\n", "k": "k\n"}, one, branch="topic")
    mirror = mirror_of(origin)
    mirror.fetch("topic", "main")
    with mirror.git.objects() as objects:
        for commit, folder in ((one, b"a"), (two, b"b"), (one, b"a"), (one, b"a")):
            found = attributes_of(mirror.git, objects, mirror.tree_of(commit))
            assert [file.folder for file in found] == [folder]
        (mirror.path / "flowforge-attributes.json").write_text('{"tree": "' + "1" * 40 + '", "blobs": {}}')
        assert len(attributes_of(mirror.git, objects, mirror.tree_of(two))) == 1
        (mirror.path / "flowforge-attributes.json").write_text("[not json")
        assert len(attributes_of(mirror.git, objects, mirror.tree_of(two))) == 1
