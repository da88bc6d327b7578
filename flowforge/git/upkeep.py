"""What keeps a mirror small and quick: few packs, a commit graph, no loose objects that nobody will read again.

Every fetch leaves a pack, every replay a few loose objects. They are rolled up after a job, when there are many
and nobody else has the mirror open. Objects that no ref reaches are kept for days: a job may come back to them.
"""

from contextlib import suppress
from dataclasses import replace

from flowforge.core.errors import FlowForgeError
from flowforge.git.command import Git
from flowforge.git.locks import Lock

MANY_PACKS = 30
_KEEP_LOOSE = "7.days.ago"


def needs_upkeep(git: Git) -> bool:
    return sum(1 for _ in (git.folder / "objects" / "pack").glob("*.pack")) > MANY_PACKS


def keep_up(git: Git, lock: Lock) -> bool:
    """Roll the packs of a mirror up, if nobody else uses it; whether that was done. Never fails a job."""
    door = replace(git.door, cancelled=lambda: False)
    steady = replace(git, door=door)
    with suppress(FlowForgeError):
        lock.take(exclusive=True, door=door, wait=0.0)
        steady.run("prune", f"--expire={_KEEP_LOOSE}")
        steady.run("repack", "-d", "--geometric=2", "--quiet")
        steady.run("commit-graph", "write", "--reachable", "--no-progress")
        return True
    return False
