"""Logs as the rest of the world reads them: one JSON object a line, secrets masked.

Every room logs through the standard library's `logging`; this formats all of it, libraries included. Fields are
those of CONTRACTS section 8: what is none of them goes under `metadata`. `context` adds fields to every line
that the running thread or task logs.
"""

import logging
import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

import structlog

from flowforge.core.masking import Mask

FIELDS = (
    *("timestamp", "severity", "level", "service", "message", "trace_id", "span_id", "request_id"),
    *("organization", "user_id", "job_id", "stage"),
)
_QUIET = {"obstore": "warning", "urllib3": "warning", "peewee": "warning", "asyncio": "warning"}
_RECORD_PARTS = ("_record", "_from_structlog")

Line = MutableMapping[str, Any]


def configure_logs(
    *,
    service: str,
    level: str = "info",
    form: str = "json",
    mask: Mask | None = None,
    stream: TextIO | None = None,
) -> None:
    """Send everything that is logged in this process to `stream` (standard error), as `form` json or text."""
    last: Callable[..., Any] = (
        structlog.processors.JSONRenderer(default=str)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _named(service),
            _shaped if form == "json" else structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _masked(mask or Mask(())),
            last,
        ],
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(least.upper())


@contextmanager
def context(**fields: object) -> Iterator[None]:
    """Add fields to every line logged inside, in this thread or task."""
    with structlog.contextvars.bound_contextvars(**fields):
        yield


def _named(service: str) -> Callable[[Any, str, Line], Line]:
    def name(_logger: Any, _method: str, line: Line) -> Line:
        line.setdefault("service", service)
        return line

    return name


def _shaped(_logger: Any, _method: str, line: Line) -> Line:
    """The agreed fields first, everything else under `metadata`."""
    record = line.get("_record")
    line["message"] = line.pop("event", "")
    line["severity"] = str(line.get("level", "info")).upper()  # the name that Google's logging reads
    shaped: Line = {name: line.pop(name) for name in FIELDS if name in line}
    rest = {name: value for name, value in line.items() if name not in _RECORD_PARTS}
    if record is not None:
        rest["logger"] = record.name
    shaped["metadata"] = rest
    return shaped


def _masked(mask: Mask) -> Callable[[Any, str, Line], Line]:
    def cut(_logger: Any, _method: str, line: Line) -> Line:
        return {name: mask.value(value) for name, value in line.items()}

    return cut
