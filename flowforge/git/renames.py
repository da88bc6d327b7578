"""Where a file stood before a rename, asked only when a conflict's path is not in a side's tree."""

from collections.abc import Mapping

from flowforge.core.conflict import Side
from flowforge.git.command import Git
from flowforge.git.objects import Objects


class Renames:
    """Looks paths of one merge up in its three trees; `trees` maps each side to a tree id ("" = no tree)."""

    def __init__(self, git: Git, objects: Objects, trees: Mapping[Side, str]) -> None:
        self._git, self._objects, self._trees = git, objects, trees
        self._found: dict[bytes, bytes] | None = None

    def old_path(self, path: bytes, side: Side) -> bytes:
        """`path` if the side's tree has it, else the path it had in base before one side renamed it."""
        tree = self._trees[side]
        if tree and self._objects.entry(tree, path) is not None:
            return path
        return self._renamed().get(path, path)

    def _renamed(self) -> Mapping[bytes, bytes]:
        """New path -> old path, over both sides. Costs two tree diffs, so it is asked late and once."""
        if self._found is None:
            self._found = {}
            for side in (Side.COMMIT, Side.UPSTREAM):
                if self._trees[Side.BASE]:
                    self._found |= renamed(self._git, self._trees[Side.BASE], self._trees[side])
        return self._found


def renamed(git: Git, old: str, new: str) -> dict[bytes, bytes]:
    """New path -> old path of what git takes for renames between two trees; one process."""
    out = git.run(
        "diff-tree", "-r", "-M", "-z", "--name-status", "--diff-filter=R", "--end-of-options", old, new
    )
    fields = out.split(b"\0")[:-1]
    return {new_path: old_path for old_path, new_path in zip(fields[1::3], fields[2::3], strict=True)}
