import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from flowforge.sandbox.contract import Why
from flowforge.sandbox.supervise import DiskWatch, Supervisor, Watched


def watch(
    script: str,
    *,
    timeout: float = 60.0,
    allowed: int = 1 << 20,
    cancelled: Callable[[], bool] = lambda: False,
    broken: Callable[[], Why] = lambda: Why.EXITED,
) -> tuple[Watched, bytes]:
    said: list[bytes] = []
    out, in_ = os.pipe()
    with os.fdopen(out, "rb"):
        process = subprocess.Popen(["sh", "-c", script], stdout=in_, stderr=in_)
        os.close(in_)
        supervisor = Supervisor(
            process=process,
            said=out,
            timeout=timeout,
            allowed=allowed,
            on_output=said.append,
            cancelled=cancelled,
            kill=process.kill,
            broken=broken,
        )
        return supervisor.watch(lambda: None), b"".join(said)


def test_a_command_that_ends_by_itself_is_told_as_it_was() -> None:
    watched, said = watch("echo words; exit 3")
    assert (watched.returncode, watched.why, watched.output, said) == (3, Why.EXITED, 6, b"words\n")


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({"timeout": 0.1}, Why.TIMEOUT),
        ({"cancelled": lambda: True}, Why.CANCELLED),
        ({"broken": lambda: Why.MEMORY_LIMIT}, Why.MEMORY_LIMIT),
    ],
)
def test_the_first_limit_that_is_broken_ends_it(limits: dict[str, object], why: Why) -> None:
    watched, _ = watch("exec sleep 1000", **limits)  # type: ignore[arg-type]
    assert (watched.why, watched.returncode) == (why, -9)


def test_a_limit_broken_in_its_last_moment_is_not_missed() -> None:
    """A command that the kernel killed for memory has ended before anybody looked."""
    watched, _ = watch("exit 1", broken=lambda: Why.MEMORY_LIMIT)
    assert watched.why is Why.MEMORY_LIMIT


def test_when_it_cannot_be_released_it_is_dead_all_the_same() -> None:
    out, in_ = os.pipe()
    process = subprocess.Popen(["sleep", "1000"], stdout=in_)
    os.close(in_)
    supervisor = Supervisor(
        process=process,
        said=out,
        timeout=60,
        allowed=1,
        on_output=lambda _text: None,
        cancelled=lambda: False,
        kill=process.kill,
        broken=lambda: Why.EXITED,
    )

    def fail() -> None:
        raise OSError("no group")

    with pytest.raises(OSError, match="no group"):
        supervisor.watch(fail)
    os.close(out)
    assert process.returncode == -9


def test_a_folder_that_grew_too_much_is_seen_and_a_full_neighbour_is_not(tmp_path: Path) -> None:
    folder, neighbour = tmp_path / "own", tmp_path / "other"
    folder.mkdir()
    neighbour.mkdir()
    watch_ = DiskWatch(folder=folder, allowed=8 << 20)
    assert not watch_.grown()
    (neighbour / "x").write_bytes(os.urandom(12 << 20))
    os.sync()
    assert not watch_.grown()
    (folder / "x").write_bytes(os.urandom(12 << 20))
    os.sync()
    assert watch_.grown()
