"""A job's whole story, through the whole house: followed while it runs, and the same once its worker is gone and its log
has moved to the artifact storage."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from flowforge.api.models import JobOut
from flowforge.artifacts.store import known_identity
from flowforge.core.masking import forms
from flowforge.queues.presence import signs
from flowforge.store.admin import connected
from tests.acceptance.house import PATIENCE, SECRET, House, ending, eventually
from tests.acceptance.stories import apart, pipeline
from tests.faults.conftest import standing
from tests.faults.site import Process, Site
from tests.integration.api.page import PAGE, says, sentences

DONE = 1000  # the code that a stream of a finished job ends with
GATE = "go-on"
SAYS = (  # speaks, waits for a file that appears beside it, speaks again
    f"cat docs/leak.txt; echo grün; echo begun; printf 'a {SECRET[:6]}'; while [ ! -e {GATE} ]; do sleep 0.1; done; "
    "echo ' sings'; for n in 1 2 3 4 5 6 7 8 9; do echo line $n; done"
)
LEAK = base64.encodebytes(
    b"\0" * 50 + f"bot:{SECRET}".encode() + b"\0" * 50
).decode()  # wrapped in the middle of it


@pytest.fixture(scope="module")
def here() -> Iterator[Site]:
    with standing(Site) as made:
        yield made


def follow(house: House, path: str) -> ClientConnection:
    return connect(
        house.url.replace("http://", "ws://") + path,
        additional_headers={"Authorization": f"Bearer {house.token}"},
        open_timeout=PATIENCE,
        proxy=None,
    )


def messages(ws: ClientConnection) -> Iterator[dict[str, Any]]:
    """All that is no heartbeat, until the server closes."""
    try:
        while True:
            found: dict[str, Any] = json.loads(ws.recv(timeout=PATIENCE))
            if found["type"] != "heartbeat":
                yield found
    except ConnectionClosed as closed:
        if closed.rcvd is None or closed.rcvd.code != DONE:
            raise


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a reader can be told of a job that has ended, by every way there is."""

    live: list[dict[str, Any]]  # of the WebSocket, with the log
    plain: bytes
    pages: list[dict[str, Any]]
    events: bytes
    log: bytes
    printed: str

    @property
    def text(self) -> str:
        return "".join(one["text"] for one in self.live if one["type"] == "log")


def told(house: House, job: JobOut, folder: Path) -> Told:
    path = f"/api/v1/jobs/{job.id}"
    with follow(house, f"{path}/live?logs=true") as ws:
        live = list(messages(ws))
    pages, offset, complete = [], 0, False
    while not complete:
        pages.append(house.ask("GET", f"{path}/logs?limit=100&offset={offset}").json)
        offset, complete = pages[-1]["next_offset"], pages[-1]["complete"]
    return Told(
        live=live,
        plain=house.ask("GET", f"{path}/logs?limit=1000000", Accept="text/plain").body,
        pages=pages,
        events=house.ask("GET", f"{path}/events", Accept="text/event-stream").body,
        log=house.ask("GET", f"{path}/logs", Accept="text/event-stream").body,
        printed=printed(house, job, folder),
    )


def printed(house: House, job: JobOut, folder: Path) -> str:
    """What `flowforge job logs` prints."""
    words = {"FLOWFORGE_URL": house.url, "FLOWFORGE_TOKEN": house.token, "HOME": str(folder)}
    flowforge = str(Path(sys.executable).parent / "flowforge")
    done = subprocess.run(
        [flowforge, "job", "logs", str(job.id)], env={**os.environ, **words}, capture_output=True, check=True, cwd=folder
    )  # fmt: skip
    return done.stdout.decode()


def go_on(site: Site) -> None:
    """Let the command of the test stage go on: it looks for a file in its folder."""
    (cart,) = site.house.truth.data.glob("workspaces/**/shop/cart.py")
    (cart.parent.parent / GATE).touch()


def an_hour_passes(site: Site, job: JobOut) -> None:
    """For a job that has ended."""
    with connected(site.house.truth.database) as cursor:
        cursor.execute("SET session_replication_role = replica")  # no trigger minds
        cursor.execute(
            "UPDATE jobs SET completed_at = completed_at - interval '1 hour' WHERE id = %s", (str(job.id),)
        )


def chunks(site: Site, job: JobOut) -> int:
    (row,) = site.house.truth.rows("SELECT count(*) FROM log_chunks WHERE job::text = %(job)s", job=job.id)
    return int(row["count"])


