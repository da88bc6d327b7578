"""A model service misbehaves in every way that it can: the wait that it asks for is kept, an outage is waited out,
nonsense goes to a person, and no more is spent than a budget allows.

One job for each case, all side by side; the service knows them apart by a word in the file that conflicts.
"""

import json
import re
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg2
import pytest

from flowforge.api.models import JobDetail, JobOut
from flowforge.wiring.model_setup import shipped_prices
from tests.acceptance.house import PATIENCE, Project, ending, eventually
from tests.acceptance.stories import FEE, pipeline, shop
from tests.faults.site import Process
from tests.faults.table import proves
from tests.faults.wired import WiredSite, all_end, handed_back
from tests.modelserver import ModelServer, Reply, model_server, refuse

WAIT = 1.5  # seconds that a service asks for
BOTH = "    cents = cents + 5\n    cents = cents * 2\n"
GOOD = Reply(
    text=json.dumps(
        {
            "hunks": [
                {
                    "id": 0,
                    "action": "merged",
                    "text": BOTH,
                    "kept": ["the addition", "the doubling"],
                    "dropped": [],
                    "why": "handling is added before the fee is doubled",
                    "elsewhere": [],
                }
            ]
        }
    )
)
SOON = {"retry_after_ms": "50"}
RESET = {
    "anthropic_ratelimit_requests_remaining": "0",
    "anthropic_ratelimit_requests_reset": "2026-01-01T00:00:00Z",  # over, so that ours is waited for
}
DONE = ("success", "pushed")
PERSON = ("failed", "unresolved_conflicts")


@dataclass(frozen=True, kw_only=True)
class Case:
    """What the service answers, in order (the last stays), and what becomes of the job."""

    replies: tuple[Reply, ...]
    end: tuple[str, str]
    calls: int  # for a message
    words: str = ""  # that whoever has to resolve it by hand can read
    outage: str = ""  # the reason with which the job went back to the queue meanwhile


CASES: Mapping[str, Case] = {
    "429-with-retry-after": Case(replies=(refuse(429, retry_after=str(WAIT)), GOOD), end=DONE, calls=2),
    "429-without": Case(replies=(refuse(429), GOOD), end=DONE, calls=2),
    "529": Case(replies=(*[refuse(529, **SOON)] * 3, GOOD), end=DONE, calls=4, outage="model_unavailable"),
    "500": Case(replies=(*[refuse(500, **SOON)] * 3, GOOD), end=DONE, calls=4, outage="model_unavailable"),
    "spend-limit": Case(
        replies=(refuse(429, message="spend limit reached", **SOON),), end=PERSON, calls=1, words="to bill"
    ),
    "own-spend-limit": Case(
        replies=(refuse(400, message="You have reached your specified API usage limits.", **SOON),),
        end=PERSON,
        calls=1,
        words="to bill",
    ),
    "429-until-the-reset": Case(replies=(refuse(429, **RESET), GOOD), end=DONE, calls=2),
    "error-before-all": Case(replies=(Reply(how="first_error"), GOOD), end=DONE, calls=2),
    "no-counts": Case(replies=(Reply(text=GOOD.text, how="no_usage"),), end=DONE, calls=1),
    "413": Case(replies=(refuse(413),), end=PERSON, calls=1, words="too long for the model"),
    "401": Case(replies=(refuse(401),), end=PERSON, calls=1, words="did not accept the API key"),
    "hang": Case(replies=(Reply(how="hang"), GOOD), end=DONE, calls=2),
    "cut": Case(replies=(Reply(text=GOOD.text, how="cut"), GOOD), end=DONE, calls=2),
    "error-event": Case(replies=(Reply(text=GOOD.text, how="error_event"), GOOD), end=DONE, calls=2),
    "empty": Case(replies=(Reply(how="empty"), GOOD), end=DONE, calls=2),
    "garbage": Case(replies=(Reply(how="garbage"), GOOD), end=DONE, calls=2),
    "dropped": Case(replies=(Reply(how="drop"), GOOD), end=DONE, calls=2),
    "max-tokens": Case(replies=(Reply(text=GOOD.text[:40], stop="max_tokens"),), end=PERSON, calls=2),
    "nonsense": Case(replies=(Reply(text="I would merge them."),), end=PERSON, calls=2),
    "refusal": Case(replies=(Reply(text="", stop="refusal"),), end=PERSON, calls=1),
}


@dataclass(kw_only=True)
class Service:
    """What the model service knows of the cases: what each is still to get, and when it was asked."""

    server: ModelServer
    left: dict[str, list[Reply]] = field(default_factory=dict)
    asked: dict[str, list[float]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, body: Mapping[str, Any]) -> Reply:
        found = re.search(r"case:([\w-]+)", json.dumps(body))
        assert found is not None, "no case is named in what was sent"
        with self.lock:
            left = self.left[found[1]]
            self.asked.setdefault(found[1], []).append(time.monotonic())
            return left.pop(0) if len(left) > 1 else left[0]


