"""What differs between two trees, compared with git's own answer."""

from flowforge.git.changes import changes
from flowforge.git.command import Door, Git
from tests.gitrepo import Content, Repository

ONE: dict[str, Content] = {"a": "1\n", "d/e/f": "2\n", "d/g": "3\n", "x": "4\n", "s": ("160000", "1" * 40)}
TWO: dict[str, Content] = {
    "a": ("100755", "1\n"),
    "d/e": "now a file\n",
    "d/g": "3\n",
    "x/y": "now a folder\n",
    "s": ("160000", "2" * 40),
}


def test_changes_are_those_that_git_finds(origin: Repository, door: Door) -> None:
    trees = ["", *(origin.tree(origin.commit(files)) for files in (ONE, TWO))]
    names = [origin.git("hash-object", "-t", "tree", "-w", "--stdin").decode().strip(), *trees[1:]]
    with Git(folder=origin.path, door=door).objects() as objects:
        for old, old_name in zip(trees, names, strict=True):
            for new, new_name in zip(trees, names, strict=True):
                out = origin.git("diff-tree", "-r", "-z", "--no-renames", "--name-only", old_name, new_name)
                expected = set(out.split(b"\0")[:-1])
                assert {change.path for change in changes(objects, old, new)} == expected


def test_a_change_tells_both_entries(origin: Repository, door: Door) -> None:
    one, two = (origin.tree(origin.commit(files)) for files in (ONE, TWO))
    with Git(folder=origin.path, door=door).objects() as objects:
        found = {change.path: change for change in changes(objects, one, two)}
    mode = found[b"a"]
    assert mode.old is not None
    assert mode.new is not None
    assert (mode.old.mode, mode.new.mode) == ("100644", "100755")
    assert found[b"d/e/f"].new is None
    assert found[b"x/y"].old is None
