"""What differs between two trees, compared with git's own answer, however deep or hostile they are."""

import string
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowforge.git.changes import Change, changes
from flowforge.git.mirror import Mirror
from tests.gitrepo import Content, Repository

names = st.text(alphabet=string.ascii_lowercase[:3], min_size=1, max_size=1)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
contents = st.sampled_from(["1\n", "2\n", ("100755", "1\n"), ("120000", "a"), ("160000", "1" * 40)])


def trees(files: dict[str, Content]) -> dict[str, Content]:
    """No path may be a folder of another."""
    kept: dict[str, Content] = {}
    for path, content in sorted(files.items()):
        if not any(path.startswith(f"{other}/") for other in kept):
            kept[path] = content
    return kept


snapshots = st.dictionaries(paths, contents, max_size=6).map(trees)


def found(mirror: Mirror, old: str, new: str) -> list[Change]:
    with mirror.git.objects() as objects:
        return list(changes(objects, old, new))


def by_git(repo: Repository, old: str, new: str) -> dict[bytes, tuple[bytes, bytes]]:
    """Path -> modes before and after, as `diff-tree` says; a change of type is one row there and here."""
    fields = repo.git("diff-tree", "-r", "-z", "--no-renames", old, new).split(b"\0")[:-1]
    rows = zip(fields[::2], fields[1::2], strict=True)
    return {path: (row.split(b" ")[0].lstrip(b":"), row.split(b" ")[1]) for row, path in rows}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=snapshots, other=snapshots)
def test_it_is_what_git_says(
    origin: Repository,
    mirror_of: Callable[[Repository], Mirror],
    one: dict[str, Content],
    other: dict[str, Content],
) -> None:
    start = origin.commit(one, branch="main")
    origin.commit(other, start, branch="topic")
    mirror = mirror_of(origin)
    tips = mirror.fetch("topic", "main")
    old, new = mirror.tree_of(tips.target), mirror.tree_of(tips.branch)
    said = {}
    for change in found(mirror, old, new):
        modes = tuple(entry.mode.encode() if entry else b"000000" for entry in (change.old, change.new))
        assert change.path not in said
        said[change.path] = modes
    assert said == by_git(origin, old, new)


def test_a_tree_deeper_than_the_stack_is_walked(
    origin: Repository, mirror_of: Callable[[Repository], Mirror]
) -> None:
    start = origin.commit({"a": "1\n"}, branch="main")
    origin.commit({"a": "1\n", "topic": "t\n"}, start, branch="topic")
    mirror = mirror_of(origin)
    mirror.fetch("topic", "main")
    with mirror.git.objects() as objects:
        tree = objects.write("tree", b"100644 f\0" + bytes.fromhex(objects.write("blob", b"deep\n")))
        for _ in range(2000):
            tree = objects.write("tree", b"40000 d\0" + bytes.fromhex(tree))
    (change,) = found(mirror, "", tree)
    assert change.path == b"d/" * 2000 + b"f"
    (gone,) = found(mirror, tree, "")
    assert (gone.old is not None, gone.new) == (True, None)


def test_equal_trees_are_not_even_read(origin: Repository, mirror_of: Callable[[Repository], Mirror]) -> None:
    origin.commit({"a": "1\n"}, branch="main")
    assert found(mirror_of(origin), "f" * 40, "f" * 40) == []
    assert found(mirror_of(origin), "", "") == []
