"""One run of a program: its input written, its output read up to a limit, and all of it gone after a deadline.

The program leads a session of its own, so that whatever it has started ends with it.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MAX_OUTPUT: Final = 4 << 20  # bytes of standard output
_TAIL: Final = 16 << 10  # bytes of standard error that are kept
_PIECE: Final = 1 << 16


class Failure(StrEnum):
    NONE = ""
    DEADLINE = "the deadline was over, and the program was killed"
    OUTPUT = "the program wrote more than any answer that was asked for, and was killed"
    SIGNAL = "the program was killed by a signal"


@dataclass(frozen=True, kw_only=True)
class Ended:
    status: int
    output: bytes
    errors: bytes  # the last of them
    failure: Failure = Failure.NONE


def run(argv: Sequence[str], question: bytes, env: Mapping[str, str], seconds: float) -> Ended:
    """Run a program to its end or to the deadline.

    Raises:
        OSError: it cannot be started.
    """
    until = time.monotonic() + seconds
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(env),
        cwd="/",
        start_new_session=True,
    )
    talk = _Talk(process=process, left=memoryview(question))
    try:
        failure = talk.until(until)
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
        talk.close()
    if failure is Failure.NONE and status < 0:
        failure = Failure.SIGNAL
    return Ended(status=status, output=bytes(talk.output), errors=bytes(talk.errors), failure=failure)


@dataclass(kw_only=True)
class _Talk:
    """The three pipes of a process that runs."""

    process: subprocess.Popen[bytes]
    left: memoryview
    output: bytearray = field(default_factory=bytearray)
    errors: bytearray = field(default_factory=bytearray)

    def until(self, moment: float) -> Failure:
        """Write and read until the process has ended and its pipes are read, or something must stop it."""
        life = os.pidfd_open(self.process.pid)
        try:
            with selectors.DefaultSelector() as ready:
                self._register(ready, life)
                return self._converse(ready, life, moment)
        finally:
            os.close(life)

    def _register(self, ready: selectors.BaseSelector, life: int) -> None:
        for pipe, event in (
            (self.process.stdin, selectors.EVENT_WRITE),
            (self.process.stdout, selectors.EVENT_READ),
            (self.process.stderr, selectors.EVENT_READ),
        ):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                ready.register(pipe, event)
        ready.register(life, selectors.EVENT_READ)

    def _converse(self, ready: selectors.BaseSelector, life: int, moment: float) -> Failure:
        over = False
        while not over:
            left = moment - time.monotonic()
            if left <= 0:
                return Failure.DEADLINE
            for key, _event in ready.select(left):
                over = over or key.fileobj == life
                if key.fileobj != life and not self._goes_on(key.fileobj):
                    ready.unregister(key.fileobj)
                    self._close_input(key.fileobj)
            if len(self.output) > MAX_OUTPUT:
                return Failure.OUTPUT
        self._drain()
        return Failure.OUTPUT if len(self.output) > MAX_OUTPUT else Failure.NONE

    def _drain(self) -> None:
        """Read what the process left behind; what others still write into its pipes is not waited for."""
        for pipe in (self.process.stdout, self.process.stderr):
            with contextlib.suppress(BlockingIOError):
                while len(self.output) <= MAX_OUTPUT and self._read(pipe):
                    pass

    def _goes_on(self, pipe: object) -> bool:
        """Write or read one piece; False where this pipe has no more."""
        try:
            return self._write() if pipe is self.process.stdin else self._read(pipe)
        except BlockingIOError:
            return True
        except OSError:  # it reads no more of its question, which is its own affair
            return False

    def _write(self) -> bool:
        if self.process.stdin is not None and self.left:
            self.left = self.left[os.write(self.process.stdin.fileno(), self.left[:_PIECE]) :]
        return bool(self.left)

    def _close_input(self, pipe: object) -> None:
        """So that the program reads the end of its question."""
        if pipe is self.process.stdin and self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()

    def _read(self, pipe: object) -> bool:
        into = self.output if pipe is self.process.stdout else self.errors
        source = self.process.stdout if pipe is self.process.stdout else self.process.stderr
        data = os.read(source.fileno(), _PIECE) if source is not None else b""
        into += data
        if into is self.errors and len(into) > _TAIL:
            del into[:-_TAIL]
        return bool(data)

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
