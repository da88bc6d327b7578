import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from flowforge.git import process
from flowforge.git.process import Bounds, run, uninterrupted

BOUNDS = Bounds(deadline=30, max_output=1 << 20, cancelled=lambda: False)
ENV = {"PATH": os.environ["PATH"]}


def test_an_interrupt_in_the_moment_of_the_start_leaves_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start = process.start

    def start_and_interrupt(argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        started.append(start(argv, env))
        os.kill(os.getpid(), signal.SIGINT)  # before anybody was told of the child
        return started[0]

    monkeypatch.setattr(process, "start", start_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(["sleep", "600"], ENV, b"", BOUNDS, "sleep")
    assert started[0].returncode == -signal.SIGKILL


def test_an_interrupt_is_late_and_not_lost() -> None:
    seen = []

    def work() -> None:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            seen.append("went on")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert seen == ["went on"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handlers_of_nobody_are_left_alone() -> None:
    """SIGTERM has no handler of Python's here: it must still end the process at once."""
    before = signal.getsignal(signal.SIGTERM)
    with uninterrupted():
        assert signal.getsignal(signal.SIGTERM) is before
    assert before is signal.SIG_DFL


def test_in_another_thread_nothing_is_held_back(tmp_path: Path) -> None:
    ended = []

    def work() -> None:
        ended.append(run(["true"], ENV, b"", BOUNDS, "true").code)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == [0]
