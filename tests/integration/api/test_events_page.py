"""docs/events.md, run: what it says of streams, on the real server with its real worker, with shorter seconds."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from flowforge.accounts.tokens import create_token
from flowforge.api.feeds import MOST, QUEUE
from flowforge.api.pace import Pace
from flowforge.api.stream_models import LogQuery
from flowforge.artifacts.store import Artifacts
from flowforge.core.access import Operation
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Job
from flowforge.core.verdict import Finding, Level
from flowforge.jobs import archive, logs
from flowforge.jobs.archive import LogKeeper
from flowforge.pipeline import story
from flowforge.queues.connection import connect as connect_to_redis
from flowforge.queues.notify import Signals
from flowforge.settings import Settings
from flowforge.store.admin import connected
from flowforge.store.ids import make_ids
from flowforge.store.scope import Scope
from flowforge.wiring import connections
from tests.conftest import TestDatabase, absent
from tests.faults.proxy import Proxy, Trouble, through, upstream_of
from tests.integration.api.paced import paced
from tests.integration.api.page import PAGE, claims, examples, says, sentences
from tests.integration.api.streams import PATIENCE, Site, fresh_database, rest, site, take
from tests.integration.jobs.world import until

pytestmark = pytest.mark.services

SSE = "text/event-stream"
HERE = Path(__file__).parent
RUNNERS = (
    *(HERE / name for name in ("test_events_page.py", "test_following.py", "test_sockets.py")),
    HERE.parents[1] / "acceptance" / "test_streams.py",
)
STREAMS = ("/api/v1/jobs/{job}/live?logs=true", "/api/v1/repositories/{repository}/live", "/api/v1/live")


@pytest.fixture(scope="module")
def here(postgres: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for the file, whose silence is short; each test makes jobs of its own."""
    folder = tmp_path_factory.mktemp("api")
    with (
        fresh_database(postgres, template) as database,
        site(database, folder, **paced(heartbeat=0.3, believe=0.5)) as made,
    ):
        yield made


def addresses(here: Site, job: Job) -> list[str]:
    return [path.format(job=job.id, repository=here.repository) for path in STREAMS]


def headers(here: Site, token: str = "", **more: str) -> dict[str, str]:
    shown = {name.replace("_", "-"): value for name, value in more.items()}
    return {"Authorization": f"Bearer {token or here.first.token}", **shown}


def ask(here: Site, path: str, **more: str) -> httpx2.Response:
    return httpx2.get(here.running.url + path, headers=headers(here, **more), timeout=PATIENCE)


@contextmanager
def lines(here: Site, path: str, token: str = "") -> Iterator[Iterator[str]]:
    """An open stream of server-sent events, line by line."""
    with (
        httpx2.Client(timeout=PATIENCE) as http,
        http.stream("GET", here.running.url + path, headers=headers(here, token, Accept=SSE)) as answer,
    ):
        assert answer.status_code == 200
        yield answer.iter_lines()


def another_token(here: Site, *scopes: Operation) -> tuple[UUID, str]:
    with here.database.system.transaction(Scope.organization(here.organization)) as tx:
        user = tx.value("SELECT id FROM users WHERE organization = %(of)s", of=here.organization)
        made = create_token(
            tx,
            organization=here.organization,
            user=user,
            name=uuid4().hex,
            ids=make_ids(),
            scopes=scopes or tuple(Operation),
        )
    return made.id, made.text


def revoke(here: Site, token: UUID) -> None:
    with here.database.system.transaction(Scope.system()) as tx:
        assert tx.run("UPDATE tokens SET revoked_at = now() WHERE id = %(id)s", id=token) == 1


# ------------------------------------------------------------------------------------------------------- the page


def test_every_sentence_of_the_page_is_run_by_a_test_and_no_test_runs_another() -> None:
    page = list(sentences(PAGE.read_text()))
    claimed = [words for path in RUNNERS for words in claims(path.read_text())]
    assert [words for words in claimed if not any(words in sentence for sentence in page)] == []
    assert [sentence for sentence in page if not any(words in sentence for words in claimed)] == []