@says(
    "A line leaves the worker at most 0.2 s after it was written, with secrets masked;",
    "Ten minutes after the job's end its log moves from the database to an artifact",
    "`GET /api/v1/jobs/{job}/logs` reads the log by bytes",
    "JSON holds the text and, in `pieces`, from which stage and attempt each part of it comes",
    "Kinds of events: |",
    "A stream shows it as it happens",
)
def test_a_job_is_followed_while_it_runs_and_told_alike_when_its_worker_is_gone_and_its_log_has_moved(
    here: Site, tmp_path: Path
) -> None:
    house = here.house
    project = house.project()
    apart(project.repository, pipeline(test=SAYS), branch={"docs/leak.txt": LEAK})
    job = project.submit()
    with here.worker() as worker, follow(house, f"/api/v1/jobs/{job.id}/live?logs=true") as ws:
        live = messages(ws)
        heard = [next(live)]
        while "begun\n" not in "".join(one.get("text", "") for one in heard):
            heard.append(next(live))
        assert not house.job(job.id).final, "its lines are heard while it runs"
        with follow(house, f"/api/v1/jobs/{job.id}/live?logs=true&after={heard[-1]['after']}") as late:
            go_on(here)
            heard += live
            assert heard[-len(rest := list(messages(late))[1:]) :] == rest, (
                "who comes later goes on behind it"
            )
        assert ending(house.ended(job)) == ("success", "pushed")
        shares_its_storage(here, worker)
    here.keeps_its_promises(job)  # and the worker has been killed
    first = told(house, job, tmp_path)
    assert first.live == heard
    is_whole(first, job)
    events_have_their_fields(first.live)

    an_hour_passes(here, job)
    eventually(lambda: chunks(here, job) == 0, "a relay moves the log")
    assert len(list((house.truth.data / "artifacts" / "jobs" / str(job.id)).glob("log-*"))) == 1
    assert told(house, job, tmp_path) == first
    half = heard[len(heard) // 2]
    with follow(house, f"/api/v1/jobs/{job.id}/live?logs=true&after={half['after']}") as ws:
        assert list(messages(ws))[1:] == heard[heard.index(half) + 1 :]


def shares_its_storage(site: Site, worker: Process) -> None:
    """By the word that it shows in Redis."""
    (sign,) = signs(site.redis_url, timeout=PATIENCE).values()
    assert worker.popen.poll() is None
    assert sign["artifacts"] == known_identity(site.house.truth.data / "artifacts") != ""


def is_whole(told: Told, job: JobOut) -> None:
    """Each way of reading gives the same bytes, and none of them a secret."""
    text = told.plain.decode()
    assert f"grün\nbegun\na {SECRET[:6]} sings\nline 1\n" in text
    assert any(f"{SECRET[:6]} sings" in one.get("text", "") for one in told.live), (
        "it waited for what follows"
    )
    assert [line for line in text.splitlines() if line.startswith("line ")] == [
        f"line {n}" for n in range(1, 10)
    ]
    assert told.text == text
    assert "".join(page["text"] for page in told.pages) == text
    pieces = [piece for page in told.pages for piece in page["pieces"]]
    assert sum(piece["size"] for piece in pieces) == len(told.plain)
    assert {piece["attempt"] for piece in pieces} == {1}
    assert {piece["stage"] for piece in pieces} == {"test"}
    lines = [json.loads(line[6:]) for line in told.log.decode().splitlines() if line.startswith("data: ")]
    assert "".join(line["text"] for line in lines) == text
    assert told.printed == text
    seqs = [one["seq"] for one in told.live[1:]]
    assert seqs == list(range(1, len(seqs) + 1)), "events and pieces have numbers of one row"
    numbers = [int(line[4:]) for line in told.events.decode().splitlines() if line.startswith("id: ")]
    assert numbers == [one["seq"] for one in told.live if one["type"] == "event"]
    joined = "".join(text.split())
    assert "***" in joined
    assert [form for form in forms(SECRET) if form.decode() in joined] == []
    assert {one["job"] for one in told.live[1:]} == {str(job.id)}


def events_have_their_fields(live: list[Mapping[str, Any]]) -> None:
    """Those that the page names, for every kind that this job told."""
    known = documented()
    kinds = set()
    for one in live:
        if one["type"] == "event":
            kinds.add(one["kind"])
            assert set(one["data"]) <= known[one["kind"]], one
    assert kinds >= {
        "job.submit",
        "job.validate_ok",
        "job.claim",
        "job.succeed",
        "stage.started",
        "stage.finished",
    }
    assert kinds >= {"repository.scanned", "files.validated", "push.intended", "push.settled"}


def documented() -> dict[str, set[str]]:
    """The fields of each kind of event; "the same" are those of the row above."""
    fields: dict[str, set[str]] = {}
    above: set[str] = set()
    for row in sentences(PAGE.read_text()):
        if row.startswith("Kinds of events: |"):
            _, kind, _, named, _ = row.split("|")
            above = (above if "the same" in named else set()) | set(re.findall(r"`(\w+)`", named))
            fields[kind.strip(" `")] = above
    return fields
