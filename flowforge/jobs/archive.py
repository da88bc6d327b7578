"""The logs of finished jobs leave the database for an artifact, and the artifact is removed after its time.

First the artifact is written, under a name that its own content gives; then one transaction notes it and deletes the
chunks. Whoever dies in between leaves an artifact that the next try writes again under the same name; whoever comes
second finds the note of the first and takes its own artifact away. A reader finds the chunks or the note, never
neither.
"""

import hashlib
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from flowforge.artifacts.store import Artifacts, Stored
from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused
from flowforge.core.failpoint import failpoint
from flowforge.jobs.packed import Packed, PackedLog, pack
from flowforge.store import archives, events
from flowforge.store.archives import Archive, Held
from flowforge.store.database import Database
from flowforge.store.events import LogChunk
from flowforge.store.scope import Actor, Scope

REST = 600.0  # seconds that a finished job's log stays in the database: who followed it reads on there
MOST = 20  # logs that one call moves
_LOOKED = 500  # jobs that one call looks at
_ROWS = 64  # chunks read at once
REMOVED = 100  # artifacts that one call removes
_FIRST = UUID(int=0)

RELAY = Actor(kind="relay")

log = logging.getLogger(__name__)


def open_log(artifacts: Artifacts | None, archive: Archive) -> PackedLog:
    """The log that an archive names.

    Raises:
        Broken: this process has no artifact store, or another than the one that the log was moved to.
        Temporary: the store cannot be reached.
    """
    if artifacts is None:
        raise _elsewhere()
    try:
        return PackedLog(
            lambda begin, length: artifacts.range(archive.reference, begin, length),
            index_at=archive.index_at,
            stored=archive.stored,
        )
    except Refused as error:
        raise _elsewhere() from error


def _elsewhere() -> Broken:
    return Broken(
        Reason.CONFIGURATION,
        "the log of this job was moved to an artifact store that this process does not see",
        next_action="let API, relay and workers share data_dir/artifacts",
    )


@dataclass(kw_only=True)
class LogKeeper:
    """The relay's chore: `move` the logs of finished jobs, `remove` those whose time is over."""

    database: Database  # of role ff_system
    artifacts: Artifacts
    days: int  # that a log is kept; 0 = for ever
    rest: float = REST
    _after: UUID = field(
        default=_FIRST
    )  # where the next look begins: a long backlog is gone through in turns

    def move(self) -> int:
        """Move the logs that are due, at most `MOST` of them; returns how many.

        What goes wrong with one log is told and tried again later; the others are moved.

        Raises:
            Temporary: the database is away.
        """
        with self.database.transaction(Scope.system(), actor=RELAY, read_only=True) as transaction:
            found = archives.held(transaction, self._after, _LOOKED, self.rest)
        due = [one for one in found if one.due][:MOST]
        self._after = due[-1].job if len(due) == MOST else found[-1].job if len(found) == _LOOKED else _FIRST
        return sum(self._tried(one) for one in due)

    def remove(self) -> int:
        """Remove logs of jobs that ended more than `days` ago, at most `REMOVED` of them; returns how many.

        Raises:
            Temporary: the database is away; what is left is removed the next time.
        """
        if not self.days:
            return 0
        with self.database.transaction(Scope.system(), actor=RELAY) as transaction:
            over = archives.expire(transaction, self.days, REMOVED)
        for archive in over:
            failpoint("archive.expired")
            try:
                self.artifacts.delete(archive.reference)
            except FlowForgeError as error:
                log.warning("the log of job %s is still to be removed: %s", archive.job, error.sentence)
                continue
            with self.database.transaction(Scope.system(), actor=RELAY) as transaction:
                archives.forget(transaction, archive.job)
        return len(over)

    def _tried(self, one: Held) -> bool:
        try:
            return self._move(one.job, one.organization)
        except FlowForgeError as error:
            log.warning("the log of job %s stays in the database for now: %s", one.job, error.sentence)
            return False

    def _move(self, job: UUID, organization: UUID) -> bool:
        with tempfile.TemporaryDirectory(prefix="ff-log-") as folder:
            path = Path(folder) / "log"
            with path.open("wb") as file:
                packed = pack(self._chunks(job), file)
            if not packed.pieces:
                return False  # another relay was faster
            name = f"jobs/{job}/log-{_digest(path)}"
            stored = self.artifacts.put(name, path)
        failpoint("archive.stored")
        return self._note(job, organization, packed, stored)

    def _note(self, job: UUID, organization: UUID, packed: Packed, stored: Stored) -> bool:
        """From here on the artifact is the log."""
        archive = Archive(
            job=job,
            reference=stored.reference,
            index_at=packed.index_at,
            stored=packed.stored,
            size=packed.size,
        )
        with self.database.transaction(Scope.organization(organization), actor=RELAY) as transaction:
            mine = archives.add(transaction, archive)
            if mine and archives.clear(transaction, job) != packed.pieces:
                raise Broken(
                    Reason.INTERNAL_ERROR, f"the log of finished job {job} changed while it was moved"
                )
            noted = archive if mine else archives.of_job(transaction, job)
        failpoint("archive.noted")
        if noted is not None and noted.reference != stored.reference:
            self.artifacts.delete(stored.reference)
        return mine

    def _chunks(self, job: UUID) -> Iterator[LogChunk]:
        """All chunks of a job, a few at a time."""
        seq = 0
        while True:
            with self.database.transaction(Scope.system(), actor=RELAY, read_only=True) as transaction:
                found = events.log_next(transaction, job, seq, _ROWS)
            yield from found
            if len(found) < _ROWS:
                return
            seq = found[-1].seq


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
