"""Validators that go wrong, each in its own way. Called in children of a pool."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator

from flowforge.core.verdict import Finding, Level
from flowforge.hooks.contracts import CheckedFile


class Own:
    pass


def raises(file: CheckedFile) -> list[Finding]:
    raise ValueError("on purpose")


def raises_half_way(file: CheckedFile) -> Iterator[Finding]:
    yield Finding(rule="r", level=Level.NOTE, message="m", path=file.path)
    raise ValueError("on purpose")


def hangs(file: CheckedFile) -> list[Finding]:
    while True:
        pass


def forks(file: CheckedFile) -> list[Finding]:
    os.fork()
    return []


def leaves_a_daemon(file: CheckedFile) -> list[Finding]:
    subprocess.run(["/bin/sh", "-c", "setsid -f sleep 1000"], check=True)
    return []


def leaves(file: CheckedFile) -> list[Finding]:
    sys.exit(0)


def leaves_hard(file: CheckedFile) -> list[Finding]:
    os._exit(0)


def crashes(file: CheckedFile) -> list[Finding]:
    ctypes.string_at(0)
    return []


def eats_memory(file: CheckedFile) -> list[Finding]:
    bytearray(4 << 30)
    return []


def answers_nothing(file: CheckedFile) -> None:
    return None


def answers_text(file: CheckedFile) -> str:
    return "all is well"


def answers_its_own_class(file: CheckedFile) -> list[Own]:
    return [Own()]


def answers_about_another_file(file: CheckedFile) -> list[Finding]:
    return [Finding(rule="r", level=Level.NOTE, message="m", path="/etc/passwd")]


def answers_without_end(file: CheckedFile) -> Iterator[Finding]:
    while True:
        yield Finding(rule="r", level=Level.NOTE, message="m" * 10_000, path=file.path)


def closes_every_file(file: CheckedFile) -> list[Finding]:
    os.closerange(0, 256)
    return []
