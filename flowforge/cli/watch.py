"""Watch one job of a server until it ends, a person must decide, or the patience of the caller does."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar
from uuid import UUID

from rich.console import Console

from flowforge.api.models import JobOut
from flowforge.cli.client import Client
from flowforge.cli.exits import Exit, exit_of_ending
from flowforge.cli.live import Screen, happening
from flowforge.core.errors import Reason
from flowforge.core.job import Ending, Result, State

T = TypeVar("T")


def watch(client: Client, job: UUID, console: Console, *, timeout: float | None = None) -> JobOut:
    """Show a job's events as they come; returns the job as it then stands.

    Stops when the job is final, when it waits for a person, or after `timeout` seconds.
    """
    known = client.job(job)
    title = (
        f"{known.task or 'pipeline'} {known.branch} onto {known.target or 'the default branch'}  job {job}"
    )
    with Screen(console, title) as screen:
        for event in within(client.events(job), timeout):
            view = screen.show(happening(event.kind, event.data, event.at))
            if view.state == State.WAITING and client.job(job).state is State.WAITING:
                break
    return client.job(job)


def within(
    items: Iterator[T], seconds: float | None, clock: Callable[[], float] = time.monotonic
) -> Iterator[T]:
    """What `items` gives, until `seconds` are over, although each may be long in coming.

    The iterator runs in a thread of its own, which ends with the process if it is left waiting.
    """
    came: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()
    threading.Thread(target=_pump, args=(items, came), daemon=True).start()
    until = None if seconds is None else clock() + seconds
    while True:
        left = None if until is None else max(until - clock(), 0)
        try:
            item, error = came.get(timeout=left)
        except queue.Empty:
            return
        if error is not None:
            raise error
        if item is None:
            return
        yield item


def _pump(items: Iterator[T], came: "queue.SimpleQueue[tuple[T | None, BaseException | None]]") -> None:
    try:
        for item in items:
            came.put((item, None))
    except BaseException as error:  # noqa: BLE001 (raised again where it is awaited)
        came.put((None, error))
    else:
        came.put((None, None))


def exit_of(job: JobOut) -> Exit:
    """The exit code of a job as it stands."""
    if not job.final:
        return Exit.DECISION if job.state is State.WAITING else Exit.PENDING
    if job.state is State.SUCCESS:
        return Exit.OK
    if job.state is State.SUPERSEDED:
        return Exit.SUPERSEDED
    if job.ending is None:
        return Exit.FAILED
    ending = job.ending
    known = ending.reason in set(Reason)  # a newer server may know more reasons than we do
    reason = Reason(ending.reason) if known else Reason.COMMAND_FAILED
    result = Result.FAILURE if ending.result is Result.SUCCESS else ending.result
    return exit_of_ending(Ending(result=result, reason=reason, sentence=ending.sentence))