@dataclass(kw_only=True)
class Met:
    project: Project
    job: JobOut
    end: JobDetail


@dataclass(frozen=True, kw_only=True)
class Story:
    met: Mapping[str, Met]
    service: Service
    back: Mapping[str, list[Mapping[str, Any]]]  # by case: how its attempts went back to the queue


def conflicting(site: WiredSite, word: str, options: str = "") -> Project:
    """Both sides changed one function; only judgement helps. The word is in the file, and so in the question."""
    project = site.house.project()
    definition = pipeline(rungs="mechanical", model="-").replace(
        'provider: scripted, name: "-"', f"provider: anthropic{options}"
    )
    start = {**shop(definition), "shop/fee.py": fee(word, "")}
    base = project.repository.commit(start, branch="main", message="Open the shop")
    for branch, body in (("main", "    cents = cents + 5\n"), ("topic", "    cents = cents * 2\n")):
        files = {**start, "shop/fee.py": fee(word, body)}
        project.repository.commit(files, base, branch=branch, message="Change the fee")
    return project


def fee(word: str, body: str) -> str:
    return FEE.format(body=body).replace("def fee", f"# case:{word}\ndef fee")


@contextmanager
def asking(site: WiredSite, server: ModelServer, failpoints: str = "", **more: str) -> Iterator[Process]:
    """A worker that has a model to ask, and no limit that stands in the way of many calls at once."""
    settings = {
        "FLOWFORGE_MODEL_PROVIDER": "anthropic",
        "FLOWFORGE_MODEL_KEY": server.key,
        "FLOWFORGE_MODEL_BASE_URL": server.url,
        "FLOWFORGE_MODEL_TIMEOUT": "3",
        "FLOWFORGE_MODEL_LIMITS": "everybody 100000 requests/minute",
        "FLOWFORGE_LEASE_SECONDS": "10",
    }
    with site.process("worker", failpoints, **{**settings, **more}) as worker:
        yield worker


@pytest.fixture(scope="module")
def story(wired: WiredSite) -> Iterator[Story]:
    with model_server() as server:
        service = Service(server=server, left={name: list(case.replies) for name, case in CASES.items()})
        server.answer(service)
        with asking(wired, server, FLOWFORGE_WORKER_THREADS="6", FLOWFORGE_MODEL_BREAKER="0"):
            projects = {name: conflicting(wired, name) for name in CASES}
            jobs = {name: project.submit() for name, project in projects.items()}
            ended = all_end(wired, list(jobs.values()))
        met = {
            name: Met(project=projects[name], job=jobs[name], end=end)
            for name, end in zip(CASES, ended, strict=True)
        }
        yield Story(
            met=met,
            service=service,
            back={name: handed_back(wired, [job]) for name, job in jobs.items()},
        )


@proves("F57")
@pytest.mark.parametrize("name", CASES)
def test_a_model_that_misbehaves_is_waited_for_or_gone_without(story: Story, name: str) -> None:
    case, one = CASES[name], story.met[name]
    assert ending(one.end) == case.end, (one.end.ending, story.back[name])
    assert len(story.service.asked[name]) == case.calls
    assert [told["reason"] for told in story.back[name]] == ([case.outage] if case.outage else [])
    assert len(one.project.pushes()) == (1 if case.end == DONE else 0)
    assert case.words in json.dumps(one.end.model_dump(mode="json"))


@proves("F57")
def test_the_wait_that_a_service_asks_for_is_kept(story: Story) -> None:
    first, second = story.service.asked["429-with-retry-after"]
    assert second - first >= WAIT
    first, second = story.service.asked["429-without"]
    assert second - first >= 10  # ours, where it names none


@proves("F57")
def test_what_was_billed_is_settled_and_within_the_budget_of_each_job(wired: WiredSite, story: Story) -> None:
    """A call that broke off is settled at the most that it can have cost."""
    spent = {name: settled(wired, one.job) for name, one in story.met.items()}
    assert sum(spent.values()) >= story.service.server.cost(shipped_prices()) > 0
    assert max(spent.values()) <= Decimal("2.00")
    assert spent["401"] == spent["413"] == 0
    assert wired.house.truth.rows("SELECT id FROM budget_reservations WHERE state = 'reserved'") == []


def settled(site: WiredSite, job: JobOut) -> Decimal:
    query = "SELECT coalesce(sum(cost_usd), 0) AS usd FROM model_usage WHERE job::text = %(job)s"
    return Decimal(site.house.truth.rows(query, job=job.id)[0]["usd"])


