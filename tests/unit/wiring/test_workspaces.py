"""A worker's folder for its jobs: gone when it ends, also when it was killed, and never another's."""

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

from flowforge.wiring.serve_worker import workspaces

HOLDER = """
import sys, time
from pathlib import Path
from flowforge.wiring.serve_worker import workspaces
with workspaces(Path(sys.argv[1])) as own:
    (own / "job").mkdir()
    print(own, flush=True)
    time.sleep(60)
"""


def test_the_folder_is_private_and_goes_with_the_block(tmp_path: Path) -> None:
    with workspaces(tmp_path / "w") as own:
        assert own.is_dir()
        assert own.stat().st_mode & 0o777 == 0o700
        (own / "job").mkdir()
    assert list((tmp_path / "w").iterdir()) == []


def test_what_a_killed_worker_left_is_removed_by_the_next_and_a_live_ones_stays(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        folder = Path(holder.stdout.readline().strip())
        with workspaces(tmp_path):
            assert (folder / "job").is_dir()
        holder.kill()
        holder.wait()
        assert folder.exists()
    with workspaces(tmp_path) as own:
        assert list(tmp_path.iterdir()) == [own]


def test_nobody_cleans_up_between_the_making_of_a_folder_and_its_lock(tmp_path: Path) -> None:
    """A second worker waits while a first one is about to lock its own folder."""
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    (tmp_path / "made-not-locked").mkdir()
    begun = threading.Event()

    def second() -> None:
        with workspaces(tmp_path):
            begun.set()

    thread = threading.Thread(target=second)
    thread.start()
    assert not begun.wait(0.2)
    assert (tmp_path / "made-not-locked").is_dir()
    os.close(handle)
    thread.join()
    assert begun.is_set()


def test_files_that_are_no_folders_hurt_nobody(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("x")
    with workspaces(tmp_path) as own:
        assert own.is_dir()
