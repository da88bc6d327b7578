"""WebSockets on a real server, with a real client."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from flowforge.store.scope import Scope
from tests.conftest import TestDatabase
from tests.integration.api.page import says
from tests.integration.api.streams import PATIENCE, Site, another_door, fresh_database, rest, site, take
from tests.integration.jobs.world import make_world

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def here(postgres: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for the file; each test makes jobs of its own."""
    folder = tmp_path_factory.mktemp("api")
    with fresh_database(postgres, template) as database, site(database, folder) as made:
        yield made


@says(
    "the pieces of its log have numbers of the same row.",
    "the events of a job and, with `?logs=true`, its log, in one order",
    "| 1000 | the job is final, and everything was said | nothing |",
)
def test_a_job_is_followed_to_its_end_events_and_log_in_the_order_of_their_numbers(here: Site) -> None:
    job = here.start()
    with here.socket(f"/api/v1/jobs/{job.id}/live?logs=true") as ws:
        assert take(ws) == {"type": "ready", "after": "0"}
        here.say(job, "one € two\n".encode()[:5])
        here.tell(job, note="x")
        here.say(job, "one € two\n".encode()[5:])
        here.finish(job)
        found, code = rest(ws)
    assert code == 1000
    seqs = [one["seq"] for one in found]
    assert seqs == sorted(set(seqs))
    assert [one["kind"] for one in found if one["type"] == "event"] == [kind for _, kind in here.story(job)]
    logs = [one for one in found if one["type"] == "log"]
    assert "".join(one["text"] for one in logs) == "one € two\n"
    assert [(one["offset"], one["next_offset"]) for one in logs] == [(0, 5), (5, 12)]
    assert {one["stage"] for one in logs} == {"test"}
    assert all(one["after"] == str(one["seq"]) for one in found)


def test_a_job_without_logs_tells_events_only(here: Site) -> None:
    job = here.start()
    here.say(job, b"secret of the log")
    here.finish(job)
    with here.socket(f"/api/v1/jobs/{job.id}/live") as ws:
        found, _ = rest(ws)
    assert {one["type"] for one in found} == {"ready", "event"}


def test_a_stream_goes_on_strictly_behind_any_number(here: Site) -> None:
    job = here.start()
    for n in range(5):
        here.say(job, f"line {n}\n".encode())
        here.tell(job, n=n)
    here.finish(job)
    with here.socket(f"/api/v1/jobs/{job.id}/live?logs=true") as ws:
        whole = rest(ws)[0][1:]
    for place, one in enumerate(whole):
        with here.socket(f"/api/v1/jobs/{job.id}/live?logs=true&after={one['after']}") as ws:
            assert rest(ws) == ([{"type": "ready", "after": one["after"]}, *whole[place + 1 :]], 1000)


@says("| a number or offset that was not reached yet")
def test_a_number_that_the_job_never_gave_begins_at_the_beginning(here: Site) -> None:
    job = here.start()
    here.finish(job)
    with here.socket(f"/api/v1/jobs/{job.id}/live?after=100000") as ws:
        found, code = rest(ws)
    assert found[0]["after"] == "0"
    assert ([one["seq"] for one in found[1:]], code) == ([seq for seq, _ in here.story(job)], 1000)


@says(
    "WebSocket: close code 4422 |",
    "| 4422 | a parameter makes no sense; the reason names it | correct it |",
)
@pytest.mark.parametrize(
    "query",
    ["after=x", "after=-1", "after=9999999999999999999999", "logs=perhaps", "moon=full", "after=1&after=2"],
)
def test_a_parameter_that_makes_no_sense_is_named_in_the_close(here: Site, query: str) -> None:
    job = here.start()
    path = f"/api/v1/jobs/{job.id}/live?{query}"
    with here.socket(path) as ws, pytest.raises(ConnectionClosed) as closed:
        ws.recv(timeout=PATIENCE)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4422
    assert query.partition("=")[0] in closed.value.rcvd.reason


