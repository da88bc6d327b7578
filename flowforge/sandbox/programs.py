"""Which programs a command would find: those on its search path that the sandbox shows it, too."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from flowforge.sandbox.bubblewrap import SEARCH

_SHOWN = (Path("/usr"), Path("/bin"), Path("/sbin"), Path("/lib"), Path("/lib64"))


def find_programs(
    names: Iterable[str], tools: Sequence[Path], *, walls: bool, search: str = SEARCH
) -> Mapping[str, Path]:
    """Name -> where it is, for those that are there. With `walls`, a link to what the sandbox hides is no program."""
    path = ":".join([*(str(tool / "bin") for tool in tools), search])
    found = {name: Path(there) for name in names if (there := shutil.which(name, path=path)) is not None}
    if not walls:
        return found
    shown = (*_SHOWN, *tools)
    return {
        name: there
        for name, there in found.items()
        if any(there.resolve().is_relative_to(folder.resolve()) for folder in shown)
    }
