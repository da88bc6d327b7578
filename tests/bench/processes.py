"""What the kernel says of processes: who is below whom, how much memory each takes, what it runs."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path


def descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                yield child
                yield from descendants(child)


def resident(pid: int) -> int:
    return _status(pid).get("VmRSS", 0)


def most_resident(pid: int) -> int:
    """Bytes, by the kernel's own high-water mark."""
    return _status(pid).get("VmHWM", 0)


def _status(pid: int) -> Mapping[str, int]:
    """Bytes by name; nothing for a process that has ended."""
    try:
        rows = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    except OSError:
        return {}
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if row[-1:] == ["kB"]}


def program(pid: int) -> str:
    with suppress(OSError):
        return str(Path(f"/proc/{pid}/exe").readlink())
    return ""
