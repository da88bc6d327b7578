"""One child process, bounded in every way: time, output, cancel. Its whole process group dies with it.

`run` is for local git plumbing (a tuned subprocess: it costs a quarter of a call through sh). Commands that
reach over the network go through `remote.py`.
"""

import os
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from flowforge.core.errors import Broken, Reason, Refused, Temporary

_CHUNK = 1 << 18
_TICK = 0.2  # seconds between two looks at the clock and at cancel
MAX_STDERR = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a child may use: seconds of wall time, bytes of output; `cancelled` is asked several times a second."""

    deadline: float
    max_output: int
    cancelled: Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class Done:
    code: int
    out: bytes
    err: bytes


def program() -> str:
    """Where git is.

    Raises:
        Broken: configuration, when it is not installed.
    """
    found = shutil.which("git")
    if found is None:
        raise Broken(
            Reason.CONFIGURATION,
            "git is not installed, or not on the PATH",
            next_action="install git 2.38 or newer",
        )
    return found


def start(argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start `argv` in a session of its own, with pipes and with nothing of our environment."""
    return subprocess.Popen(
        list(argv),
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        bufsize=0,
    )


def run(argv: Sequence[str], env: Mapping[str, str], stdin: bytes, bounds: Bounds, name: str) -> Done:
    """Run `argv` to its end. `name` is how messages call it.

    Raises:
        Temporary: timeout.
        Refused: output_limit, cancelled.
    """
    process = None
    try:
        with uninterrupted():
            process = start(argv, env)
        out, err = _exchange(process, stdin, bounds, name)
        code = process.wait(timeout=max(1.0, bounds.deadline))
    except subprocess.TimeoutExpired:
        raise too_slow(name, bounds.deadline) from None
    finally:
        if process is not None:
            end(process)
    return Done(code=code, out=out, err=err)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let ^C and SIGTERM wait until the block ends, for the moment in which a child exists and nobody knows it.

    They are raised at the end of the block, so what it assigned must be ended by whoever stands around it.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ours = {number: handler for number, handler in before.items() if callable(handler)}
    for number in ours:
        signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
        for late in dict.fromkeys(came):
            signal.raise_signal(late)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process group if it still runs, and close our ends of its pipes."""
    if process.poll() is None:
        kill_group(process.pid)
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(OSError):
                stream.close()


def kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def check(bounds: Bounds, until: float, name: str) -> None:
    """Raise when the time is over (`until` on the monotonic clock) or the job was cancelled."""
    if time.monotonic() > until:
        raise too_slow(name, bounds.deadline)
    if bounds.cancelled():
        raise Refused(Reason.CANCELLED, f"{name} was stopped: the job was cancelled")


def too_slow(name: str, deadline: float) -> Temporary:
    return Temporary(
        Reason.TIMEOUT,
        f"{name} took longer than its {deadline:g} seconds and was stopped",
        delay=30.0,
        next_action="retry when the machine or the git host is less busy, or raise the time limit",
    )


def too_much(name: str, limit: int) -> Refused:
    return Refused(
        Reason.OUTPUT_LIMIT,
        f"{name} wrote more than {limit} bytes and was stopped",
        next_action="the change or the repository is larger than this installation allows",
    )


def _exchange(
    process: subprocess.Popen[bytes], stdin: bytes, bounds: Bounds, name: str
) -> tuple[bytes, bytes]:
    """Feed and drain all three pipes at once, so that neither side can block the other."""
    source, sinks = _pipes(process)
    out = {stream: bytearray() for stream in sinks}
    until = time.monotonic() + bounds.deadline
    rest = memoryview(stdin)
    with selectors.DefaultSelector() as selector:
        for stream in sinks:
            selector.register(stream, selectors.EVENT_READ)
        if rest:
            os.set_blocking(source.fileno(), False)
            selector.register(source, selectors.EVENT_WRITE)
        else:
            source.close()
        while selector.get_map():
            for key, _ in selector.select(_TICK):
                if key.fileobj is source:
                    rest = _feed(source, rest, selector)
                else:
                    _drain(key.fileobj, out, selector)  # type: ignore[arg-type] # one of `sinks`
            check(bounds, until, name)
            if len(out[sinks[0]]) > bounds.max_output:
                raise too_much(name, bounds.max_output)
    return bytes(out[sinks[0]]), bytes(out[sinks[1]][:MAX_STDERR])


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], tuple[IO[bytes], IO[bytes]]]:
    assert process.stdin is not None  # noqa: S101 (start() asks for all three pipes)
    assert process.stdout is not None  # noqa: S101 (same)
    assert process.stderr is not None  # noqa: S101 (same)
    return process.stdin, (process.stdout, process.stderr)


def _feed(source: IO[bytes], rest: memoryview, selector: selectors.BaseSelector) -> memoryview:
    try:
        rest = rest[os.write(source.fileno(), rest[:_CHUNK]) :]
    except BrokenPipeError:  # the child has read what it wanted; its status tells why
        rest = rest[:0]
    if not rest:
        selector.unregister(source)
        source.close()
    return rest


def _drain(stream: IO[bytes], out: dict[IO[bytes], bytearray], selector: selectors.BaseSelector) -> None:
    chunk = os.read(stream.fileno(), _CHUNK)
    if chunk:
        out[stream] += chunk
    else:
        selector.unregister(stream)
