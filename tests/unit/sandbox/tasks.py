"""Functions that the pool's tests call in children: each one goes wrong in its own way, or does not."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.core.verdict import Finding, Level


@dataclass(frozen=True)
class OwnValue:
    text: str = "a plugin's own class"


def echo(*values: object) -> object:
    return list(values)


def process_id() -> int:
    return os.getpid()


def environment() -> dict[str, str]:
    return dict(os.environ)


def string_hash(text: str) -> int:
    return hash(text)


def finding(path: str) -> Finding:
    return Finding(rule="r", level=Level.ERROR, message="m", path=path)


def loop_forever() -> None:
    while True:
        pass


def raise_value_error() -> None:
    raise ValueError("no such thing")


def refuse() -> None:
    raise Refused(Reason.HOSTILE_CONTENT, "a sentence", next_action="do this", evidence="here")


def again_later() -> None:
    raise Temporary(Reason.BUSY, "later", delay=7.5)


def leave() -> None:
    sys.exit(0)


def leave_hard() -> None:
    os._exit(0)


def crash() -> None:
    ctypes.string_at(0)


def interrupt() -> None:
    raise KeyboardInterrupt


def eat_memory(size: int) -> int:
    return len(bytearray(size))


def recurse() -> None:
    recurse()


def own_value() -> OwnValue:
    return OwnValue()


def a_lambda() -> object:
    return lambda: None


class _Exploding:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch /tmp/flowforge-pool-was-fooled",)


def pickle_that_runs_a_command() -> _Exploding:
    return _Exploding()


def fork_and_return() -> int:
    return os.fork()


def daemon(mark: str) -> None:
    """Leave a process that has left our session and our process group."""
    subprocess.run(["/bin/sh", "-c", f"setsid -f sleep 1000{mark}"], check=True)


def daemon_then_hang(mark: str) -> None:
    daemon(mark)
    loop_forever()


def deaf_to_signals() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    loop_forever()


def hold_the_lock() -> None:
    """Hang in C, where no Python signal handler would run."""
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def subprocess_done_well() -> str:
    return subprocess.run(["/bin/echo", "hi"], capture_output=True, text=True, check=True).stdout


def print_much() -> str:
    print("x" * 100_000)
    sys.stderr.write("y" * 100_000)
    return sys.stdin.read()


def touch_then_sleep(path: str, seconds: float) -> int:
    Path(path).write_text(str(os.getpid()))
    time.sleep(seconds)
    return os.getpid()
