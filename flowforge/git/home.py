"""Which repository a folder belongs to. Imports little: git waits for it."""

import os
from collections.abc import Mapping
from pathlib import Path

from flowforge.core.errors import FlowForgeError
from flowforge.git import process as child

_BOUNDS = child.Bounds(deadline=10.0, max_output=1 << 16, cancelled=lambda: False)
_ASKED = ("rev-parse", "--path-format=absolute", "--git-common-dir")


def home_of(folder: Path, environment: Mapping[str, str]) -> str:
    """The one folder of a repository and of all its work trees, as an absolute path; "" where there is none."""
    try:
        done = child.run(
            [child.program(), "-C", str(folder), *_ASKED], environment, b"", _BOUNDS, "git rev-parse"
        )
    except FlowForgeError:
        return ""
    found = os.fsdecode(done.out.rstrip(b"\n"))
    if done.code or not found:
        return ""
    real = Path(found).resolve()
    return str(real.parent if real.name == ".git" else real)
