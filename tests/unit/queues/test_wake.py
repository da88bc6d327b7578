"""Wake-ups without Redis: who calls is told so, who listens waits as long as it asked to."""

import threading
import time

from flowforge.queues.broker import QUEUES, Alarm, Slots
from flowforge.queues.connection import connect
from flowforge.queues.wake import RELAY, Ear, call

NOWHERE = "redis://127.0.0.1:1/0"


def test_calling_without_redis_says_so_and_harms_nobody() -> None:
    assert call(connect(NOWHERE), RELAY) is False


def test_an_ear_without_redis_only_waits_and_does_not_try_again_at_once() -> None:
    now, rested = [100.0], list[float]()
    ear = Ear(client=connect(NOWHERE), channel=RELAY, rest=rested.append, clock=lambda: now[0])
    assert ear.wait(1.0) == frozenset()
    ear.client = connect("redis://127.0.0.1:2/0")  # whoever asked it now would be refused as well
    assert ear.wait(0.5) == frozenset()
    assert rested == [1.0, 0.5]
    assert not ear.hears
    ear.close()


def test_a_reason_that_comes_before_its_queue_waits_is_not_lost() -> None:
    alarm = Alarm()
    known = alarm.reasons("high")
    alarm.give("high")
    begun = time.monotonic()
    alarm.wait("high", known, 30.0)
    assert time.monotonic() - begun < 20


def test_a_reason_wakes_the_queue_that_it_names_and_no_other() -> None:
    alarm = Alarm()
    alarm.give("low")
    assert [alarm.reasons(queue) for queue in QUEUES] == [0, 0, 1]


def test_a_reason_without_a_name_wakes_all_queues_and_one_of_a_stranger_none() -> None:
    alarm = Alarm()
    alarm.give()
    alarm.give("nonsense")
    assert [alarm.reasons(queue) for queue in QUEUES] == [1, 1, 1]


def test_who_waits_is_woken_by_another_thread() -> None:
    alarm = Alarm()
    waiting = threading.Thread(target=alarm.wait, args=("normal", 0, 60.0))
    waiting.start()
    alarm.give("normal")
    waiting.join(30)
    assert not waiting.is_alive()


def test_a_wait_without_reasons_ends() -> None:
    Alarm().wait("normal", 0, 0.01)


def test_a_thread_that_becomes_free_names_the_queues_that_were_turned_away_once() -> None:
    slots = Slots(total=1)
    slots.report("high", 1)
    slots.report("low", 0)
    assert slots.free("high", 0) == {"high", "low"}
    assert slots.free("high", 0) == frozenset()


def test_queues_that_were_not_turned_away_are_left_alone() -> None:
    slots = Slots(total=2)
    slots.report("high", 1)
    slots.report("low", 0)
    assert slots.free("high", 0) == frozenset()
