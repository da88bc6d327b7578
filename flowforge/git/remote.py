"""Git commands that reach over the network, run by sh: own session, output in files, deadline, cancel, cap.

Output goes to temporary files: sh then starts no reader threads, and a flood cannot fill the memory.
"""

import os
import select
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import sh

from flowforge.git.process import MAX_STDERR, Bounds, Done, check, kill_group, too_much, uninterrupted

_SOONEST, _LATEST = 0.001, 0.05  # seconds between two looks at the child's output and at cancel


def run_remote(
    argv: Sequence[str], env: Mapping[str, str], bounds: Bounds, name: str, hold: Sequence[int] = ()
) -> Done:
    """Run `argv` to its end, with nothing on its standard input.

    `hold` are file descriptors the child inherits: a lock it must keep even when this process is killed.

    Raises:
        Temporary: timeout.
        Refused: output_limit, cancelled.
    """
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        Path(os.devnull).open("rb") as empty,
    ):
        running = None
        try:
            with uninterrupted():
                running = sh.Command(argv[0])(
                    *argv[1:],
                    _bg=True,
                    _bg_exc=False,
                    _new_session=True,
                    _tty_out=False,
                    _in=empty,
                    _out=out,
                    _err=err,
                    _env=dict(env),
                    _pass_fds=set(hold),
                    _no_pipe=True,
                )
            code = _watch(running.process, bounds, name, out)
        finally:
            if running is not None:
                _end(running.process)
        return Done(code=code, out=_read(out, bounds.max_output), err=_read(err, MAX_STDERR))


def _watch(process: "sh.OProc", bounds: Bounds, name: str, out: IO[bytes]) -> int:
    until = time.monotonic() + bounds.deadline
    pause = _SOONEST
    with _until_it_ends(process.pid) as wait:
        while True:
            alive, code = process.is_alive()
            if not alive:
                return -1 if code is None else code
            check(bounds, until, name)
            if os.fstat(out.fileno()).st_size > bounds.max_output:
                raise too_much(name, bounds.max_output)
            wait(pause)
            pause = min(pause * 1.5, _LATEST)


def _end(process: "sh.OProc") -> None:
    if process.is_alive()[0]:
        kill_group(process.pid)
    process.wait()


@contextmanager
def _until_it_ends(pid: int) -> Iterator[Callable[[float], object]]:
    """Something that waits for some seconds, or less where the child ends before."""
    try:
        handle = os.pidfd_open(pid)
    except (AttributeError, OSError):  # no such call on this system, or the child has ended
        yield time.sleep
        return
    ended = select.poll()
    ended.register(handle, select.POLLIN)
    try:
        yield lambda seconds: ended.poll(seconds * 1000)
    finally:
        os.close(handle)


def _read(file: IO[bytes], limit: int) -> bytes:
    file.seek(0)
    return file.read(limit)