def refused(here: Site, path: str, **how: object) -> tuple[int, bytes, list[str]]:
    with pytest.raises(InvalidStatus) as caught, here.socket(path, **how):  # type: ignore[arg-type]  # a test's own
        pass
    answer = caught.value.response
    return answer.status_code, answer.body or b"", sorted(answer.headers)


@says("The handshake is answered 403, without a body, to every refusal alike: no token or a wrong one")
def test_the_handshake_answers_alike_whatever_may_not_be_seen(here: Site) -> None:
    other = make_world(here.database, f"other-{uuid4().hex}")
    theirs = other.submit()
    job = here.start()
    answers = [
        refused(here, f"/api/v1/jobs/{uuid4()}/live"),
        refused(here, f"/api/v1/jobs/{theirs.id}/live"),
        refused(here, f"/api/v1/repositories/{uuid4()}/live"),
        refused(here, f"/api/v1/repositories/{other.repository}/live"),
        refused(here, f"/api/v1/jobs/{job.id}/live", token=""),
        refused(here, f"/api/v1/jobs/{job.id}/live", token="ff_nobodynobody"),
        refused(here, f"/api/v1/jobs/{job.id}/live", token="nonsense"),
        refused(here, "/api/v1/live", token=""),
        refused(here, "/api/v1/nowhere/live"),
        refused(here, f"/api/v1/jobs/{job.id}"),
    ]
    assert answers == [answers[0]] * len(answers)
    assert answers[0][:2] == (403, b"")


@says(
    "Who can set none, as a browser, offers two subprotocols",
    "The token stands in the `Authorization` header.",
    "No token is ever part of an address.",
)
def test_a_browser_sends_its_token_as_a_subprotocol_and_it_is_not_repeated(here: Site) -> None:
    words = ["flowforge.v1", f"flowforge.token.{here.first.token}"]
    with here.socket("/api/v1/live", token="", subprotocols=words) as ws:
        assert ws.subprotocol == "flowforge.v1"
        assert take(ws)["type"] == "ready"
        assert ws.response is not None
        assert here.first.token not in str(ws.response.headers)
    wrong = ["flowforge.v1", "flowforge.token.ff_nobodynobody"]
    assert refused(here, "/api/v1/live", token="", subprotocols=wrong)[0] == 403
    assert here.first.token not in here.running.log.read_text()


@says(
    "| `/api/v1/repositories/{repository}/live` | WebSocket |",
    "| `/api/v1/live` | WebSocket |",
)
def test_an_organization_sees_all_its_jobs_and_a_repository_its_own(here: Site) -> None:
    other = make_world(here.database, f"other-{uuid4().hex}")
    second = here.add_repository()
    with here.socket("/api/v1/live") as all_, here.socket(f"/api/v1/repositories/{second}/live") as one:
        assert take(all_)["type"] == take(one)["type"] == "ready"
        theirs, job, mine = other.submit(), here.start(), here.start(repository=second)
        here.tell(mine, last="yes")
        seen = []
        while not seen or seen[-1]["kind"] != "mirror.noted":
            seen.append(take(all_))
        ours = []
        while not ours or ours[-1]["kind"] != "mirror.noted":
            ours.append(take(one))
    assert {message["job"] for message in seen} == {str(job.id), str(mine.id)}
    assert str(theirs.id) not in str(seen)
    assert [message for message in seen if message["repository"] == str(second)] == ours
    assert [(message["seq"], message["kind"]) for message in ours] == here.story(mine)


