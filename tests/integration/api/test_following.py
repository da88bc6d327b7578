"""Logs and events as server-sent events, and what holds for every stream of a process."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from flowforge.core.job import Job
from tests.conftest import TestDatabase
from tests.integration.api.page import says
from tests.integration.api.streams import (
    PATIENCE,
    Site,
    fresh_database,
    memory,
    rest,
    site,
    started_again,
    take,
)

pytestmark = pytest.mark.services

SSE = "text/event-stream"


@pytest.fixture(scope="module")
def here(postgres: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for the file; each test makes jobs of its own."""
    folder = tmp_path_factory.mktemp("api")
    with fresh_database(postgres, template) as database, site(database, folder) as made:
        yield made


@pytest.fixture
def own(database: TestDatabase, tmp_path: Path) -> Iterator[Site]:
    """A server that the test may end."""
    with site(database, tmp_path) as made:
        yield made


def headers(here: Site, **more: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {here.first.token}",
        **{k.replace("_", "-"): v for k, v in more.items()},
    }


def ask(here: Site, path: str, **more: str) -> httpx2.Response:
    return httpx2.get(here.running.url + path, headers=headers(here, **more), timeout=PATIENCE)


def messages(text: str) -> list[dict[str, Any]]:
    """The messages of a stream that has ended."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields:
            found.append({**fields, "data": json.loads(fields["data"])})
    return found


def spoken(here: Site, *texts: bytes) -> Job:
    job = here.start()
    for place, text in enumerate(texts):
        here.say(job, text, "test" if place % 2 else "clone")
    here.finish(job)
    return job


@says("A stream of a job ends when the job is final and everything was said.")
def test_a_log_is_followed_while_it_is_written_and_ends_with_its_job(here: Site) -> None:
    job = here.start()
    with here.running.client() as client:
        stream = client.log_pieces(job.id)
        here.say(job, "grün ".encode()[:3])
        assert next(stream).text == "gr", "a begun character waits for its end"
        here.say(job, "grün ".encode()[3:])
        assert next(stream).text == "ün "
        here.say(job, b"and more", "push")
        here.finish(job)
        last = list(stream)
    assert [(piece.stage, piece.text) for piece in last] == [("push", "and more")]
    assert last[-1].next_offset == len("grün and more".encode())


@says(
    "A stream goes on strictly behind what you name: nothing is missed, nothing comes twice.",
    "| a number or offset that the stream gave | everything behind it |",
    "When the job is final and nothing follows what you saw, server-sent events answer 204",
)
def test_a_log_goes_on_strictly_behind_any_piece(here: Site) -> None:
    job = spoken(here, b"one\n", "zwölf\n".encode(), b"three\n", b"\xff\n")
    path = f"/api/v1/jobs/{job.id}/logs"
    whole = messages(ask(here, path, Accept=SSE).text)
    assert "".join(one["data"]["text"] for one in whole) == "one\nzwölf\nthree\n\ufffd\n"
    assert {one["event"] for one in whole} == {"log"}
    for place, one in enumerate(whole):
        answer = ask(here, path, Accept=SSE, Last_Event_ID=one["id"])
        assert messages(answer.text) == whole[place + 1 :]
        assert answer.status_code == (200 if whole[place + 1 :] else 204)


@says("`tail` (begin so many bytes before the present end), `stage` and `attempt`")
def test_a_log_is_followed_from_an_offset_or_its_tail_and_of_one_stage(here: Site) -> None:
    job = spoken(here, b"aaaa", b"bbbb", b"cccc", b"dddd")

    def text(query: str) -> str:
        found = messages(ask(here, f"/api/v1/jobs/{job.id}/logs?{query}", Accept=SSE).text)
        return "".join(one["data"]["text"] for one in found)

    assert text("offset=6") == "bbccccdddd"
    assert text("tail=5") == "cdddd"
    assert text("stage=test") == "bbbbdddd"
    assert text("stage=test&tail=6") == "bbdddd"
    assert text("stage=nothing") == ""
    assert ask(here, f"/api/v1/jobs/{job.id}/logs?offset=99", Accept=SSE).status_code == 204


@says(
    "| a number or offset that was not reached yet",
    "| something that is no number | server-sent events: everything from the beginning",
)
@pytest.mark.parametrize("seen", ["garbage", "-1", "99999", "9" * 30, ""])
@pytest.mark.parametrize("kind", ["logs", "events"])
def test_an_id_that_the_stream_never_gave_begins_at_the_beginning(here: Site, kind: str, seen: str) -> None:
    job = spoken(here, b"one\n", b"two\n")
    path = f"/api/v1/jobs/{job.id}/{kind}"
    whole = ask(here, path, Accept=SSE).text
    answer = ask(here, path, Accept=SSE, Last_Event_ID=seen)
    assert (answer.status_code, answer.text) == (200, whole)


@says(
    "| a number of another job |",
    "the events of a job | `Last-Event-ID`: the `seq` |",
)
def test_an_id_of_another_job_is_read_as_a_number_of_this_one(here: Site) -> None:
    long, short = spoken(here, *[b"x"] * 20), spoken(here, b"y")
    for number in (2, 15):
        found = messages(ask(here, f"/api/v1/jobs/{short.id}/events", Last_Event_ID=str(number)).text)
        last = here.story(short)[-1][0]
        begin = number if number <= last else 0
        assert [one["data"]["seq"] for one in found] == [seq for seq, _ in here.story(short) if seq > begin]
    assert here.story(long)[-1][0] > 20


@says(
    "Beyond the end there is an empty page, which is no error.",
    "with `X-Next-Offset` and `X-Complete`.",
)
@pytest.mark.parametrize("accept", ["application/json", "text/plain"])
def test_beyond_its_end_a_log_is_empty_and_says_whether_more_may_come(here: Site, accept: str) -> None:
    job = here.start()
    here.say(job, b"text")
    for complete in (False, True):
        answer = ask(here, f"/api/v1/jobs/{job.id}/logs?offset=1000", Accept=accept)
        assert answer.status_code == 200
        if accept == "text/plain":
            shown = (answer.text, answer.headers["X-Next-Offset"], answer.headers["X-Complete"])
            assert shown == ("", "1000", str(complete).lower())
        else:
            page = answer.json()
            assert (page["text"], page["next_offset"], page["complete"]) == ("", 1000, complete)
        if not complete:
            here.finish(job)


@pytest.mark.parametrize(
    "query", ["offset=-1", "tail=x", "tail=-1", "limit=0", "stage=a%0Ab", "attempt=-2", "moon=1"]
)
def test_a_question_about_a_log_that_makes_no_sense_is_refused(here: Site, query: str) -> None:
    job = here.start()
    for accept in ("application/json", "text/plain", SSE):
        answer = ask(here, f"/api/v1/jobs/{job.id}/logs?{query}", Accept=accept)
        assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_request")


@says(
    "a JSON page ends with a whole character.",
    "`Accept: text/plain` gives the bytes as they were written",
    "`next_offset` leads on from page to page until `complete`.",
)
def test_json_pages_end_at_characters_and_text_pages_where_they_were_told(here: Site) -> None:
    job = spoken(here, "€€€".encode())
    path = f"/api/v1/jobs/{job.id}/logs"
    text, offset = "", 0
    while not (page := ask(here, f"{path}?limit=4&offset={offset}").json())["complete"]:
        text, offset = text + page["text"], page["next_offset"]
    assert text + page["text"] == "€€€"
    assert ask(here, f"{path}?limit=4", Accept="text/plain").content == "€€€".encode()[:4]


@says(
    "What waits for one client is bounded: a page of events or 1 MiB of log for a job's stream",
    "| 4408 |",
)
def test_a_client_that_takes_nothing_is_dropped_with_a_word_and_holds_no_memory(own: Site) -> None:
    job = own.start()
    line = b"x" * 65_536
    with own.socket(f"/api/v1/jobs/{job.id}/live?logs=true", max_queue=1, ping_interval=None) as ws:
        take(ws)
        before = memory(own.running.process.pid)
        for _ in range(500):  # 32 MB: far more than the kernel holds for it
            own.say(job, line)
        eventually(lambda: dropped(own))
        assert memory(own.running.process.pid) - before < 24 << 20
        found, code = rest(ws)
    assert code == 4408
    assert 0 < len(found) < 500
    own.finish(job)
    with own.socket(f"/api/v1/jobs/{job.id}/live?logs=true&after={found[-1]['after']}") as ws:
        more, code = rest(ws)
    assert code == 1000
    assert sum(len(one["text"]) for one in (*found, *more) if one["type"] == "log") == 500 * len(line)


def dropped(here: Site) -> bool:
    """Whether the server has said that a client was too slow."""
    return "too slow" in here.running.log.read_text()


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 2 * PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


@says("A process that is told to stop ends all its streams at once")
def test_fifty_streams_of_every_kind_end_with_the_process(own: Site) -> None:
    job = own.start()
    with ExitStack() as stack:
        http = stack.enter_context(httpx2.Client(timeout=PATIENCE, limits=httpx2.Limits(max_connections=60)))
        parts = []
        for kind in ("events", "logs"):
            for _ in range(13):
                path = f"{own.running.url}/api/v1/jobs/{job.id}/{kind}"
                answer = stack.enter_context(http.stream("GET", path, headers=headers(own, Accept=SSE)))
                assert answer.status_code == 200
                parts.append(answer.iter_raw())
        sockets = [
            stack.enter_context(own.socket(path))
            for path in (
                [f"/api/v1/jobs/{job.id}/live?logs=true"] * 8
                + ["/api/v1/live"] * 8
                + [f"/api/v1/repositories/{own.repository}/live"] * 8
            )
        ]
        for ws in sockets:
            take(ws)
        own.running.process.send_signal(signal.SIGTERM)
        assert [rest(ws)[1] for ws in sockets] == [1001] * 24
        for part in parts:
            list(part)  # ended properly: a cut one would raise
        assert own.running.process.wait(PATIENCE) == 0
    log = own.running.log.read_text()
    assert "Forcing close" not in log
    assert "Traceback" not in log


@says("and waits one second for clients that do not read.")
def test_clients_that_read_nothing_do_not_hold_the_process_at_its_end(own: Site) -> None:
    job = own.start()
    host, port = own.running.url.removeprefix("http://").split(":")
    with ExitStack() as stack:
        for kind in ("events", "logs") * 3:
            wire = stack.enter_context(contextlib.closing(socket.create_connection((host, int(port)))))
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lines = [f"GET /api/v1/jobs/{job.id}/{kind} HTTP/1.1", "Host: x", f"Accept: {SSE}"]
            lines.append(f"Authorization: Bearer {own.first.token}")
            wire.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            assert wire.recv(12) == b"HTTP/1.1 200"
        ws = stack.enter_context(
            own.socket(f"/api/v1/jobs/{job.id}/live?logs=true", max_queue=1, ping_interval=None)
        )
        for _ in range(150):
            own.say(job, b"y" * 65_536)
            own.tell(job, "mirror.noted", text="z" * 60_000)
        take(ws)
        own.running.process.send_signal(signal.SIGTERM)
        assert own.running.process.wait(PATIENCE) == 0
    assert "Forcing close" not in own.running.log.read_text()


@says("`flowforge job watch` and `flowforge job logs -f` go on over a restart of the API for a minute.")
def test_a_followed_log_outlives_a_restart_of_the_api(own: Site, tmp_path: Path) -> None:
    job = own.start()
    lines = [f"line {n} é\n" for n in range(60)]
    environment = {**os.environ, "FLOWFORGE_URL": own.running.url, "FLOWFORGE_TOKEN": own.first.token}
    flowforge = str(Path(sys.executable).parent / "flowforge")
    following = [
        subprocess.Popen(
            [flowforge, "job", *verb, str(job.id)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
        )
        for verb in (("logs", "-f"), ("watch",))
    ]
    written = threading.Event()

    def write() -> None:
        for line in lines:
            own.say(job, line.encode())
            time.sleep(0.05)
        written.set()

    writer = threading.Thread(target=write)
    writer.start()
    for process in following:  # both are connected: one that comes while nobody answers is told so, and ends
        assert process.stdout is not None
        assert process.stderr is not None
        assert select.select([process.stdout, process.stderr], [], [], 2 * PATIENCE)[0]
    again = started_again(own.running.process, own.running.log)
    try:
        assert written.wait(2 * PATIENCE)
        writer.join()
        own.finish(job)
        (text, said), (_, watched) = (process.communicate(timeout=2 * PATIENCE) for process in following)
        assert text.decode() == "".join(lines), said.decode()
        assert [process.returncode for process in following] == [0, 0]
        assert "pushed" in watched.decode()
    finally:
        for process in (again, *following):
            if process.poll() is None:
                process.terminate()
                process.wait(PATIENCE)
