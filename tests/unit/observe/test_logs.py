"""Log lines as others read them."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from flowforge.core.masking import Mask
from flowforge.observe.logs import configure_logs, context
from flowforge.observe.metrics import Metrics

log = logging.getLogger("flowforge.somewhere")


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def out() -> io.StringIO:
    stream = io.StringIO()
    configure_logs(service="worker", mask=Mask(["hunter22"]), stream=stream)
    return stream


def last(out: io.StringIO) -> dict[str, object]:
    return json.loads(out.getvalue().splitlines()[-1])


def test_a_line_is_one_object_with_the_agreed_fields(out: io.StringIO) -> None:
    with context(job_id="j-1", organization="o-1", request_id="r-1", stage="clone"):
        log.warning("claimed %s", "it", extra={"attempt": 2})
    line = last(out)
    assert line.pop("timestamp")
    assert line == {
        "severity": "WARNING",
        "level": "warning",
        "service": "worker",
        "message": "claimed it",
        "request_id": "r-1",
        "organization": "o-1",
        "job_id": "j-1",
        "stage": "clone",
        "metadata": {"attempt": 2, "logger": "flowforge.somewhere"},
    }


def test_a_text_of_many_lines_stays_one_line(out: io.StringIO) -> None:
    log.info("a\nb\u2028c")
    assert len(out.getvalue().splitlines()) == 1
    assert last(out)["message"] == "a\nb\u2028c"


def test_a_traceback_stands_in_its_line_without_secrets(out: io.StringIO) -> None:
    try:
        int("hunter22")
    except ValueError:
        log.exception(
            "failed with hunter22", extra={"url": "https://u:hunter22@h/", "n": {"x": ["hunter22"]}}
        )
    assert "hunter22" not in out.getvalue()
    line = last(out)
    assert isinstance(line["metadata"], dict)
    assert "with base 10: '***'" in line["metadata"]["exception"]


def test_fields_of_a_context_end_with_it(out: io.StringIO) -> None:
    with context(job_id="j-1"):
        pass
    log.info("later")
    assert "job_id" not in last(out)


def test_what_is_below_the_level_is_not_told(out: io.StringIO) -> None:
    log.debug("quiet")
    logging.getLogger("urllib3").info("quiet")
    assert not out.getvalue()


def test_people_get_text() -> None:
    stream = io.StringIO()
    configure_logs(service="worker", form="text", mask=Mask(["hunter22"]), stream=stream)
    log.info("claimed hunter22", extra={"attempt": 2})
    assert "claimed ***" in stream.getvalue()
    assert "attempt=2" in stream.getvalue()


def test_a_span_gives_its_lines_one_trace(out: io.StringIO) -> None:
    metrics = Metrics(version="1")
    with metrics.span("job"):
        log.info("outer")
        outer = last(out)
        with metrics.span("stage", stage="clone"):
            log.info("inner")
    inner = last(out)
    assert inner["trace_id"] == outer["trace_id"]
    assert inner["span_id"] != outer["span_id"]
    assert inner["stage"] == "clone"
