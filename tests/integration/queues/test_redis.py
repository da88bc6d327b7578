"""Rings, signals and limits on a real Redis."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import dramatiq
import pytest
from redis.exceptions import ResponseError

from flowforge.core.errors import Temporary
from flowforge.core.job import PriorityClass
from flowforge.core.rates import Claim
from flowforge.queues.broker import DoorbellBroker, make_broker, make_worker, quiet
from flowforge.queues.connection import connect
from flowforge.queues.doorbell import ACTOR, Doorbell
from flowforge.queues.health import Pulse
from flowforge.queues.limits import make_limiter
from flowforge.queues.notify import PREFIX, Signals, hear
from flowforge.queues.wake import MISSED, RELAY, WORKERS, Ear, call
from flowforge.wiring.embedded import start_redis
from flowforge.worker.actors import declare
from tests.conftest import flush
from tests.faults.proxy import Proxy, Trouble, through, upstream_of
from tests.integration.jobs.world import until

pytestmark = pytest.mark.services

NOWHERE = "redis://127.0.0.1:1/0"
NORMAL = PriorityClass.NORMAL


class Thread:
    """What answers rings: counts them, and holds each until `go`."""

    def __init__(self) -> None:
        self.heard: list[UUID] = []
        self.go = threading.Event()

    def __call__(self, job: UUID) -> None:
        self.heard.append(job)
        self.go.wait(20)


@pytest.fixture
def worker(redis_url: str) -> Iterator[tuple[Thread, DoorbellBroker, dramatiq.Worker]]:
    """A worker with two threads."""
    broker, thread = make_broker(redis_url, threads=2), Thread()
    declare(broker, thread)
    rings = make_worker(broker)
    rings.start()
    yield thread, broker, rings
    thread.go.set()
    rings.stop()


Hearing = tuple[Thread, DoorbellBroker, dramatiq.Worker]


@pytest.fixture
def hearing(worker: Hearing, monkeypatch: pytest.MonkeyPatch) -> Hearing:
    """The same, with polls so rare that hardly a ring is found by one, and threads that answer at once."""
    monkeypatch.setattr("flowforge.queues.broker.SELDOM", 5_000)
    worker[0].go.set()
    return worker


async def comes(true: Callable[[], object]) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.01)


def bell(url: str) -> Doorbell:
    return Doorbell(broker=make_broker(url))


def test_a_ring_is_heard_from_each_queue(
    worker: tuple[Thread, DoorbellBroker, dramatiq.Worker], redis_url: str
) -> None:
    thread, _, _ = worker
    thread.go.set()
    rung = {uuid4(): priority for priority in PriorityClass}
    assert bell(redis_url).ring_all(list(rung.items())) == ()
    until(lambda: set(thread.heard) == set(rung))
    until(lambda: connect(redis_url).hlen("dramatiq:normal.msgs") == 0)


def test_a_worker_fetches_for_its_free_threads_only(
    worker: tuple[Thread, DoorbellBroker, dramatiq.Worker], redis_url: str
) -> None:
    thread, _, _ = worker
    ringer = bell(redis_url)
    ringer.ring_all([(uuid4(), NORMAL) for _ in range(10)])
    until(lambda: len(thread.heard) == 2)
    time.sleep(0.3)
    assert ringer.waiting() == 8
    assert len(thread.heard) == 2
    thread.go.set()
    until(lambda: ringer.waiting() == 0 and len(thread.heard) == 10)


def test_a_worker_whose_slots_are_closed_ends_what_it_has_and_fetches_no_more(
    worker: tuple[Thread, DoorbellBroker, dramatiq.Worker], redis_url: str
) -> None:
    thread, broker, _ = worker
    ringer = bell(redis_url)
    broker.slots.close()
    time.sleep(0.2)
    ringer.ring(uuid4(), NORMAL)
    time.sleep(0.3)
    assert thread.heard == []
    assert ringer.waiting() == 1


def test_an_answer_that_raises_rings_no_second_time(redis_url: str) -> None:
    heard: list[UUID] = []

    def answer(job: UUID) -> None:
        heard.append(job)
        raise ZeroDivisionError

    broker = make_broker(redis_url)
    declare(broker, answer)
    rings = make_worker(broker)
    rings.start()
    ringer = bell(redis_url)
    ringer.ring(uuid4(), NORMAL)
    until(lambda: len(heard) == 1)
    until(lambda: connect(redis_url).hlen("dramatiq:normal.msgs") == 0)
    time.sleep(0.3)
    rings.stop()
    assert len(heard) == 1
    assert connect(redis_url).zcard("dramatiq:normal.XQ") == 0


def test_a_ring_for_nonsense_is_dropped(
    worker: tuple[Thread, DoorbellBroker, dramatiq.Worker], redis_url: str
) -> None:
    thread, broker, _ = worker
    for given in ("nonsense", "", "x" * 5000):
        broker.enqueue(
            dramatiq.Message(
                queue_name="low", actor_name=ACTOR, args=(), kwargs={"job_id": given}, options={}
            )
        )
    until(lambda: connect(redis_url).hlen("dramatiq:low.msgs") == 0)
    assert thread.heard == []


def test_flushing_redis_under_a_worker_does_not_deafen_it(
    worker: tuple[Thread, DoorbellBroker, dramatiq.Worker], redis_url: str
) -> None:
    thread, _, _ = worker
    ringer = bell(redis_url)
    ringer.ring(uuid4(), NORMAL)
    until(lambda: len(thread.heard) == 1)
    flush(redis_url)
    thread.go.set()
    ringer.ring(uuid4(), NORMAL)
    until(lambda: len(thread.heard) == 2)


def test_ringing_without_redis_names_who_was_not_rung() -> None:
    jobs = [(uuid4(), NORMAL), (uuid4(), NORMAL)]
    assert bell(NOWHERE).ring_all(jobs) == tuple(job for job, _ in jobs)
    with pytest.raises(Temporary, match="Redis did not answer while counting rings"):
        bell(NOWHERE).waiting()


def test_a_signal_given_before_the_reader_came_is_not_missed(redis_url: str) -> None:
    signals, job = Signals(url=redis_url), uuid4()
    assert signals.publish(job, 3)
    assert signals.wait(job, 2, 5.0)
    assert not signals.wait(job, 3, 0.1)


def test_a_waiting_reader_is_woken_by_a_signal(redis_url: str) -> None:
    signals, job = Signals(url=redis_url), uuid4()
    timer = threading.Timer(0.3, signals.publish, (job, 1))
    timer.start()
    begun = time.monotonic()
    assert signals.wait(job, 0, 20.0)
    assert time.monotonic() - begun < 10
    timer.join()


def test_the_last_signal_does_not_stay_for_ever(redis_url: str) -> None:
    job = uuid4()
    Signals(url=redis_url).publish(job, 1)
    assert 0 < int(connect(redis_url).ttl(f"ff:new:{job}")) <= 3600


def test_one_ear_hears_the_signals_of_all_jobs(redis_url: str) -> None:
    jobs = [uuid4(), uuid4()]
    heard: list[UUID] = []
    stands: list[bool] = []

    async def listen() -> None:
        ear = asyncio.create_task(hear(redis_url, heard.append, stands.append))
        await comes(lambda: stands)
        for job in jobs:
            await asyncio.to_thread(Signals(url=redis_url).publish, job, 1)
        await comes(lambda: len(heard) == 2)
        ear.cancel()
        with suppress(asyncio.CancelledError):
            await ear

    asyncio.run(asyncio.wait_for(listen(), 20))
    assert (heard, stands) == (jobs, [True])


ILLNESSES = {  # what makes every write fail, and what heals it
    "READONLY": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    "NOREPLICAS": (
        ("CONFIG", "SET", "min-replicas-to-write", "1"),
        ("CONFIG", "SET", "min-replicas-to-write", "0"),
    ),
    "OOM": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
}


@pytest.mark.parametrize("illness", list(ILLNESSES))
def test_a_redis_that_takes_no_writes_still_wakes_relays_and_readers(redis_url: str, illness: str) -> None:
    """Signal by signal: one whose key is refused must not silence those behind it."""
    ill, well = ILLNESSES[illness]
    client, signals, jobs = connect(redis_url), Signals(url=redis_url), [uuid4() for _ in range(3)]
    relay, heard, stands = Ear(client=connect(redis_url), channel=RELAY), list[UUID](), list[bool]()
    relay.wait(0.1)

    async def listen() -> None:
        ear = asyncio.create_task(hear(redis_url, heard.append, stands.append))
        await comes(lambda: stands)
        for job in jobs:
            assert await asyncio.to_thread(signals.rouse, job, 7)
            assert await asyncio.to_thread(relay.wait, 20.0) == {MISSED}
        await comes(lambda: len(heard) == len(jobs))
        ear.cancel()
        with suppress(asyncio.CancelledError):
            await ear

    client.execute_command(*ill)
    try:
        with pytest.raises(ResponseError):
            client.set("ff:any", 1)
        asyncio.run(asyncio.wait_for(listen(), 60))
        assert client.get(f"{PREFIX}{jobs[0]}") is None
        with waiting(signals, jobs[0], known=7) as woken:
            signals.publish(jobs[0], 8)
        assert woken == [True]
    finally:
        client.execute_command(*well)
        relay.close()
    assert heard == jobs
    assert signals.publish(jobs[0], 9)
    assert int(client.get(f"{PREFIX}{jobs[0]}")) == 9


@contextmanager
def waiting(signals: Signals, job: UUID, known: int) -> Iterator[list[bool]]:
    """A reader in a thread of its own, subscribed when the block begins; what it was answered, once the block has ended."""
    found: list[bool] = []
    client = connect(signals.url)
    reader = threading.Thread(target=lambda: found.append(signals.wait(job, known, 20.0)))
    reader.start()
    until(lambda: dict(client.pubsub_numsub(f"{PREFIX}{job}"))[f"{PREFIX}{job}".encode()] == 1)
    yield found
    reader.join(30)


def test_a_signal_is_one_message_to_redis(redis_url: str) -> None:
    """No answer comes back, and all of it has been said: nothing of it waits for the answer to something else."""
    ear = Ear(client=connect(redis_url), channel=RELAY)
    ear.wait(0.1)
    with Proxy(upstream_of(redis_url)) as wire:
        signals, job = Signals(url=through(redis_url, wire)), uuid4()
        assert signals.publish(job, 1)  # connects
        wire.trouble(Trouble(do="lose", on=(b"SET",), times=1))
        assert signals.rouse(job, 2) is False
        assert ear.wait(20) == {MISSED}
    assert int(connect(redis_url).get(f"{PREFIX}{job}")) == 2
    ear.close()


def test_words_that_are_refused_silence_a_signal_for_a_while(redis_url: str) -> None:
    """A login that may set keys and not publish: nobody hears, and readers poll."""
    client = connect(redis_url)
    client.execute_command("ACL", "SETUSER", "mute", "on", ">word", "~*", "resetchannels", "+@all")
    try:
        signals = Signals(url=redis_url_of(redis_url, "mute", "word"))
        assert signals.publish(uuid4(), 1) is False
        assert signals._mute_until > 0
    finally:
        client.execute_command("ACL", "DELUSER", "mute")


def redis_url_of(url: str, name: str, word: str) -> str:
    """The same server for another login."""
    if url.startswith("unix://"):
        return url.replace("unix://", f"unix://{name}:{word}@", 1)
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{name}:{word}@{rest.rpartition('@')[2]}"


def test_an_ear_without_redis_says_that_it_is_deaf_and_tries_on() -> None:
    stands: list[bool] = []

    async def listen() -> None:
        ear = asyncio.create_task(hear(NOWHERE, lambda _job: None, stands.append))
        await comes(lambda: stands)
        assert not ear.done()
        ear.cancel()
        with suppress(asyncio.CancelledError):
            await ear

    asyncio.run(asyncio.wait_for(listen(), 20))
    assert stands == [False]


def test_limits_are_shared_by_processes_and_expire(redis_url: str) -> None:
    first, second = make_limiter(redis_url), make_limiter(redis_url)
    assert first.hit(["2/minute"], "user", "a").remaining == 1
    assert second.hit(["2/minute"], "user", "a").allowed
    assert not first.hit(["2/minute"], "user", "a").allowed
    assert not first.degraded
    keys = connect(redis_url).keys("ff:limit:*")
    assert len(keys) == 1
    assert 0 < int(connect(redis_url).ttl(keys[0])) <= 60


def test_limits_hold_in_each_process_while_redis_is_away() -> None:
    alone = make_limiter(NOWHERE)
    assert alone.hit(["1/minute"], "a").allowed
    assert not alone.hit(["1/minute"], "a").allowed
    assert alone.degraded


@pytest.mark.parametrize(
    ("setting", "ill", "well"),
    [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")],
)
def test_the_pulse_feels_a_redis_that_answers_and_takes_no_writes(
    redis_url: str, setting: str, ill: str, well: str
) -> None:
    pulse, client = Pulse(url=redis_url), connect(redis_url)
    pulse()
    assert 0 < int(client.ttl("ff:health")) <= 60
    client.config_set(setting, ill)
    try:
        assert client.ping()
        with pytest.raises(Temporary):
            pulse()
    finally:
        client.config_set(setting, well)
    pulse()


def test_the_pulse_of_a_redis_that_is_away_is_not_felt() -> None:
    with pytest.raises(Temporary):
        Pulse(url=NOWHERE)()


def test_a_ring_wakes_a_worker_that_would_not_look_for_long(redis_url: str, hearing: Hearing) -> None:
    thread, broker, _ = hearing
    ringer, rung = bell(redis_url), [uuid4() for _ in range(5)]
    until(lambda: broker.alarm.hears)
    for number, job in enumerate(rung):
        ringer.ring(job, list(PriorityClass)[number % 3])
        until(lambda number=number: len(thread.heard) == number + 1)  # type: ignore[misc]  # mypy cannot infer it
    assert thread.heard == rung


def test_a_thread_that_becomes_free_takes_the_next_ring_at_once(redis_url: str, hearing: Hearing) -> None:
    thread, broker, _ = hearing
    thread.go.clear()
    until(lambda: broker.alarm.hears)
    ringer = bell(redis_url)
    ringer.ring_all([(uuid4(), NORMAL) for _ in range(6)])
    until(lambda: len(thread.heard) == 2)
    thread.go.set()
    until(lambda: len(thread.heard) == 6)
    assert ringer.waiting() == 0


def test_wake_ups_that_come_twice_or_for_nothing_change_nothing(redis_url: str, hearing: Hearing) -> None:
    thread, broker, _ = hearing
    until(lambda: broker.alarm.hears)
    job, ringer = uuid4(), bell(redis_url)
    for word in ("normal", "normal", "nonsense", "", "\N{GREEK SMALL LETTER PHI}"):
        assert call(ringer.broker.client, WORKERS, [word])
    ringer.ring(job, NORMAL)
    until(lambda: thread.heard)
    call(ringer.broker.client, WORKERS, ["normal"] * 50)
    assert thread.heard == [job]


def test_a_ring_whose_wake_up_was_lost_is_found_by_the_next_poll(redis_url: str, hearing: Hearing) -> None:
    thread, broker, _ = hearing
    until(lambda: broker.alarm.hears)
    job = uuid4()
    bell(redis_url)._put(job, NORMAL)
    until(lambda: thread.heard == [job])


def test_no_thread_is_left_after_a_worker_has_stopped(redis_url: str) -> None:
    before = set(threading.enumerate())
    broker = make_broker(redis_url, threads=2)
    declare(broker, Thread())
    rings = make_worker(broker)
    rings.start()
    until(lambda: broker.alarm.hears)
    rings.stop()
    until(lambda: set(threading.enumerate()) <= before)
    assert not broker.alarm.hears
    until(lambda: connect(redis_url).pubsub_numsub(WORKERS)[0][1] == 0)


def test_a_worker_that_never_started_can_be_stopped() -> None:
    make_worker(make_broker(NOWHERE)).stop()


def test_a_relay_is_woken_by_a_move_and_hears_many_as_one(redis_url: str) -> None:
    signals, ear = Signals(url=redis_url), Ear(client=connect(redis_url), channel=RELAY)
    assert ear.wait(0.1) == {MISSED}  # what was said before it listened
    assert ear.hears
    assert signals.publish(uuid4(), 1)
    assert ear.wait(0.1) == frozenset()
    for number in range(3):
        assert signals.rouse(uuid4(), number)
    assert ear.wait(20) == {MISSED}
    assert ear.wait(0.05) == frozenset()
    assert signals.wake()  # without a move: a pause has ended, a worker has come
    assert ear.wait(20) == {MISSED}
    ear.close()
    assert not ear.hears


@pytest.mark.slow
def test_who_waits_for_wake_ups_hears_again_after_redis_was_restarted(services_folder: Path) -> None:
    folder, thread = services_folder / "restarted", Thread()
    thread.go.set()
    with start_redis(folder) as url:
        broker = make_broker(url, threads=2)
        declare(broker, thread)
        quiet()
        rings = make_worker(broker)
        rings.start()
        ear = Ear(client=connect(url), channel=RELAY)
        ear.wait(0.1)
        until(lambda: broker.alarm.hears)
    ear.wait(0.1)
    assert not ear.hears
    until(lambda: not broker.alarm.hears)
    with start_redis(folder):
        until(lambda: broker.alarm.hears, 30)
        until(lambda: ear.wait(0.1) == {MISSED}, 30)
        bell(url).ring(uuid4(), NORMAL)
        until(lambda: len(thread.heard) == 1, 30)
        rings.stop()
        ear.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "wake-ups"]


@pytest.mark.slow
def test_a_worker_hears_again_after_redis_was_gone(services_folder: Path) -> None:
    folder, thread = services_folder / "gone", Thread()
    thread.go.set()
    with start_redis(folder) as url:
        broker = make_broker(url, threads=2)
        declare(broker, thread)
        quiet()
        rings = make_worker(broker)
        rings.start()
        bell(url).ring(uuid4(), NORMAL)
        until(lambda: len(thread.heard) == 1)
    assert len(bell(url).ring_all([(uuid4(), NORMAL)])) == 1
    time.sleep(0.5)
    with start_redis(folder) as again:
        assert again == url
        bell(url).ring(uuid4(), NORMAL)
        until(lambda: len(thread.heard) == 2, 20)
        rings.stop()


def test_claims_are_counted_by_all_processes_together_and_by_each_while_redis_is_away(redis_url: str) -> None:
    first, second, alone = make_limiter(redis_url), make_limiter(redis_url), make_limiter(NOWHERE)
    whose = uuid4().hex
    mine = [
        Claim(rule="3/minute", who=("model", "requests", whose)),
        Claim(rule="100/hour", who=("model", "tokens", whose), cost=30),
    ]
    assert [limiter.take(mine).allowed for limiter in (first, second, first, second)] == [
        True,
        True,
        True,
        False,
    ]
    full = second.take(mine)
    assert full.claim == mine[1], "of two that are full, the one that waits longest"
    assert 60 < full.reset <= 3600
    tokens = second.take([replace(mine[1], cost=11)])
    assert not tokens.allowed, "90 of 100 are taken: what was refused took nothing"
    assert second.take([replace(mine[1], cost=10)]).allowed
    assert [alone.take(mine).allowed for _ in range(4)] == [True, True, True, False]
    assert alone.degraded