def test_the_pages_numbers_are_those_of_the_code() -> None:
    """The tests below run with shorter ones."""
    assert Pace() == Pace(deaf=1, heard=10, heartbeat=15, patience=10, believe=5 * 60, parting=1)
    assert (connections.STALLED, connections.STALLED_AT_END) == (30, 1)
    assert (MOST, QUEUE) == (5000, 1000)
    assert (archive.REST, logs.PAUSE, Settings().log_days) == (10 * 60, 0.2, 90)
    for name in ("limit", "tail"):
        assert str(1 << 20) in repr(LogQuery.model_fields[name].metadata)


@says("What was told once is never changed.")
def test_nobody_of_the_service_can_change_what_was_told(here: Site) -> None:
    job = here.start()
    for database in (here.database.app, here.database.system):
        for change in ("UPDATE job_events SET kind = 'x'", "DELETE FROM job_events"):
            with pytest.raises(Refused), database.transaction(Scope.organization(job.organization)) as tx:
                tx.run(change)


# ------------------------------------------------------------------------------------------------------- examples


def example(words: str) -> str:
    (line,) = [line for line in examples() if line.startswith(words)]
    return line


@contextmanager
def run(here: Site, line: str, job: Job, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A line of the page in a shell, at this server."""
    tools = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    words = {"FLOWFORGE_URL": here.running.url, "FLOWFORGE_TOKEN": here.first.token, "JOB": str(job.id)}
    process = subprocess.Popen(
        ["bash", "-c", line.replace("http://127.0.0.1:8080", here.running.url)],
        env={**os.environ, **words, "PATH": tools, "HOME": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@says("/api/v1/jobs/$JOB/events", "/api/v1/jobs/$JOB/logs?tail=4096")
@pytest.mark.parametrize("kind", ["events", "logs"])
def test_the_examples_with_curl_follow_a_job_to_its_end(here: Site, kind: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        absent("curl", Refused(Reason.CONFIGURATION, "it is not installed", next_action="install it"))
    (line,) = [line for line in examples() if line.startswith("curl") and f"$JOB/{kind}" in line]
    job = here.start()
    here.say(job, b"x" * 5000 + b"before\n")
    with run(here, line, job, tmp_path) as process:
        assert process.stdout is not None
        first = os.read(process.stdout.fileno(), 1)  # it has begun
        here.say(job, b"after\n")
        here.finish(job)
        found, wrong = process.communicate(timeout=PATIENCE)
    said = (first + found).decode()
    assert process.returncode == 0, wrong.decode()
    data = [json.loads(row.removeprefix("data: ")) for row in said.splitlines() if row.startswith("data: ")]
    if kind == "events":
        assert [(one["seq"], one["kind"]) for one in data] == here.story(job)
    else:
        text = "".join(one["text"] for one in data)
        assert text == ("x" * 5000 + "before\nafter\n")[-len(text) :]
        assert 4096 <= len(text) <= 4096 + len("after\n")


@says("flowforge job watch $JOB", "flowforge job logs -f $JOB", "ignore those that you do not know")
@pytest.mark.parametrize(
    ("words", "shown"), [("flowforge job watch", "pushed"), ("flowforge job logs", "a line")]
)
def test_the_verbs_follow_a_job_to_its_end_whatever_kinds_of_events_come(
    here: Site, words: str, shown: str, tmp_path: Path
) -> None:
    job = here.start()
    with run(here, example(words), job, tmp_path) as process:
        here.tell(job, "moon.full", light="white")
        here.say(job, b"a line\n")
        here.finish(job)
        found, wrong = process.communicate(timeout=PATIENCE)
    assert (process.returncode, shown in (found + wrong).decode()) == (0, True)


@says('new WebSocket("ws://127.0.0.1:8080/api/v1/live", [')
def test_the_example_for_browsers_opens_a_stream(here: Site) -> None:
    found = re.fullmatch(
        r'new WebSocket\("([^"]+)", \["([^"]+)", "([^"]+)" \+ token\]\)', example("new WebSocket")
    )
    assert found is not None
    url = found[1].replace("ws://127.0.0.1:8080", here.running.url.replace("http", "ws"))
    offered = [Subprotocol(found[2]), Subprotocol(found[3] + here.first.token)]
    page = Origin("https://pages.example.org")  # as a browser says where it stands, and nothing else of us
    with connect(url, subprotocols=offered, origin=page, open_timeout=PATIENCE, proxy=None) as ws:
        assert ws.subprotocol == found[2]
        assert take(ws)["type"] == "ready"


@says('new WebSocket("ws://127.0.0.1:8080/api/v1/live", [')
def test_the_example_for_browsers_runs_as_it_stands(here: Site) -> None:
    """In node, whose WebSocket is that of browsers."""
    node = shutil.which("node")
    words = [node or "", "--experimental-websocket", "-e"]
    if node is None or subprocess.run([*words, "WebSocket"], capture_output=True, check=False).returncode:
        pytest.skip("no node with a WebSocket is here; the test above runs the same words")
    line = example("new WebSocket").replace("ws://127.0.0.1:8080", here.running.url.replace("http", "ws"))
    code = (
        f"const token = process.env.TOKEN; const ws = {line};"
        "ws.onmessage = (m) => { console.log(m.data); process.exit(0); }; ws.onerror = () => process.exit(1);"
    )
    done = subprocess.run(
        [*words, code], env={**os.environ, "TOKEN": here.first.token}, capture_output=True, timeout=PATIENCE, check=False
    )  # fmt: skip
    assert (done.returncode, json.loads(done.stdout)["type"]) == (0, "ready"), done.stderr


# -------------------------------------------------------------------------------------------------- what is said


@says("an event with a number, `seq`", "as data one line of JSON", "`seq`, `kind`, `at`, `data`.")
def test_an_event_on_the_wire_has_its_number_its_kind_and_one_line_of_data(here: Site) -> None:
    job = here.start()
    here.tell(job, text="two\nlines")
    here.finish(job)
    blocks = ask(here, f"/api/v1/jobs/{job.id}/events", Accept=SSE).text.split("\n\n")
    rows = [block.splitlines() for block in blocks if block.startswith(("id:", "event:", "data:"))]
    for row, (seq, kind) in zip(rows, here.story(job), strict=True):
        fields = dict(line.split(": ", 1) for line in row)
        data = json.loads(fields.pop("data"))
        assert fields == {"id": str(seq), "event": kind}
        assert list(data) == ["seq", "kind", "at", "data"]
    assert [seq for seq, _ in here.story(job)] == sorted({seq for seq, _ in here.story(job)})


@says("Pieces of a log are named `log`", "the log of a job | `Last-Event-ID`: the byte behind")
def test_a_piece_on_the_wire_has_the_offset_behind_it_and_its_fields(here: Site) -> None:
    job = here.start()
    here.say(job, "grün\n".encode())
    here.finish(job)
    answer = ask(here, f"/api/v1/jobs/{job.id}/logs", Accept=SSE)
    fields = dict(line.split(": ", 1) for line in answer.text.splitlines() if ": " in line and line[0] != ":")
    data = json.loads(fields.pop("data"))
    assert fields == {"id": "6", "event": "log"}
    assert list(data) == ["seq", "stage", "attempt", "at", "offset", "next_offset", "text"]


@says(
    "Messages are JSON texts",
    "| `ready` |",
    "| `event` | `job`",
    "| `log` | with `logs=true`",
    "| `heartbeat` | nothing happened for 15 s |",
    "A comment line comes every 15 s on a silent stream.",
)
def test_every_message_has_its_fields_and_silence_is_broken(here: Site) -> None:
    job = here.start()
    fields = {
        "ready": {"after"},
        "event": {"job", "repository", "seq", "kind", "at", "data", "after"},
        "log": {"job", "seq", "stage", "attempt", "at", "offset", "next_offset", "text", "after"},
        "heartbeat": set(),
    }
    here.say(job, b"a line")
    for address in addresses(here, job):
        seen: set[str] = set()
        wanted = set(fields) if "logs=true" in address else set(fields) - {"log"}
        with here.socket(address) as ws:
            while seen != wanted:
                message = json.loads(ws.recv(timeout=PATIENCE))
                if not seen:
                    assert message["type"] == "ready", "the first one"
                    here.tell(job)
                assert set(message) == fields[message["type"]] | {"type"}
                seen.add(message["type"])
    for kind in ("events", "logs"):
        with lines(here, f"/api/v1/jobs/{job.id}/{kind}") as told:
            comments = 0
            while comments < 4:
                comments += next(told).startswith(":")


@says("| nothing | a job's stream begins at its beginning, the others now |")
def test_without_a_number_a_jobs_stream_begins_at_its_beginning_and_the_others_now(here: Site) -> None:
    job = here.start()
    of_job, *others = addresses(here, job)
    with here.socket(of_job) as ws:
        assert [take(ws).get("seq") for _ in range(3)] == [None, 1, 2]
    for address in others:
        with here.socket(address) as ws:
            take(ws)
            here.tell(job, place=address)
            assert take(ws)["data"] == {"place": address}, "nothing of before"


@says("| a number of another job |", "| a number or offset that was not reached yet")
@pytest.mark.parametrize("logged", ["", "&logs=true"])
def test_a_number_of_another_job_is_read_as_one_of_this(here: Site, logged: str) -> None:
    long, short = here.start(), here.start()
    for _ in range(20):
        here.tell(long)
    here.finish(short)
    (last, _), all_ = here.story(short)[-1], [seq for seq, _ in here.story(short)]
    for number in (2, here.story(long)[-1][0]):
        with here.socket(f"/api/v1/jobs/{short.id}/live?after={number}{logged}") as ws:
            found, code = rest(ws)
        begin = number if number <= last else 0
        assert ([one["seq"] for one in found[1:]], code) == ([seq for seq in all_ if seq > begin], 1000)
        assert found[0]["after"] == str(begin)


@says("| a number or offset that was not reached yet", "| a number of another job |")
def test_an_offset_of_another_job_is_read_as_one_of_this(here: Site) -> None:
    jobs = [here.start() for _ in range(2)]
    for job, text in zip(jobs, (b"x" * 100, b"0123456789"), strict=True):
        here.say(job, text)
        here.finish(job)
    for seen, wanted in (("4", "456789"), ("100", "0123456789"), ("10", "")):
        answer = ask(here, f"/api/v1/jobs/{jobs[1].id}/logs", Accept=SSE, Last_Event_ID=seen)
        texts = [json.loads(row[6:])["text"] for row in answer.text.splitlines() if row.startswith("data: ")]
        assert ("".join(texts), answer.status_code) == (wanted, 200 if wanted else 204)


@says(
    "a token that may not read",
    "No token is ever part of an address.",
)
def test_a_token_that_may_not_read_or_stands_in_the_address_opens_nothing(here: Site) -> None:
    job = here.start()
    _, text = another_token(here, Operation.SUBMIT)
    for address in addresses(here, job):
        for token, more in (
            (text, ""),
            ("", f"token={here.first.token}"),
            ("", f"access_token={here.first.token}"),
        ):
            mark = "&" if "?" in address else "?"
            with pytest.raises(InvalidStatus) as caught, here.socket(f"{address}{mark}{more}", token=token):
                pass
            assert (caught.value.response.status_code, caught.value.response.body) == (403, b"")


@says(
    "Pings are answered; a few messages are ignored; after 64 of them the stream is closed.",
    "A client has nothing to say.",
)
def test_the_sixty_fourth_word_of_a_client_ends_its_stream(here: Site) -> None:
    with here.socket("/api/v1/live") as ws:
        take(ws)
        for number in range(63):
            ws.send(b"bytes" if number % 2 else "text")
        assert ws.ping().wait(PATIENCE)
        job = here.start()
        assert take(ws)["job"] == str(job.id)
        ws.send("one more")
        assert rest(ws)[1] == 1008


@says("Lists hold at most 50 rows.")
def test_lists_in_events_are_short() -> None:
    finding = Finding(rule="r", level=Level.WARNING, message="m", path="p")
    _, data = story.scanned([finding] * 60)
    assert (len(data["findings"]), data["count"]) == (50, 60)  # type: ignore[arg-type]  # it is a list


# ------------------------------------------------------------------------------------------------- how it ends


@says("| 4401 | the token is not valid any more")
def test_a_stream_ends_soon_after_its_token(here: Site) -> None:
    token, text = another_token(here)
    job = here.start()
    with ExitStack() as stack:
        sockets = [stack.enter_context(here.socket(path, token=text)) for path in addresses(here, job)]
        streams = [
            stack.enter_context(lines(here, f"/api/v1/jobs/{job.id}/{kind}", text)) for kind in ("events", "logs")
        ]  # fmt: skip
        for ws in sockets:
            assert take(ws)["type"] == "ready"
        revoke(here, token)
        assert [rest(ws)[1] for ws in sockets] == [4401] * 3
        for told in streams:
            list(told)  # it ends as it should: a cut one would raise
    again = httpx2.get(
        f"{here.running.url}/api/v1/jobs/{job.id}/events", headers=headers(here, text), timeout=PATIENCE
    )
    assert (again.status_code, again.json()["reason"]) == (401, "not_signed_in")


@says(
    "| a cursor of an organization's or repository's stream | everything behind it, up to 5000 events",
    "| 4410 | more than 5000 events were missed |",
)
def test_five_thousand_missed_events_are_made_up_for_and_one_more_is_not(here: Site) -> None:
    second = here.add_repository()
    job = here.start(repository=second)
    paths = ["/api/v1/live", f"/api/v1/repositories/{second}/live"]
    with here.socket(paths[0]) as ws:
        begin = take(ws)["after"]

    happens(here, job, 5000)
    for path in paths:
        with here.socket(f"{path}?after={begin}") as ws:
            assert take(ws)["after"] == begin
            found = [take(ws)["seq"] for _ in range(5000)]
            assert found == list(range(found[0], found[0] + 5000))
    happens(here, job, 1)
    for path in paths:
        with here.socket(f"{path}?after={begin}") as ws:
            found_, code = rest(ws)
        assert ([one["type"] for one in found_], code) == (["ready"], 4410)
        with here.socket(path) as ws:  # as it says: begin without
            take(ws)
            here.tell(job, now=path)
            assert take(ws)["data"] == {"now": path}


def happens(here: Site, job: Job, times: int) -> None:
    """So many events at once."""
    with here.database.system.transaction(Scope.system()) as tx:
        tx.run(
            "WITH mine AS (UPDATE jobs SET last_seq = last_seq + %(times)s WHERE id = %(job)s RETURNING *) "
            "INSERT INTO job_events (organization, job, seq, kind) SELECT organization, id, "
            "last_seq - %(times)s + n, 'mirror.noted' FROM mine, generate_series(1, %(times)s) AS n",
            job=job.id,
            times=times,
        )


@says(
    "| 4408 | the client took nothing for 10 s, or a thousand events wait for it |",
    "a thousand events for the others",
)
def test_a_thousand_events_wait_for_a_client_and_one_more_is_too_many(here: Site) -> None:
    job = here.start()
    with here.socket("/api/v1/live") as ws:
        begin = take(ws)["after"]
        happens(here, job, 1000)
        whole = [take(ws) for _ in range(1000)]
        happens(here, job, 1001)
        assert rest(ws) == ([], 4408)
    with here.socket(f"/api/v1/live?after={begin}") as ws:
        take(ws)
        seqs = [take(ws)["seq"] for _ in range(2001)]
    assert seqs[:1000] == [one["seq"] for one in whole]
    assert seqs == list(range(seqs[0], seqs[0] + 2001))


@says("| 4408 | the client took nothing for 10 s, or a thousand events wait for it |")
def test_a_client_that_lets_too_much_wait_is_told_so_and_goes_on(
    database: TestDatabase, tmp_path: Path
) -> None:
    with site(database, tmp_path, **paced(patience=2.0)) as here:
        job = here.start()
        with here.socket("/api/v1/live", max_queue=1, ping_interval=None) as ws:
            take(ws)
            until(lambda: told_too_slow(here, job), 2 * PATIENCE)
            found, code = rest(ws)
        assert code == 4408
        last = here.story(job)[-1][0]
        with here.socket(f"/api/v1/live?after={found[-1]['after']}") as ws:
            take(ws)
            more = [take(ws)["seq"] for _ in range(last - found[-1]["seq"])]
        mine = [one["seq"] for one in found] + more
        assert mine == [seq for seq, _ in here.story(job) if seq >= mine[0]]


def told_too_slow(here: Site, job: Job) -> bool:
    for _ in range(10):
        here.tell(job, text="z" * 100_000)
    return "too slow" in here.running.log.read_text()


@says("A connection that takes not one byte for 30 s is cut.")
def test_a_connection_that_takes_nothing_is_cut(database: TestDatabase, tmp_path: Path) -> None:
    with site(database, tmp_path, **paced(stalled=2.0)) as here:
        job = here.start()
        for _ in range(400):  # 26 MB: more than the kernel holds for it
            here.say(job, b"y" * 65_536)
        host, port = here.running.url.removeprefix("http://").split(":")
        with closing(socket.create_connection((host, int(port)))) as wire:
            words = [f"GET /api/v1/jobs/{job.id}/logs HTTP/1.1", "Host: x", f"Accept: {SSE}"]
            words.append(f"Authorization: Bearer {here.first.token}")
            wire.sendall(("\r\n".join(words) + "\r\n\r\n").encode())
            assert wire.recv(12) == b"HTTP/1.1 200"
            until(lambda: not held(wire), 2 * PATIENCE)
            text = b"".join(iter(lambda: received(wire), b""))
        assert len(text) < 400 * 65_536, "it ends in the middle"
        rest_ = ask(here, f"/api/v1/jobs/{job.id}/logs?offset={399 * 65_536}")
        assert rest_.json()["text"] == "y" * 65_536, "nobody else minds"


def held(wire: socket.socket) -> bool:
    """Whether the other end of a connection is still open in its process; what the kernel has yet to send may be left."""
    ours, theirs = (f":{end[1]:04X}" for end in (wire.getsockname(), wire.getpeername()))
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(theirs) and row[2].endswith(ours) and row[9] != "0" for row in rows)


def received(wire: socket.socket) -> bytes:
    try:
        return wire.recv(1 << 20)
    except ConnectionResetError:
        return b""


# --------------------------------------------------------------------------------------- while a service is away


@pytest.fixture
def wire(database: TestDatabase) -> Iterator[Proxy]:
    with Proxy(upstream_of(database.urls.app)) as made:
        yield made


@says("| 1013 | the database is away | try again in a while |")
def test_a_stream_that_cannot_begin_without_the_database_says_so(
    database: TestDatabase, wire: Proxy, tmp_path: Path
) -> None:
    """The handshake was answered; then the wire breaks at the first question of the stream."""
    behind = {"FLOWFORGE_DATABASE_APP_URL": through(database.urls.app, wire)}
    with site(database, tmp_path, **paced(patience=1.0, deaf=0.2), **behind) as here:
        job = here.start()
        wire.trouble(Trouble(do="cut", on=(rb"pg_current_snapshot|SELECT last_seq FROM jobs",)))
        for address in addresses(here, job):
            with here.socket(address) as ws:
                assert rest(ws) == ([], 1013)
        wire.heal()
        for address in addresses(here, job):
            with here.socket(address) as ws:
                assert take(ws)["type"] == "ready"
        assert "Traceback" not in here.running.log.read_text()


@says("| 1011 | FlowForge failed |")
def test_a_fault_of_flowforge_ends_a_stream_with_a_word_and_stands_in_its_log(
    database: TestDatabase, tmp_path: Path
) -> None:
    with site(database, tmp_path) as here:
        job = here.start()
        with here.socket(f"/api/v1/jobs/{job.id}/live") as ws:
            take(ws)
            with connected(database.admin_url) as cursor:
                cursor.execute("ALTER TABLE job_events RENAME TO elsewhere")
            with database.system.transaction(Scope.system()) as tx:
                tx.run("UPDATE jobs SET last_seq = last_seq + 1 WHERE id = %(id)s", id=job.id)
            assert rest(ws)[1] == 1011
        assert "a stream broke" in here.running.log.read_text()


@says(
    "A silent stream asks the database nothing",
    "A Redis that takes no writes still tells.",
    "A stream shows it as it happens, and goes on where you were after a lost connection.",
)
def test_silent_streams_ask_the_database_nothing_and_a_signal_wakes_the_one_that_it_is_about(
    database: TestDatabase, redis_url: str, wire: Proxy, tmp_path: Path
) -> None:
    """Where nobody looks for an hour, what comes has come by the signal."""
    pace = paced(heartbeat=0.3, deaf=3600.0, heard=3600.0)
    words = {"FLOWFORGE_DATABASE_APP_URL": through(database.urls.app, wire), "FLOWFORGE_REDIS_URL": redis_url}
    with site(database, tmp_path, **pace, **words) as here, ExitStack() as stack:
        job, signals = here.start(), Signals(url=redis_url)
        sockets = [stack.enter_context(here.socket(path)) for path in addresses(here, job) * 6]
        for ws in sockets:
            silent(ws)
        question = Trouble(do="delay", on=(b"BEGIN",), seconds=0.0)  # nothing but a count
        wire.trouble(question)
        for _ in range(10):
            for ws in sockets:
                assert json.loads(ws.recv(timeout=PATIENCE)) == {"type": "heartbeat"}
        assert wire.struck == []
        heard(here, job, signals, sockets, "yes")
        assert len(wire.struck) <= 12 + 1 + 2, "those of the job, the one feed of all others, and no more"
        redis = connect_to_redis(redis_url)
        redis.config_set("maxmemory", 1)
        try:
            heard(here, job, signals, sockets, "from a Redis that is full")
        finally:
            redis.config_set("maxmemory", 0)


def heard(here: Site, job: Job, signals: Signals, sockets: list[Any], word: str) -> None:
    """Tell something, signal it, and hear it on every stream."""
    here.tell(job, word=word)
    assert signals.publish(job.id, here.story(job)[-1][0])
    for ws in sockets:
        assert take(ws)["data"] == {"word": word}


def silent(ws: Any) -> None:
    """Read until nothing has come for a heartbeat, twice."""
    quiet = 0
    while quiet < 2:
        quiet = quiet + 1 if json.loads(ws.recv(timeout=PATIENCE))["type"] == "heartbeat" else 0


@says("finds what no signal told of", "Without Redis everything comes at most a second later.")
@pytest.mark.parametrize("redis", [True, False], ids=["a signal was lost", "Redis is away"])
def test_one_question_for_all_streams_finds_what_no_signal_told_of(
    database: TestDatabase, redis_url: str, wire: Proxy, tmp_path: Path, redis: bool
) -> None:
    """While six streams of a job and twelve of others are open: one for the former, one for the latter."""
    pace = paced(
        heartbeat=3600.0, **({"deaf": 0.2, "heard": 0.5} if redis else {"deaf": 0.5, "heard": 3600.0})
    )
    words = {"FLOWFORGE_DATABASE_APP_URL": through(database.urls.app, wire)}
    words |= {"FLOWFORGE_REDIS_URL": redis_url if redis else "redis://127.0.0.1:1/0"}
    with site(database, tmp_path, **pace, **words) as here, ExitStack() as stack:
        job = here.start()
        sockets = [stack.enter_context(here.socket(path)) for path in addresses(here, job) * 6]
        for ws in sockets:
            take(ws)
        questions = (b"id = ANY", b"FROM job_events e JOIN", b"BEGIN")
        looks = [Trouble(do="delay", on=(on,), seconds=0.0) for on in questions]  # nothing but a count
        wire.trouble(*looks)
        until(lambda: len(wire.struck) >= 40, 2 * PATIENCE)
        jobs, feeds, all_ = ([one for _, one in tuple(wire.struck)].count(look) for look in looks)
        assert all_ <= jobs + feeds + 2, "there are no other questions"
        assert abs(jobs - feeds) <= (jobs + feeds) // 3, "and as many for the job as for all others"
        here.tell(job, found="yes")
        for ws in sockets:
            while take(ws).get("data") != {"found": "yes"}:
                pass


# ------------------------------------------------------------------------------------------------ a log that moved


@says(
    "the same questions have the same answers, numbers and pieces there.",
    "After `log_days` (default 90; 0 = never) it is removed",
    "`removed` is true then, and the text empty.",
    "API, relay and workers must share `data_dir/artifacts`.",
)
def test_a_log_answers_alike_before_and_after_it_moved_and_says_when_it_is_gone(
    database: TestDatabase, tmp_path: Path
) -> None:
    with site(database, tmp_path) as here:
        job = here.start()
        for number in range(40):
            here.say(job, f"{number}: grün € {'x' * number}\n".encode(), ("clone", "test")[number % 2])
        here.finish(job)
        keeper = LogKeeper(
            database=database.system, artifacts=Artifacts(tmp_path / "artifacts"), days=1, rest=0.0
        )
        before = answers(here, job)
        assert keeper.move() == 1
        assert answers(here, job) == before
        hidden = tmp_path / "artifacts" / "jobs"
        hidden.rename(tmp_path / "elsewhere")
        answer = ask(here, f"/api/v1/jobs/{job.id}/logs")
        assert (answer.status_code, answer.json()["reason"]) == (500, "configuration")
        assert "share data_dir/artifacts" in answer.json()["next_action"]
        (tmp_path / "elsewhere").rename(hidden)
        with database.system.transaction(Scope.system()) as tx:
            tx.run("UPDATE log_archives SET at = at - interval '2 days'")
        assert keeper.remove() == 1
        page = ask(here, f"/api/v1/jobs/{job.id}/logs").json()
        assert (page["removed"], page["text"], page["complete"]) == (True, "", True)
        assert ask(here, f"/api/v1/jobs/{job.id}/logs", Accept=SSE).status_code == 204


def answers(here: Site, job: Job) -> list[object]:
    """What every way of reading a log says."""
    path, found = f"/api/v1/jobs/{job.id}/logs", list[object]()
    for query in (
        "",
        "?limit=100",
        "?offset=333&limit=50",
        "?tail=200",
        "?stage=test",
        "?attempt=2",
        "?offset=99999",
    ):
        found += [ask(here, path + query).json()]
        plain = ask(here, path + query, Accept="text/plain")
        found += [(plain.content, plain.headers["X-Next-Offset"], plain.headers["X-Complete"])]
        found += [ask(here, path + query, Accept=SSE).text.replace(": \n", "")]
    with here.socket(f"/api/v1/jobs/{job.id}/live?logs=true") as ws:
        found += [rest(ws)]
    return found
