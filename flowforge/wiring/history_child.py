"""The counting half of a calibration job: ``python -m flowforge.wiring.history_child``, a process of its own.

It reads what to do as one line of JSON from its standard input, which stays open as a life line: when the other end
closes, for whatever reason, this process and all that it started are killed. It writes a line for each step forward to
its standard output, and what it found into a folder; where it is refused, the refusal.
"""

import json
import os
import shutil
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flowforge.cli.calibrate import described
from flowforge.cli.calibration import Calibrated, Question
from flowforge.cli.calibration_page import page
from flowforge.cli.replay import day
from flowforge.core.errors import FlowForgeError
from flowforge.git.command import Door, Git
from flowforge.hooks.manager import discover, load_plugins
from flowforge.pipeline.calibrating import Wish
from flowforge.resolve.counts import Action
from flowforge.resolve.learnt import as_json
from flowforge.wiring.calibrate import calibrate_here
from flowforge.wiring.history_task import NOT_DONE, OK, PAGE, REFUSED, REPORT, RESULT, Task, refusal

NICE = 5  # jobs that somebody waits for come first
EVERY = 25  # files between two lines


def main() -> int:
    task = Task(**json.loads(sys.stdin.buffer.readline()))
    threading.Thread(target=_hold_life_line, daemon=True).start()
    os.nice(NICE)
    folder = Path(task.folder)
    try:
        found = counted(task, folder / "scratch")
    except FlowForgeError as error:
        (folder / REFUSED).write_text(refusal(error), "utf-8")
        return NOT_DONE
    finally:
        shutil.rmtree(folder / "scratch", ignore_errors=True)
    written(found, Wish.read(task.wish), folder)
    return OK


def counted(task: Task, scratch: Path) -> Calibrated:
    """As `flowforge calibrate` does it, in a repository whose only branch is the mirror's default one."""
    wish = Wish.read(task.wish)
    told = 0

    def tell(files: int) -> None:
        nonlocal told
        if files // EVERY > told // EVERY:
            print(files, flush=True)
        told = files

    question = Question(
        repository=str(only(task, scratch)), limit=wish.limit, before=day(wish.before, "before"), k=wish.k
    )
    registry = load_plugins(discover(frozenset(task.plugins) or None))
    return calibrate_here(question, tell, registry, datetime.now(UTC))


def only(task: Task, scratch: Path) -> Path:
    """A repository of one branch that borrows the mirror's objects."""
    mirror = Path(task.mirror)
    shown = Git(folder=mirror, door=Door()).run("rev-parse", "--show-object-format").decode().strip()
    git = Git(folder=scratch, door=Door())
    git.run("init", "--quiet", "--bare", "--template=", f"--object-format={shown}", str(scratch))
    (scratch / "objects" / "info" / "alternates").write_bytes(os.fsencode(mirror / "objects") + b"\n")
    git.run("update-ref", f"refs/heads/{task.branch}", task.tip)
    git.run("symbolic-ref", "HEAD", f"refs/heads/{task.branch}")
    git.run("config", "remote.origin.url", task.url)
    return scratch


def written(found: Calibrated, wish: Wish, folder: Path) -> None:
    """The report, its page, and what the job itself must know."""
    report = described(found)
    (folder / REPORT).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
    (folder / PAGE).write_text(page(found), "utf-8")
    (folder / RESULT).write_text(json.dumps(result(found, wish)), "utf-8")


def result(found: Calibrated, wish: Wish) -> dict[str, Any]:
    learnt = found.learnt
    actions = [line.rule.action for line in found.lines]
    return {
        "merges": learnt.merges,
        "files": learnt.files,
        "paths": learnt.paths,
        "head": learnt.head,
        "actions": {action.value: actions.count(action) for action in Action if action in actions},
        "own": round(found.own.every.cost(wish.k), 4),
        "shipped": round(found.shipped.every.cost(wish.k), 4),
        "policy": as_json(learnt),
    }


def _hold_life_line() -> None:
    while os.read(0, 1024):
        continue
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