@proves("F57")
def test_every_promise_is_kept_to_those_who_asked(wired: WiredSite, story: Story) -> None:
    wired.keeps_its_promises(*(one.job for one in story.met.values()))


SHORT = {"FLOWFORGE_LEASE_SECONDS": "2", "FLOWFORGE_RENEW_SECONDS": "0.5"}


@proves("F57")
def test_an_outage_that_outlasts_all_attempts_ends_no_job(wired: WiredSite) -> None:
    with model_server() as server:
        server.answer(refuse(529, **SOON))
        project = conflicting(wired, "outage")
        with asking(wired, server, FLOWFORGE_MODEL_BREAKER="0"):
            job = project.submit()
            eventually(lambda: len(handed_back(wired, [job])) > 2, "it is looked at again and again")
            server.answer(GOOD)
            (end,) = all_end(wired, [job])
        assert (ending(end), end.attempts) == (DONE, 1)
        assert {told["reason"] for told in handed_back(wired, [job])} == {"model_unavailable"}
    assert settled(wired, job) == server.cost(shipped_prices())
    wired.keeps_its_promises(job)


@proves("F57")
def test_an_outage_that_lasts_too_long_hands_the_conflict_to_a_person(wired: WiredSite) -> None:
    with model_server() as server:
        server.answer(refuse(529, **SOON))
        project = conflicting(wired, "toolong")
        with asking(wired, server, FLOWFORGE_MODEL_OUTAGE_HOURS="0.001") as worker:
            (end,) = all_end(wired, [project.submit()])
            assert "model anthropic is not asked for a while" in worker.said()
        probes = len(server.messages) - 5  # it opened after so many outages; when it tries again is drawn
        assert 0 <= probes <= 2, (
            "the open breaker lets one call through at a time, each later than the one before"
        )
    assert (ending(end), project.pushes()) == (PERSON, [])
    assert "for as long as it may" in json.dumps(end.model_dump(mode="json"))


@proves("F58")
def test_a_question_in_a_batch_outlives_its_worker_and_is_paid_once_at_its_price(wired: WiredSite) -> None:
    with model_server() as server:
        server.answer(GOOD)
        project = conflicting(wired, "batch", ", batch: true")
        with asking(wired, server) as first:
            job = project.submit(priority=1)
            eventually(lambda: handed_back(wired, [job]), "the question is handed in")
            first.end()
        with asking(wired, server):
            eventually(lambda: looks_now(wired, job), "its batch is collected")
            (end,) = all_end(wired, [job])
        assert (ending(end), end.attempts) == (DONE, 1)
        assert {told["reason"] for told in handed_back(wired, [job])} == {"batch_pending"}
        assert (server.messages, len(server.batches)) == ([], 1)
        assert settled(wired, job) == server.cost(shipped_prices()) > 0
    wired.keeps_its_promises(job)


def looks_now(site: WiredSite, job: JobOut) -> bool:
    """Whether it has ended; a job that waits for a batch need not wait for its next look."""
    with psycopg2.connect(site.house.truth.database) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE jobs SET run_after = NULL WHERE id = %s AND state = 'queued'", (str(job.id),))
    connection.close()
    return site.house.job(job.id).final


@dataclass(frozen=True, kw_only=True)
class Killed:
    """A job whose worker was killed at a place, and which another ended."""

    job: JobOut
    end: JobDetail
    server: ModelServer

    @property
    def billed(self) -> Decimal:
        return self.server.cost(shipped_prices())


def killed_at(site: WiredSite, place: str) -> Killed:
    with model_server() as server:
        server.answer(GOOD)
        project = conflicting(site, place.replace(".", "-"))
        with asking(site, server, f"{place}:kill9", **SHORT) as first:
            job = project.submit()
            assert first.dies() < 0
        with asking(site, server):
            (end,) = all_end(site, [job])
        assert (ending(end), end.attempts) == (DONE, 2)
        return Killed(job=job, end=end, server=server)


@proves("F58")
@pytest.mark.parametrize("place", ["llm.after_booking", "resolve.done"])
def test_an_answer_that_was_stored_is_used_again_and_paid_once(wired: WiredSite, place: str) -> None:
    one = killed_at(wired, place)
    assert len(one.server.messages) == 1
    assert settled(wired, one.job) == one.billed
    hits = "SELECT cache_hit FROM model_usage WHERE job::text = %(job)s ORDER BY id"
    assert [row["cache_hit"] for row in wired.house.truth.rows(hits, job=one.job.id)] == [False, True]
    wired.keeps_its_promises(one.job)


