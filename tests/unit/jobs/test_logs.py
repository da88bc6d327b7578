"""Output is taken at once, kept in order, and bounded."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.errors import Broken, Reason, Temporary
from flowforge.jobs.logs import BATCH, CHUNK, LogWriter, Piece, cut

PIECES = st.lists(st.builds(Piece, stage=st.sampled_from("ab"), text=st.binary(min_size=1, max_size=9)))


class Table:
    """Where pieces are written; away while `away` is set."""

    def __init__(self) -> None:
        self.rows: list[Piece] = []
        self.away = False
        self.lost = False
        self.tried = threading.Event()

    def write(self, pieces: list[Piece]) -> None:
        self.tried.set()
        if self.lost:
            raise Broken(Reason.LEASE_LOST, "another worker has the job")
        if self.away:
            raise Temporary(Reason.SERVICE_UNAVAILABLE, "away")
        self.rows += pieces

    @property
    def text(self) -> bytes:
        return b"".join(row.text for row in self.rows)


@given(pieces=PIECES, size=st.integers(1, 5))
def test_cutting_loses_and_reorders_nothing(pieces: list[Piece], size: int) -> None:
    rows = list(cut(pieces, size))
    assert all(0 < len(row.text) <= size for row in rows)
    for stages in ("a", "b"):
        wanted = b"".join(piece.text for piece in pieces if piece.stage == stages)
        assert b"".join(row.text for row in rows if row.stage == stages) == wanted
    assert b"".join(row.text for row in rows) == b"".join(piece.text for piece in pieces)


def test_everything_added_is_written_by_the_end() -> None:
    table = Table()
    with LogWriter(write=table.write, pause=0.01) as log:
        for number in range(100):
            log.add("test", f"{number}\n".encode())
    assert table.text.split() == [str(number).encode() for number in range(100)]


def test_a_line_is_written_while_the_stage_still_runs() -> None:
    table = Table()
    with LogWriter(write=table.write, pause=0.01) as log:
        log.add("test", b"hello\n")
        assert table.tried.wait(5)


def test_flushing_writes_before_it_returns() -> None:
    table = Table()
    with LogWriter(write=table.write, pause=60) as log:
        log.add("a", b"1")
        log.flush()
        log.add("a", b"2")
        log.flush()
        assert table.text == b"12"


def test_output_waits_for_a_database_that_is_away() -> None:
    table = Table()
    table.away = True
    with LogWriter(write=table.write, pause=0.01) as log:
        log.add("a", b"first ")
        assert table.tried.wait(5)
        log.add("b", b"second")
        table.away = False
    assert table.text == b"first second"


def test_beyond_its_bound_output_is_dropped_and_the_log_says_how_much() -> None:
    table = Table()
    table.away = True
    with LogWriter(write=table.write, pause=60, bound=10) as log:
        log.add("a", b"0123456789")
        log.add("a", b"lost")
        table.away = False
    assert table.text.startswith(b"0123456789\n[4 bytes of output were dropped")


def test_a_lost_lease_ends_the_log_without_a_word() -> None:
    table = Table()
    table.lost = True
    with LogWriter(write=table.write, pause=0.01) as log:
        log.add("a", b"1")
        log.flush()
        table.lost = False
        log.add("a", b"2")
    assert table.rows == []


@pytest.mark.parametrize("text", [b""])
def test_nothing_is_no_piece(text: bytes) -> None:
    table = Table()
    with LogWriter(write=table.write, pause=0.01) as log:
        log.add("a", text)
    assert table.rows == []


def test_at_its_end_the_log_waits_for_the_database_while_that_is_worth_it() -> None:
    table, asked = Table(), []
    table.away = True

    def patient() -> bool:
        asked.append(True)
        table.away = len(asked) < 3
        return True

    with LogWriter(write=table.write, pause=0.01, patient=patient) as log:
        log.add("a", b"the last line")
    assert table.text == b"the last line"


def test_a_log_that_nobody_waits_for_ends_at_once() -> None:
    table = Table()
    table.away = True
    with LogWriter(write=table.write, pause=0.01, patient=lambda: False) as log:
        log.add("a", b"lost")
    assert table.text == b""


class Calls:
    """What `write` was called with."""

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self.away = 0
        self.called = threading.Event()

    def write(self, pieces: list[Piece]) -> None:
        self.lengths.append(len(pieces))
        self.called.set()
        if self.away:
            self.away -= 1
            raise Temporary(Reason.SERVICE_UNAVAILABLE, "away")


def test_what_goes_along_is_written_without_output_too() -> None:
    calls = Calls()
    with LogWriter(write=calls.write, pause=0.01) as log:
        log.along()
        assert calls.called.wait(20)
    assert calls.lengths == [0]


def test_what_goes_along_waits_for_output_and_is_not_asked_for_again() -> None:
    calls = Calls()
    with LogWriter(write=calls.write, pause=60.0) as log:
        log.along()
        log.flush()
        assert calls.lengths == []
        log.add("test", b"hello")
        log.flush()
    assert calls.lengths == [1]


def test_what_goes_along_is_written_at_the_end_at_the_latest() -> None:
    calls = Calls()
    with LogWriter(write=calls.write, pause=60.0) as log:
        log.along()
    assert calls.lengths == [0]


def test_what_goes_along_is_tried_again_while_the_database_is_away() -> None:
    calls = Calls()
    calls.away = 2
    with LogWriter(write=calls.write, pause=0.01) as log:
        log.along()
        while len(calls.lengths) < 3:
            calls.called.wait(20)
    assert calls.lengths == [0, 0, 0]


def test_a_long_output_is_written_in_short_writes_and_goes_on_where_one_failed() -> None:
    class Slow(Table):
        writes: list[int] = []  # noqa: RUF012 (of this one test)

        def write(self, pieces: list[Piece]) -> None:
            self.writes.append(len(pieces))
            if len(self.writes) in {2, 4}:
                raise Temporary(Reason.SERVICE_UNAVAILABLE, "away")
            super().write(pieces)

    table, text = Slow(), b"".join(bytes([65 + n % 26]) * CHUNK for n in range(50))
    with LogWriter(write=table.write, pause=0.01, patient=lambda: True) as log:
        for start in range(0, len(text), 100_000):
            log.add("test", text[start : start + 100_000])
    assert table.text == text
    assert max(table.writes) <= BATCH


def test_a_database_that_hangs_never_holds_up_who_writes_and_bounds_what_waits() -> None:
    hangs, began = threading.Event(), threading.Event()

    def write(pieces: list[Piece]) -> None:
        began.set()
        assert hangs.wait(60)

    with LogWriter(write=write, pause=0.0, bound=1000) as log:
        log.add("test", b"x")
        assert began.wait(60)
        for _ in range(10_000):  # would never end if one of them waited
            log.add("test", b"y" * 100)
        assert log._size <= 1000
        assert log._dropped == 1_000_000 - 1000
        hangs.set()
