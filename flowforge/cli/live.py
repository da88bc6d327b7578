"""A job as it runs, for a terminal: events in, one picture out.

`follow` folds one event into what is known, `draw` makes a picture of it, `tell` a line for where pictures cannot
be drawn (a log, a pipe). All three are pure; `Screen` puts them on a console, redrawing in place on a terminal and
writing line by line elsewhere. Events are those of `pipeline.story` and a job's own moves, whoever hands them over:
the REST API, or a pipeline that runs here.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

_STYLES = {
    "success": ("✓", "green"),
    "skip": ("-", "dim"),
    "failure": ("✗", "red"),
    "error": ("!", "red"),
    "timeout": ("!", "red"),
    "cancellation": ("■", "yellow"),
    "unfinished": ("?", "yellow"),
}
_PLAIN = {"✓": "+", "✗": "x", "■": "#"}  # for terminals that write no more than ASCII
RUNNING = ""
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ENDS = {"success": "success", "failed": "failure", "cancelled": "cancellation", "superseded": "cancellation"}
_LONGEST = 500  # characters of a stranger's sentence


@dataclass(frozen=True, kw_only=True)
class Happening:
    """One event: what happened, and when (seconds of any clock that all events of a job share)."""

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)
    at: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """One stage."""

    stage: str
    started: float
    result: str = RUNNING
    seconds: float = 0.0
    sentence: str = ""


@dataclass(frozen=True, kw_only=True)
class View:
    """All that is known of one job."""

    title: str
    began: float  # clock of the first event; durations are shown from here
    state: str = "queued"
    attempt: int = 0
    worker: str = ""
    rows: tuple[Row, ...] = ()
    answered: int = 0  # conflicts that a rung answered
    handed_back: int = 0  # conflicts that a person must answer
    result: str = ""
    reason: str = ""
    sentence: str = ""
    ended: float | None = None

    @property
    def running(self) -> Row | None:
        return next((row for row in reversed(self.rows) if row.result == RUNNING), None)


def follow(view: View, event: Happening) -> View:
    """What is known once `event` has happened; an unknown kind changes nothing."""
    data = event.data
    match event.kind:
        case "stage.started":
            return _with_row(view, Row(stage=_text(data, "stage"), started=event.at))
        case "stage.finished":
            return _with_row(view, _finished(view, event))
        case "conflicts.resolved":
            return replace(
                view,
                answered=view.answered + len(data.get("resolved", ())),
                handed_back=view.handed_back + len(data.get("unresolved", ())),
            )
        case kind if kind.startswith("job."):
            return _moved(view, event)
    return view


def _with_row(view: View, row: Row) -> View:
    """Put the row in its stage's place: a stage that begins again takes its old one."""
    names = [known.stage for known in view.rows]
    if row.stage not in names:
        return replace(view, rows=(*view.rows, row))
    place = names.index(row.stage)
    return replace(view, rows=(*view.rows[:place], row, *view.rows[place + 1 :]))


def _finished(view: View, event: Happening) -> Row:
    stage = _text(event.data, "stage")
    known = next((row for row in view.rows if row.stage == stage), Row(stage=stage, started=event.at))
    seconds = event.data.get("seconds")
    return replace(
        known,
        result=_text(event.data, "result") or "success",
        seconds=float(seconds) if isinstance(seconds, int | float) else event.at - known.started,
        sentence=_text(event.data, "sentence"),
    )


def _moved(view: View, event: Happening) -> View:
    """The job's own move; one that leaves `running` closes the stage that was under way."""
    state = _text(event.data, "to") or view.state
    ended = state in _ENDS
    rows = view.rows
    if state != "running":
        rows = tuple(_cut(row, event.at) if row.result == RUNNING else row for row in rows)
    attempt = event.data.get("attempt")
    return replace(
        view,
        state=state,
        rows=rows,
        attempt=attempt if isinstance(attempt, int) else view.attempt,
        worker=_text(event.data, "worker") or view.worker,
        result=(_text(event.data, "result") or _ENDS[state]) if ended else "",
        reason=_text(event.data, "reason"),
        sentence=_text(event.data, "sentence"),
        ended=event.at if ended else None,
    )


def _cut(row: Row, at: float) -> Row:
    return replace(row, result="unfinished", seconds=at - row.started)


def _text(data: Mapping[str, Any], name: str) -> str:
    """A printable text: branch names and sentences come from strangers."""
    value = str(data.get(name) or "")[:_LONGEST]
    return "".join(letter if letter.isprintable() else " " for letter in value)