@proves("F58")
def test_an_answer_whose_worker_died_before_it_was_booked_stays_in_the_books_at_its_worst(
    wired: WiredSite,
) -> None:
    """The provider bills it, and nobody knows how much: so it is asked again, and both calls are booked."""
    one = killed_at(wired, "llm.after_reply")
    assert len(one.server.messages) == 2
    (open_,) = reservations(wired, one.job, "reserved")
    assert settled(wired, one.job) + open_["amount_usd"] >= one.billed > settled(wired, one.job)
    wired.keeps_its_promises(one.job)
    expire(wired, one.job)
    eventually(lambda: reservations(wired, one.job, "expired"), "the relay books what nobody ended", 90)
    assert settled(wired, one.job) >= one.billed, "of the lost call there is a record too"
    assert settled(wired, one.job) <= Decimal("2.00")
    wired.keeps_its_promises(one.job)


def reservations(site: WiredSite, job: JobOut, state: str) -> list[Mapping[str, Any]]:
    query = "SELECT amount_usd FROM budget_reservations WHERE job::text = %(job)s AND state = %(state)s"
    return list(site.house.truth.rows(query, job=job.id, state=state))


def expire(site: WiredSite, job: JobOut) -> None:
    query = "UPDATE budget_reservations SET expires_at = now() - interval '1 second' WHERE job = %s AND state = 'reserved'"
    with psycopg2.connect(site.house.truth.database) as connection, connection.cursor() as cursor:
        cursor.execute(query, (str(job.id),))
    connection.close()


HANGS = {
    "FLOWFORGE_MODEL_TIMEOUT": "600"
}  # seconds: longer than any test waits for what must happen meanwhile


@proves("F57", "F64")
def test_a_job_whose_model_hangs_is_cancelled_and_its_thread_takes_the_next(wired: WiredSite) -> None:
    with model_server() as server:
        server.answer(Reply(how="hang"), GOOD)
        hung, other = conflicting(wired, "hung"), conflicting(wired, "next")
        with asking(wired, server, FLOWFORGE_RENEW_SECONDS="0.5", **HANGS):
            job = hung.submit()
            eventually(lambda: server.messages, "the model is asked")
            wired.house.cancel(job)
            (end,) = all_end(wired, [job])
            assert (ending(end), end.attempts) == (("cancelled", "cancelled"), 1)
            (after,) = all_end(wired, [other.submit()])  # the worker has no second thread
            assert ending(after) == DONE
        assert (len(server.messages), hung.pushes()) == (2, [])
    wired.keeps_its_promises(job, after)


@proves("F57")
def test_a_job_whose_model_hangs_goes_on_when_its_lease_is_lost(wired: WiredSite) -> None:
    """Its owner is alive, and would wait for the answer; the answer is nobody's any more when it comes."""
    with model_server() as server:
        server.answer(Reply(how="hang"), GOOD)
        project = conflicting(wired, "lost")
        patient = {"FLOWFORGE_LEASE_SECONDS": "600", "FLOWFORGE_RENEW_SECONDS": "0.5"}
        with asking(wired, server, **patient, **HANGS) as owner:
            job = project.submit()
            eventually(lambda: server.messages, "the model is asked")
            eventually(lambda: taken_back(wired, job), "the sweep comes between two renewals")
            (end,) = all_end(wired, [job])
            assert (ending(end), end.attempts) == (DONE, 2)
            assert "the lease was lost" in owner.said()
        assert (len(server.messages), len(project.pushes())) == (2, 1)
    wired.keeps_its_promises(job)


def taken_back(site: WiredSite, job: JobOut) -> bool:
    """End the lease of the first attempt; True once it is over, and was not renewed in between."""
    query = "UPDATE jobs SET lease_until = now() WHERE id = %s AND state = 'running' AND fence = 1"
    with psycopg2.connect(site.house.truth.database) as connection, connection.cursor() as cursor:
        cursor.execute(query, (str(job.id),))
        found = cursor.rowcount
    connection.close()
    return found == 0


@proves("F57", "F65")
def test_a_worker_whose_model_hangs_leaves_when_it_is_told_to(wired: WiredSite) -> None:
    with model_server() as server:
        server.answer(Reply(how="hang"), GOOD)
        project = conflicting(wired, "leaves")
        with asking(wired, server, FLOWFORGE_DRAIN_SECONDS="2", **HANGS) as first:
            job = project.submit()
            eventually(lambda: server.messages, "the model is asked")
            first.send(signal.SIGTERM)
            first.dies(PATIENCE)
            with asking(wired, server):
                (end,) = all_end(wired, [job])
        assert (ending(end), len(project.pushes())) == (DONE, 1)
    wired.keeps_its_promises(job)
