"""One control group a command: memory, processes and processor share held by the kernel, v1 or v2.

Groups are made below the one this process is in (v2: beside it, where it is a leaf of a delegated tree), or
below a folder that a setting names. A controller that cannot be written here is missing, with the reason;
nothing is pretended.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flowforge.sandbox.contract import Command, Limit

_LIMITS = {"memory": Limit.MEMORY, "pids": Limit.PROCESSES, "cpu": Limit.CPU}
_PERIOD = 100_000  # microseconds over which the processor share is counted
PREFIX = "flowforge-"  # of every group's name
_YOUNG = 60.0  # seconds
_PATIENCE = 5.0  # seconds for the kernel to empty a killed group


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Where groups can be made: controller -> folder. In v2 all of them name one folder."""

    version: int
    parents: Mapping[str, Path]
    missing: Mapping[Limit, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Group:
    """One command's group."""

    version: int
    folders: Mapping[str, Path]

    def add(self, pid: int) -> None:
        for folder in set(self.folders.values()):
            _write(folder / "cgroup.procs", str(pid))

    def processes(self) -> set[int]:
        found: set[int] = set()
        for folder in set(self.folders.values()):
            with contextlib.suppress(OSError):
                found |= {int(pid) for pid in (folder / "cgroup.procs").read_text().split()}
        return found

    def kill(self) -> None:
        """Kill every process in it, again and again until none is left to fork another."""
        end = time.monotonic() + _PATIENCE
        for folder in set(self.folders.values()):
            with contextlib.suppress(OSError):
                _write(folder / "cgroup.kill", "1")
        while (left := self.processes()) and time.monotonic() < end:
            for pid in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.002)

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed a process of this group because its memory was used up."""
        return self._count("memory", {1: "memory.oom_control", 2: "memory.events"}, "oom_kill") > 0

    def memory_peak(self) -> int:
        name = {1: "memory.memsw.max_usage_in_bytes", 2: "memory.peak"}[self.version]
        plain = self._number("memory", name)
        return plain or self._number("memory", "memory.max_usage_in_bytes")

    def cpu_seconds(self) -> float:
        if self.version == 1:
            return self._number("cpuacct", "cpuacct.usage") / 1e9
        return self._count("cpu", {2: "cpu.stat"}, "usage_usec") / 1e6

    def _number(self, controller: str, name: str) -> int:
        with contextlib.suppress(OSError, KeyError, ValueError):
            return int((self.folders[controller] / name).read_text())
        return 0

    def _count(self, controller: str, names: Mapping[int, str], key: str) -> int:
        with contextlib.suppress(OSError, KeyError, ValueError):
            for line in (self.folders[controller] / names[self.version]).read_text().splitlines():
                word, _, number = line.partition(" ")
                if word == key:
                    return int(number)
        return 0


def find_groups(root: Path, membership: str, chosen: str = "") -> Groups:
    """See what can be held here. `root` is /sys/fs/cgroup, `membership` the text of /proc/self/cgroup.

    `chosen` is a group's path below each hierarchy, from a setting, instead of the one we are in.
    """
    paths = _membership(membership)
    if (root / "cgroup.controllers").exists():
        return _find_v2(root, chosen or paths.get("", "/"))
    parents = {}
    for controller in ("memory", "pids", "cpu", "cpuacct"):
        parent = root / controller / (chosen or paths.get(controller, "/")).lstrip("/")
        if os.access(parent, os.W_OK) and _makes_groups(parent):
            parents[controller] = parent
    missing = {
        limit: f"the control group hierarchy {controller!r} cannot be written here"
        for controller, limit in _LIMITS.items()
        if controller not in parents
    }
    return Groups(version=1, parents=parents, missing=missing)


@contextlib.contextmanager
def open_group(groups: Groups, name: str, command: Command) -> Iterator[Group]:
    """Make a group with the command's limits; at the end kill what is in it and remove it.

    Raises:
        OSError: the kernel refuses the group or a limit.
    """
    folders = {controller: parent / f"{PREFIX}{name}" for controller, parent in groups.parents.items()}
    group = Group(version=groups.version, folders=folders)
    try:
        for folder in set(folders.values()):
            folder.mkdir()
        for controller, file, text in _settings(groups.version, command):
            if controller in folders:
                _write_limit(folders[controller] / file, text)
        yield group
    finally:
        group.kill()
        for folder in set(folders.values()):
            _remove(folder)


def sweep(groups: Groups, now: float) -> int:
    """Remove groups that killed watchers left behind; how many. `now` is epoch seconds.

    The kernel refuses to remove one with a process in it; a young one may be about to get its first.
    """
    removed = 0
    for parent in set(groups.parents.values()):
        for folder in parent.glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError):
                if now - folder.stat().st_mtime > _YOUNG:
                    folder.rmdir()
                    removed += 1
    return removed


def _settings(version: int, command: Command) -> list[tuple[str, str, str]]:
    """(controller, file, text) of each limit. Memory and swap together are what is limited."""
    quota = str(max(1000, int(command.cpu * _PERIOD)))
    if version == 1:
        return [
            ("memory", "memory.limit_in_bytes", str(command.memory)),
            ("memory", "memory.memsw.limit_in_bytes", str(command.memory)),
            ("pids", "pids.max", str(command.processes)),
            ("cpu", "cpu.cfs_period_us", str(_PERIOD)),
            ("cpu", "cpu.cfs_quota_us", quota),
        ]
    return [
        ("memory", "memory.max", str(command.memory)),
        ("memory", "memory.swap.max", "0"),
        ("memory", "memory.oom.group", "1"),
        ("pids", "pids.max", str(command.processes)),
        ("cpu", "cpu.max", f"{quota} {_PERIOD}"),
    ]


_SWAP = {"memory.memsw.limit_in_bytes", "memory.swap.max", "memory.oom.group"}  # kernels may be built without


def _write_limit(path: Path, text: str) -> None:
    if path.name in _SWAP and not path.exists():
        return
    _write(path, text)


def _write(path: Path, text: str) -> None:
    """Write as the kernel wants it: no truncation, no file made where there is none."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    """A killed group may be busy for some milliseconds more."""
    end = time.monotonic() + _PATIENCE
    while folder.exists():
        with contextlib.suppress(OSError):
            folder.rmdir()
            return
        if time.monotonic() > end:
            return
        time.sleep(0.002)


def _membership(text: str) -> dict[str, str]:
    """Controller -> path of our own group; "" is the one of v2."""
    paths = {}
    for line in text.splitlines():
        _number, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def _find_v2(root: Path, own: str) -> Groups:
    here = root / own.lstrip("/")
    for parent in (here, here.parent) if here != root else (here,):
        if _has_controllers(parent):
            return Groups(version=2, parents=dict.fromkeys((*_LIMITS, "cpuacct"), parent))
    reason = f"no control group with memory, pids and cpu can be made in {own!r}: delegate one to this user"
    return Groups(version=2, parents={}, missing=dict.fromkeys(_LIMITS.values(), reason))


def _has_controllers(parent: Path) -> bool:
    """Whether groups in `parent` have the controllers, switching them on where that is still possible."""
    if not _enabled(parent):
        with contextlib.suppress(OSError):
            _write(parent / "cgroup.subtree_control", "+memory +pids +cpu")
    return _enabled(parent) and os.access(parent, os.W_OK) and _makes_groups(parent)


def _enabled(parent: Path) -> bool:
    try:
        return set(_LIMITS) <= set((parent / "cgroup.subtree_control").read_text().split())
    except OSError:
        return False


def _makes_groups(parent: Path) -> bool:
    probe = parent / f"{PREFIX}probe-{os.getpid()}"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    return True
