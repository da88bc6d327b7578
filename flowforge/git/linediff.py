"""Which lines of a file were taken away, and where they stood as seen from its new version."""

import re
from collections.abc import Mapping

from flowforge.git.command import Git

_HUNK = re.compile(rb"@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@")


def removed_lines(git: Git, old: str, new: str) -> Mapping[int, tuple[bytes, ...]]:
    """Lines that blob `new` lost against blob `old`, by the line of `new` (1-based) before which they stood.

    What stood behind the last line has the number after it. Ids are full hex; one process.
    """
    options = (
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--text",
        "--unified=0",
        "--inter-hunk-context=0",
    )
    found: dict[int, list[bytes]] = {}
    at, hunks = 0, git.run("diff", *options, "--end-of-options", old, new).split(b"\n")
    for line in hunks:
        head = _HUNK.match(line)
        if head is not None:
            at = int(head[1]) + (head[2] == b"0")
        elif at and line.startswith(b"-"):
            found.setdefault(at, []).append(line[1:].rstrip(b"\r"))
    return {number: tuple(lines) for number, lines in found.items()}
