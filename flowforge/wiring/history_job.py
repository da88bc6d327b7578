"""A calibration job in a worker: the counting in a process of its own, what it found in Postgres and the artifacts.

The process is a session of its own, is killed with all that it started when the job is cancelled or lost, and has no
credentials: it reads the mirror, which the stage has fetched.
"""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flowforge.accounts.repositories import Changes, update_repository
from flowforge.artifacts.store import Artifacts
from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.core.job import Job
from flowforge.git import process
from flowforge.git.mirror import Mirror
from flowforge.jobs.recorder import FencedRecorder
from flowforge.pipeline.calibrating import LONGEST, Measured, Wish
from flowforge.store import jobs as table
from flowforge.store.transaction import Transaction
from flowforge.vault.envelope import Vault
from flowforge.wiring.history_task import NOT_DONE, PAGE, REFUSED, REPORT, RESULT, Task, raised

_log = logging.getLogger(__name__)
_LOG = "child.log"
KEPT = 5  # calibrations of a repository whose reports are kept
_TICK = 0.2  # seconds between two looks at the job's end
_PASSED = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH")  # of our environment: no secret


@dataclass(frozen=True, kw_only=True)
class StoredCalibration:
    """Implements `pipeline.calibrating.Calibrating` for one claimed job."""

    wish: Wish
    job: Job
    url: str
    plugins: tuple[str, ...]
    recorder: FencedRecorder
    artifacts: Artifacts
    vault: Vault
    cancelled: Callable[[], bool]

    def measure(
        self, mirror: Mirror, branch: str, tip: str, folder: Path, tell: Callable[[int], None]
    ) -> Measured:
        task = Task(
            mirror=str(mirror.path),
            branch=branch,
            tip=tip,
            url=self.url,
            folder=str(folder),
            plugins=self.plugins,
            wish=self.wish.words(),
        )
        code = self._run(task, tell)
        if code == NOT_DONE:
            raise raised((folder / REFUSED).read_text("utf-8"))
        if code:
            _log.warning("the calibration of job %s died: %s", self.job.id, _last_line(folder / _LOG))
            raise Temporary(
                Reason.INFRASTRUCTURE,
                f"the process that counts the history ended with status {code}",
                delay=30.0,
                next_action="look into the worker's log; the machine may have too little memory",
            )
        found = json.loads((folder / RESULT).read_text("utf-8"))
        return Measured(**found, report=folder / REPORT, page=folder / PAGE)

    def keep(self, measured: Measured) -> Mapping[str, str]:
        shelf = f"calibrations/{self.job.repository}"
        named = {"report": measured.report, "page": measured.page}
        kept = {}
        for name, file in named.items():
            text = self.recorder.mask.text(file.read_text("utf-8"))  # the page shows lines of the repository
            place = f"{shelf}/{self.job.id}/{self.job.fence}-{file.name}"
            kept[name] = self.artifacts.put(place, text.encode()).reference
        self._make_room(shelf)
        return kept

    def apply(self, policy: Mapping[str, object]) -> None:
        self.recorder.fenced(lambda transaction: self._apply(transaction, policy))

    def _apply(self, transaction: Transaction, policy: Mapping[str, object]) -> int | None:
        mine = table.lock_mine(transaction, self.job.id, self.job.fence)
        if mine is None:
            return None
        if mine.cancel_requested:
            raise Refused(Reason.CANCELLED, "the job was cancelled before it set the policy")
        update_repository(
            transaction,
            self.job.repository,
            Changes(policy=policy),
            check_url=lambda url: url,
            vault=self.vault,
        )
        return 0  # it tells no event: made twice, it is as if made once

    def _make_room(self, shelf: str) -> None:
        """Forget the oldest reports; what cannot be removed now is removed by the next job."""
        with suppress(FlowForgeError):
            names = self.artifacts.names(shelf)
            jobs = sorted({name.split("/")[2] for name in names})  # ids in the order of their making
            for name in names:
                if name.split("/")[2] in jobs[:-KEPT]:
                    self.artifacts.delete(name)

    def _run(self, task: Task, tell: Callable[[int], None]) -> int:
        """The child's status.

        Raises:
            Refused: cancelled.
            Temporary: timeout.
        """
        environment = {name: os.environ[name] for name in _PASSED if name in os.environ}
        with (Path(task.folder) / _LOG).open("wb") as log, process.uninterrupted():
            child = subprocess.Popen(
                [sys.executable, "-m", "flowforge.wiring.history_child"],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        try:
            return self._followed(child, task, tell)
        finally:
            process.kill_group(child.pid)  # what it has started too, whatever became of itself
            process.end(child)

    def _followed(self, child: "subprocess.Popen[bytes]", task: Task, tell: Callable[[int], None]) -> int:
        if child.stdin is None or child.stdout is None:
            raise Broken(Reason.INTERNAL_ERROR, "the process that counts was started without its pipes")
        with suppress(BrokenPipeError):  # it is dead already; its status tells
            child.stdin.write(task.line())
            child.stdin.flush()  # and not closed: it is the life line
        os.set_blocking(child.stdout.fileno(), False)
        bounds = process.Bounds(deadline=LONGEST, max_output=1 << 20, cancelled=self.cancelled)
        until, said = time.monotonic() + LONGEST, b""
        while True:
            code = child.poll()
            said += child.stdout.read() or b""
            *lines, said = said.split(b"\n")
            for line in lines[-1:]:
                tell(int(line))
            if code is not None:
                return code
            process.check(bounds, until, "the calibration")
            time.sleep(_TICK)


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace")[-4000:].strip().splitlines()
    return lines[-1] if lines else "it said nothing"
