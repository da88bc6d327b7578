"""Limits that a process carries with it: held by the kernel for each process, handed on to its children."""

import resource
from collections.abc import Iterable

from flowforge.sandbox.contract import Command, Limit

_FILES = 4096  # open files of one process
PER_PROCESS = "held for each process alone, not for all of them together: no writable control group"


def set_limits(pid: int, command: Command, missing: Iterable[Limit]) -> None:
    """Give the stopped process `pid` its limits, and rough ones in place of those that are `missing`."""
    wanted = {
        resource.RLIMIT_FSIZE: command.file_size,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: _FILES,
        resource.RLIMIT_MEMLOCK: 8 << 20,
        resource.RLIMIT_MSGQUEUE: 819_200,
    }
    if Limit.MEMORY in missing:
        wanted[resource.RLIMIT_DATA] = (
            command.memory
        )  # private memory; RLIMIT_AS would refuse mere reservations
    for kind, most in wanted.items():
        _soft, hard = resource.prlimit(pid, kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.prlimit(pid, kind, (allowed, allowed))
