"""What is decided without Redis: how many rings a process may hold, and what a broker declares."""

from dramatiq.middleware import Middleware

from flowforge.queues.broker import QUEUES, Slots, make_broker, make_worker


def test_three_queues_share_the_free_threads_of_a_process() -> None:
    slots = Slots(total=4)
    assert slots.report("high", 0) == 4
    assert slots.report("high", 3) == 1
    assert slots.report("normal", 1) == 0
    assert slots.report("low", 0) == 0


def test_a_queue_that_holds_less_again_gives_its_threads_back() -> None:
    slots = Slots(total=2)
    slots.report("high", 2)
    assert slots.report("low", 0) == 0
    slots.report("high", 0)
    assert slots.report("low", 0) == 2


def test_more_rings_than_threads_never_ask_for_a_negative_number() -> None:
    slots = Slots(total=1)
    slots.report("high", 1)
    assert slots.report("low", 1) == 0


def test_closed_slots_let_nothing_in() -> None:
    slots = Slots(total=2)
    slots.report("high", 1)
    slots.close()
    assert slots.report("high", 0) == 0
    assert slots.report("low", 0) == 0


def test_a_broker_has_the_three_queues_and_neither_delays_nor_middleware() -> None:
    broker = make_broker("redis://127.0.0.1:1/0", threads=3)
    assert broker.get_declared_queues() == set(QUEUES) == {"high", "normal", "low"}
    assert broker.get_declared_delay_queues() == set()
    assert broker.middleware == []


def test_declaring_a_queue_twice_tells_its_listeners_once() -> None:
    told: list[str] = []

    class Listener(Middleware):
        def after_declare_queue(self, broker: object, queue_name: str) -> None:
            told.append(queue_name)

    broker = make_broker("redis://127.0.0.1:1/0")
    broker.add_middleware(Listener())
    broker.declare_queue("high")
    assert sorted(told) == ["high", "low", "normal"]


def test_a_worker_has_one_thread_a_slot_and_polls_often() -> None:
    worker = make_worker(make_broker("redis://127.0.0.1:1/0", threads=3))
    assert worker.worker_threads == 3
    assert worker.worker_timeout == 50