@says("A stream goes on strictly behind what you name")
def test_a_feed_goes_on_strictly_behind_any_cursor(here: Site) -> None:
    with here.socket("/api/v1/live") as ws:
        begin = take(ws)["after"]
    jobs = [here.start(f"b{n}") for n in range(4)]
    for job in jobs:
        here.tell(job)
    with here.socket(f"/api/v1/live?after={begin}") as ws:
        assert take(ws)["after"] == begin
        whole = [take(ws) for _ in range(sum(len(here.story(job)) for job in jobs))]
    for job in jobs:
        assert [(m["seq"], m["kind"]) for m in whole if m["job"] == str(job.id)] == here.story(job)
    extra = here.start("last")
    for place, message in enumerate(whole):
        with here.socket(f"/api/v1/live?after={message['after']}") as ws:
            take(ws)
            seen = [take(ws) for _ in range(len(whole) - place - 1 + len(here.story(extra)))]
        assert [m | {"after": ""} for m in seen[: len(whole) - place - 1]] == [
            m | {"after": ""} for m in whole[place + 1 :]
        ]
        assert {m["job"] for m in seen[len(whole) - place - 1 :]} == {str(extra.id)}


def test_an_event_that_commits_late_is_not_missed_by_who_was_there_before(here: Site) -> None:
    early, late = here.start("early"), here.start("late")
    with here.socket("/api/v1/live") as ws:
        take(ws)
        with here.database.system.transaction(Scope.system()) as tx:
            tx.run("UPDATE jobs SET last_seq = last_seq + 1 WHERE id = %(id)s", id=late.id)
            tx.insert(
                "job_events",
                {"organization": late.organization, "job": late.id, "seq": 99, "kind": "mirror.noted"},
            )
            replace(here, database=another_door(here.database)).tell(early, first="yes")
            first = take(ws)
        second = take(ws)
    assert (first["job"], second["job"]) == (str(early.id), str(late.id))
    with here.socket(f"/api/v1/live?after={first['after']}") as ws:
        take(ws)
        assert take(ws)["seq"] == 99


@says("| a cursor from the future, or none that FlowForge gave | close code 4422 |")
@pytest.mark.parametrize(
    "after",
    [
        "x",
        "1",
        "1:2",
        "0:0:",
        "5:3:",
        "1:9:9",
        "1:9:3,2",
        "1~2~3",
        "1:1:~1:1:~x",
        "9" * 18 + ":" + "9" * 18 + ":",
    ],
)
def test_a_cursor_that_is_none_is_refused(here: Site, after: str) -> None:
    with here.socket(f"/api/v1/live?after={after}") as ws:
        assert rest(ws)[1] == 4422


@says("| 1008 | the client spoke too much | listen |")
def test_who_speaks_too_much_is_not_listened_to(here: Site) -> None:
    with here.socket("/api/v1/live") as ws:
        take(ws)
        for _ in range(3):
            ws.send("hello")
        ws.ping().wait(PATIENCE)
        job = here.start()
        assert take(ws)["job"] == str(job.id), "a few words harm nobody"
        with suppress(ConnectionClosed):
            for _ in range(100_000):
                ws.send("hello")
        assert rest(ws)[1] == 1008


def test_a_client_that_leaves_is_forgotten(here: Site) -> None:
    for _ in range(5):
        with here.socket("/api/v1/live") as ws:
            take(ws)
    for _ in range(5):  # and one that falls silent without a goodbye
        with here.socket("/api/v1/live") as ws:
            take(ws)
            ws.socket.shutdown(socket.SHUT_RDWR)
    job = here.start()
    with here.socket(f"/api/v1/jobs/{job.id}/live") as ws:
        here.finish(job)
        assert rest(ws)[1] == 1000
    assert "Traceback" not in here.running.log.read_text()


@says("| 1001 | this server stops | open the stream again with `after` |")
def test_a_restart_says_to_come_again_and_the_stream_goes_on_there(
    database: TestDatabase, tmp_path: Path
) -> None:
    with site(database, tmp_path) as here:
        job = here.start()
        with here.socket(f"/api/v1/jobs/{job.id}/live") as ws, here.socket("/api/v1/live") as feed:
            assert [take(ws) for _ in range(1 + len(here.story(job)))]
            take(feed)
            here.running.process.terminate()
            assert rest(ws) == ([], 1001)
            assert rest(feed) == ([], 1001)
    assert "Traceback" not in here.running.log.read_text()
