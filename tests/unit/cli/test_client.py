"""The client against a scripted server on a socket: what it repeats, what it never does, what it makes of answers."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from flowforge.api.models import JobIn, RepositoryIn
from flowforge.cli.client import Client
from flowforge.cli.server import Server
from flowforge.core.errors import Broken, Reason, Refused, Temporary

JOB = UUID(int=7)
VERSION = {"version": "0.1.0", "api": "v1", "from_a_newer_server": True}

Answer = Callable[["Handler"], None]


class Clock:
    """Passes only while somebody sleeps."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass(kw_only=True)
class Script:
    """What the server does with each request, in order (the last one stays), and what it was sent."""

    answers: list[Answer]
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def next(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Handler(BaseHTTPRequestHandler):
    script: Script

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.script.seen.append((self.command, self.path, dict(self.headers), body))
        self.script.next()(self)

    do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 (the library's names)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
        """Quiet."""

    def give(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


def gives(value: object, status: int = 200) -> Answer:
    return lambda handler: handler.give(status, json.dumps(value).encode())


def drops(handler: Handler) -> None:
    """Close the connection without a word."""
    handler.connection.shutdown(socket.SHUT_RDWR)


def streams(*seqs: int, kind: str = "text/event-stream") -> Answer:
    def answer(handler: Handler) -> None:
        rows = [{"seq": seq, "kind": "job.x", "at": "2026-01-01T00:00:00Z", "data": {}} for seq in seqs]
        text = ": ping\n\n" + "".join(f"id: {row['seq']}\ndata: {json.dumps(row)}\n\n" for row in rows)
        handler.give(200, text.encode(), kind)

    return answer


def ends(handler: Handler) -> None:
    handler.send_response(204)
    handler.end_headers()


@contextmanager
def served(*answers: Answer) -> Iterator[tuple[Client, Script]]:
    script = Script(answers=list(answers))
    handler = type("Scripted", (Handler,), {"script": script})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        clock = Clock()
        known = Server(url=url, token="ff_mine")
        with Client(known, patience=8.0, sleep=clock.sleep, clock=clock) as client:
            yield client, script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_read_is_repeated_when_the_connection_breaks() -> None:
    with served(drops, drops, gives(VERSION)) as (client, script):
        assert client.version().version == "0.1.0"
    assert len(script.seen) == 3


def test_nothing_is_written_where_data_goes(capfd: pytest.CaptureFixture[str]) -> None:
    with served(drops, gives(VERSION)) as (client, _):
        client.version()
    assert capfd.readouterr() == ("", "")


def test_what_changes_something_is_sent_once() -> None:
    with served(drops) as (client, script), pytest.raises(Temporary) as caught:
        client.cancel(JOB)
    assert len(script.seen) == 1
    assert caught.value.reason is Reason.SERVICE_UNAVAILABLE
    assert "FLOWFORGE_URL" in caught.value.next_action


def test_the_token_is_sent_and_a_redirect_does_not_carry_it_away() -> None:
    with served(lambda h: h.give(302, b"", Location="http://127.0.0.1:1/elsewhere")) as (client, script):
        with pytest.raises(Refused):
            client.version()
        assert script.seen[0][2]["Authorization"] == "Bearer ff_mine"
    assert len(script.seen) == 1


def test_a_submit_carries_its_key_and_only_what_was_said() -> None:
    problem = gives({"reason": "not_found", "detail": "no repository"}, 404)
    with served(problem) as (client, script), pytest.raises(Refused, match="no repository"):
        client.submit(JobIn(repository=JOB, branch="b"), "key-1")
    method, path, headers, body = script.seen[0]
    assert (method, path, headers["Idempotency-Key"]) == ("POST", "/api/v1/jobs", "key-1")
    assert json.loads(body) == {"repository": str(JOB), "branch": "b"}


def test_a_login_reaches_the_server_although_nothing_else_shows_it() -> None:
    wanted = RepositoryIn.model_validate({"name": "a", "url": "https://x", "login": {"secret": "hunter2"}})
    assert "hunter2" not in repr(wanted) + str(wanted.model_dump())
    with served(gives({}, 422)) as (client, script), pytest.raises(Refused):
        client.add_repository(wanted)
    assert json.loads(script.seen[0][3])["login"] == {"secret": "hunter2"}


@pytest.mark.parametrize(
    "answer", [gives({"no": "version"}), lambda h: h.give(200, b"<html>", "text/html")], ids=["json", "page"]
)
def test_an_answer_of_another_shape_is_a_broken_server(answer: Answer) -> None:
    with served(answer) as (client, _), pytest.raises(Broken, match="VersionOut"):
        client.version()


def test_events_go_on_behind_the_last_one_after_a_break() -> None:
    with served(streams(1, 2), streams(5), ends) as (client, script):
        assert [event.seq for event in client.events(JOB)] == [1, 2, 5]
    assert [headers.get("Last-Event-ID") for *_, headers, _ in script.seen] == [None, "2", "5"]


def test_following_an_unknown_job_is_refused_at_once() -> None:
    problem = {"reason": "not_found", "detail": "no such job", "next_action": "list yours"}
    with served(gives(problem, 404)) as (client, _), pytest.raises(Refused, match="no such job"):
        list(client.events(JOB))


def test_a_proxy_that_answers_a_page_instead_of_a_stream_is_named() -> None:
    with served(streams(1, kind="text/html")) as (client, _), pytest.raises(Broken, match="stream of events"):
        list(client.events(JOB))


def test_a_server_that_stays_away_while_following_ends_the_patience() -> None:
    with served(streams(1), drops) as (client, script):
        events = client.events(JOB)
        assert next(events).seq == 1
        with pytest.raises(Temporary):
            next(events)
    assert len(script.seen) > 3


def pieces(*texts: str) -> Answer:
    """A stream of log pieces, each of them five bytes long."""

    def answer(handler: Handler) -> None:
        begin = int(
            handler.headers.get("Last-Event-ID") or parse_qs(urlsplit(handler.path).query)["offset"][0]
        )
        lines = []
        for place, text in enumerate(texts):
            row = {"seq": 1, "stage": "test", "attempt": 1, "at": "2026-01-01T00:00:00Z", "text": text}
            row |= {"offset": begin + 5 * place, "next_offset": begin + 5 * place + 5}
            lines.append(f"event: log\nid: {row['next_offset']}\ndata: {json.dumps(row)}\n\n")
        handler.give(200, "".join(lines).encode(), "text/event-stream")

    return answer


def test_a_log_is_followed_over_a_break_and_a_server_that_asks_for_patience() -> None:
    busy = gives({"reason": "service_unavailable", "detail": "the database is away"}, 503)
    with served(pieces("one..", "two.."), busy, drops, pieces("three"), ends) as (client, script):
        found = list(client.log_pieces(JOB, 100))
    assert [piece.text for piece in found] == ["one..", "two..", "three"]
    assert [piece.offset for piece in found] == [100, 105, 110]
    assert [headers.get("Last-Event-ID") for *_, headers, _ in script.seen] == [
        None,
        "110",
        "110",
        "110",
        "115",
    ]
    assert {headers["Accept"] for *_, headers, _ in script.seen} == {"text/event-stream"}


def test_a_server_that_only_asks_for_patience_ends_it() -> None:
    busy = gives({"reason": "service_unavailable", "detail": "the database is away"}, 503)
    with served(busy) as (client, _), pytest.raises(Temporary, match="database is away"):
        list(client.log_pieces(JOB))