def draw(view: View, now: float, *, ascii_only: bool = False) -> RenderableType:
    """The picture at `now`: a line for each stage, and the progress line under them."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0), expand=False)
    table.add_column(width=1)
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=20)
    table.add_column(justify="right", no_wrap=True, min_width=7)
    table.add_column(overflow="fold")
    for row in view.rows:
        seconds = now - row.started if row.result == RUNNING else row.seconds
        table.add_row(
            _mark(row.result, now, ascii_only=ascii_only),
            row.stage,
            clock(seconds),
            Text(row.sentence, style="dim"),
        )
    return Group(Text(view.title, style="bold"), table, _last_line(view, now, ascii_only=ascii_only))


def _mark(result: str, now: float, *, ascii_only: bool) -> Text:
    if result == RUNNING:
        frames = "|/-\\" if ascii_only else _FRAMES
        return Text(frames[int(now * 8) % len(frames)], style="cyan")
    mark, style = _STYLES.get(result, ("?", "yellow"))
    return Text(_PLAIN.get(mark, mark) if ascii_only else mark, style=style)


def _last_line(view: View, now: float, *, ascii_only: bool) -> Text:
    line = progress(view, now)
    line = line.replace("·", "-") if ascii_only else line
    if view.ended is None:
        return Text(line, style="cyan")
    return Text.assemble(_mark(view.result, now, ascii_only=ascii_only), " ", line)


def progress(view: View, now: float) -> str:
    """One line: state, stage, time, conflicts, and at the end the reason in a sentence."""
    parts = [view.state]
    if view.ended is None and view.running:
        parts.append(f"stage {len(view.rows)}: {view.running.stage}")
    if view.attempt > 1:
        parts.append(f"attempt {view.attempt}")
    if view.answered or view.handed_back:
        parts.append(f"conflicts: {view.answered} answered, {view.handed_back} for a person")
    parts.append(clock((now if view.ended is None else view.ended) - view.began))
    line = " · ".join(parts)
    return f"{line} · {view.sentence}" if view.sentence and (view.ended or view.state == "waiting") else line


def clock(seconds: float) -> str:
    """A duration as people read it: 0.4 s, 12.3 s, 2:05, 1:00:05."""
    seconds = max(seconds, 0.0)
    if seconds < 60:  # noqa: PLR2004 (a minute)
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def tell(view: View, event: Happening) -> str:
    """The line of one event where nothing can be redrawn; "" for events that are only counted."""
    stage = _text(event.data, "stage")
    match event.kind:
        case "stage.started":
            return f"{clock(event.at - view.began):>8}  {stage} ..."
        case "stage.finished":
            row = next((row for row in view.rows if row.stage == stage), None)
            took = f" ({clock(row.seconds)})" if row else ""
            return f"{clock(event.at - view.began):>8}  {stage}: {_text(event.data, 'result')}{took}"
        case kind if kind.startswith("job."):
            said = f": {view.sentence}" if view.sentence else ""
            return f"{clock(event.at - view.began):>8}  {view.state}{said}"
    return ""


def happening(kind: str, data: Mapping[str, Any], at: datetime) -> Happening:
    """An event as the REST API gives it."""
    return Happening(kind=kind, data=data, at=at.timestamp())


class Screen:
    """A context manager that shows events as they come; `view` is what is known so far."""

    def __init__(self, console: Console, title: str, *, now: Callable[[], float] = time.time) -> None:
        """`now` is the clock of the events."""
        self._console = console
        self._now = now
        self._ascii = not (console.encoding or "").lower().startswith("utf")
        self._live: Live | None = None
        self._empty = True
        self.view = View(title=title, began=now())

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(
                console=self._console, get_renderable=self._draw, refresh_per_second=8, transient=False
            )
            self._live.start()
        else:
            self._console.print(self.view.title)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, event: Happening) -> View:
        """Take one event and show what is new."""
        if self._empty:
            self.view, self._empty = replace(self.view, began=event.at), False
        self.view = follow(self.view, event)
        if self._live is None:
            line = tell(self.view, event)
            if line:
                self._console.print(Text(line), soft_wrap=True)
        return self.view

    def log(self, text: str) -> None:
        """Print output of a command above the picture."""
        shown = "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)
        self._console.print(Text(shown.rstrip("\n"), style="dim"), soft_wrap=True)

    def _draw(self) -> RenderableType:
        return draw(self.view, self._now(), ascii_only=self._ascii)
