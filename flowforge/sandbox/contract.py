"""What a sandbox is asked and what it answers. Every form of it (local, unsandboxed, Kubernetes) keeps this.

Sizes are bytes, times seconds. A command that fails, is killed or breaks a limit is a `Finished`, never an
exception; a sandbox that cannot run it at all raises `Refused` or `Broken` before the command has begun.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from flowforge.core.pipeline import Network

GIGABYTE = 1 << 30
MEGABYTE = 1 << 20


class Why(StrEnum):
    """What ended a command. The words are those of `core.errors.Reason` where both have one."""

    EXITED = ""
    TIMEOUT = "timeout"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    DISK_LIMIT = "no_space"
    CANCELLED = "cancelled"


class Limit(StrEnum):
    """The limits a command is given. A host that cannot hold one says so in `Finished.missing`."""

    WALL = "wall time"
    OUTPUT = "output size"
    MEMORY = "memory"
    PROCESSES = "processes"
    CPU = "cpu share"
    FILE_SIZE = "file size"
    DISK = "disk space"
    NETWORK = "network"
    FILES = "file system"
    SYSTEM_CALLS = "system calls"


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command, and everything it may use. It sees `folder` as /workspace, its working directory."""

    argv: tuple[str, ...]
    folder: Path  # the only thing on this machine that it can write to; no `.git` inside
    env: Mapping[str, str] = field(default_factory=dict)  # added to PATH, HOME, LANG and nothing else
    timeout: float = 1200.0  # wall time
    memory: int = 4 * GIGABYTE  # of all its processes, page cache of /tmp included
    cpu: float = 2.0  # processors
    processes: int = 256  # processes and threads at one time
    file_size: int = 4 * GIGABYTE  # of one file
    disk: int = 16 * GIGABYTE  # of the whole folder; watched, so it may be passed for a moment
    output: int = 64 * MEGABYTE  # of stdout and stderr together
    network: Network = Network.NONE


@dataclass(frozen=True, kw_only=True)
class Finished:
    """How a command ended, as the supervisor saw it; nothing in here was said by the command."""

    status: int  # exit status; 128 + number of the signal that killed it, as a shell would say
    seconds: float
    why: Why = Why.EXITED
    missing: Mapping[Limit, str] = field(default_factory=dict)  # limits this host could not hold, and why
    output: int = 0  # bytes written, those over the limit not counted
    memory_peak: int = 0  # 0 = not measured here
    cpu_seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.status == 0 and self.why is Why.EXITED


class Sandbox(Protocol):
    """Runs commands that nobody trusts. One object serves many threads."""

    @property
    def name(self) -> str:
        """`bubblewrap`, `none`, `kubernetes`: shown in logs and reports."""
        ...

    def missing(self) -> Mapping[Limit, str]:
        """The limits that this host cannot hold, each with the reason; empty is what one wants."""
        ...

    def run(
        self, command: Command, on_output: Callable[[bytes], None], cancelled: Callable[[], bool]
    ) -> Finished:
        """Run to the end, killing everything the command started, whatever way it ended.

        `on_output` gets stdout and stderr as they appear, in one stream, called from the caller's thread.
        `cancelled` is asked several times a second.

        Raises:
            Refused: `sandbox_unavailable`, or `invalid_request` for what this sandbox cannot grant.
            Broken: the sandbox itself failed before the command began.
        """
        ...
