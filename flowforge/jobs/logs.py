"""Output on its way from a stage to Postgres: taken at once, written in pieces by a thread of its own.

The job's thread never waits for the database here. While the database is away the buffer fills; beyond its bound
the newest output is dropped, and a line in the log says how much.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Self

from flowforge.core.errors import FlowForgeError, Temporary

CHUNK = 64 * 1024  # bytes of one row
BOUND = 8 * 1024 * 1024  # bytes that may wait for the database
BATCH = 16  # rows of one write: each holds the job's row, which the lease is renewed on, only for as long
PAUSE = 0.2  # seconds between writes; a line is visible after at most this

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Piece:
    stage: str
    text: bytes


def cut(pieces: list[Piece], size: int = CHUNK) -> Iterator[Piece]:
    """Join neighbours of one stage and cut them to at most `size` bytes, losing and reordering nothing."""
    for stage, text in _joined(pieces):
        for start in range(0, len(text), size):
            yield Piece(stage=stage, text=text[start : start + size])


def _joined(pieces: list[Piece]) -> Iterator[tuple[str, bytes]]:
    stage, texts = "", [b""]
    for piece in pieces:
        if piece.stage != stage:
            yield stage, b"".join(texts)
            stage, texts = piece.stage, []
        texts.append(piece.text)
    yield stage, b"".join(texts)


@dataclass(kw_only=True)
class LogWriter:
    """Use as a context manager. `write` stores pieces in order; an error that is not `Temporary` ends it.

    `patient` says, once the stage has ended, whether it is still worth waiting for a database that is away.
    """

    write: Callable[[list[Piece]], None]
    patient: Callable[[], bool] = lambda: False
    pause: float = PAUSE
    bound: int = BOUND
    _waiting: deque[Piece] = field(default_factory=deque)
    _size: int = 0
    _dropped: int = 0
    _along: bool = False  # `write` has something of its own to write, with or without output
    _ended: bool = False
    _wake: threading.Condition = field(default_factory=threading.Condition, repr=False)
    _one_writer: threading.Lock = field(default_factory=threading.Lock, repr=False)  # keeps the order
    _thread: threading.Thread | None = None
    _last: str = ""

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="job log", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Write what waits; what the database does not take while `patient` is lost with this attempt."""
        with self._wake:
            self._tell_dropped(self._last)
            self._ended = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def add(self, stage: str, text: bytes) -> None:
        if not text:
            return
        with self._wake:
            if self._ended:
                return
            if self._size + len(text) > self.bound:
                self._dropped += len(text)
                return
            self._tell_dropped(stage)
            self._last = stage
            self._waiting.append(Piece(stage=stage, text=text))
            self._size += len(text)
            self._wake.notify()

    def along(self) -> None:
        """Call `write` with the next output, or without any after a pause: the caller has something to add to it."""
        with self._wake:
            self._along = True
            self._wake.notify()

    def flush(self) -> None:
        """Write what has been added so far, from the calling thread, before something that must follow it."""
        self._write_once(output_only=True)

    def _tell_dropped(self, stage: str) -> None:
        if self._dropped:
            line = f"\n[{self._dropped} bytes of output were dropped: the database did not keep up]\n"
            self._waiting.append(Piece(stage=stage, text=line.encode()))
            self._dropped = 0

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or self._along or self._ended)
                if not self._waiting:  # what goes along has time: most often something else takes it with it
                    self._wake.wait_for(lambda: self._waiting or self._ended, timeout=self.pause)
                ended = self._ended
            self._write_once()
            if ended and not (self._waiting and self.patient()):
                return
            self._pause(ended=ended)

    def _pause(self, *, ended: bool) -> None:
        with self._wake:
            self._wake.wait_for(lambda: self._ended and not ended, timeout=self.pause)

    def _write_once(self, *, output_only: bool = False) -> None:
        with self._one_writer:
            self._write_waiting(output_only)

    def _write_waiting(self, output_only: bool) -> None:
        with self._wake:
            taken, self._waiting = list(self._waiting), deque()
            self._size = 0
            if not taken and (output_only or not self._along):
                return
            self._along = False
        pieces = list(cut(taken))
        try:
            self.write(pieces[:BATCH])  # also with none: what goes along with them is to be written
            while pieces := pieces[BATCH:]:
                self.write(pieces[:BATCH])
        except Temporary:
            self._put_back(pieces)
        except FlowForgeError as error:
            log.info("log ends here: %s", error.sentence)
            with self._wake:
                self._ended = True
                self._waiting.clear()

    def _put_back(self, taken: list[Piece]) -> None:
        with self._wake:
            self._along = True  # whether it is still there to be written, `write` knows
            self._waiting.extendleft(reversed(taken))
            self._size = sum(len(piece.text) for piece in self._waiting)
