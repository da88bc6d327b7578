"""Counting without Redis: the local bucket, the tightest rule, and looking again later."""

from dataclasses import dataclass, field

import pytest
from limits.errors import StorageError
from limits.storage import MemoryStorage

from flowforge.queues.limits import Limiter


class Away(MemoryStorage):
    """A shared storage that cannot be reached until `back` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.back = False
        self.asked = 0

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        self.asked += 1
        if not self.back:
            raise StorageError(ConnectionError("away"))
        return super().incr(key, expiry, amount)


@dataclass
class Clock:
    now: float = 1000.0
    calls: int = field(default=0)

    def __call__(self) -> float:
        self.calls += 1
        return self.now


def limiter(shared: MemoryStorage, clock: Clock) -> Limiter:
    return Limiter(shared=shared, local=MemoryStorage(), steady=clock)


def test_hits_are_allowed_until_the_rule_is_used_up() -> None:
    counted = limiter(MemoryStorage(), Clock())
    assert [counted.hit(["2/hour"], "user", "a").allowed for _ in range(3)] == [True, True, False]
    assert counted.hit(["2/hour"], "user", "b").allowed


def test_the_tightest_rule_is_the_one_that_is_told() -> None:
    verdict = limiter(MemoryStorage(), Clock()).hit(["5/minute", "100/hour"], "user", "a")
    assert (verdict.limit, verdict.remaining, verdict.window) == (5, 4, 60)
    assert 0 <= verdict.reset <= 60


def test_a_hit_may_cost_more_than_one() -> None:
    counted = limiter(MemoryStorage(), Clock())
    assert counted.hit(["10/hour"], "model", cost=10).allowed
    assert not counted.hit(["10/hour"], "model").allowed


def test_each_process_counts_for_itself_while_redis_is_away() -> None:
    counted = limiter(Away(), Clock())
    assert counted.hit(["1/hour"], "a").allowed
    assert not counted.hit(["1/hour"], "a").allowed
    assert counted.degraded


def test_redis_is_asked_again_after_a_pause_and_not_before() -> None:
    shared, clock = Away(), Clock()
    counted = limiter(shared, clock)
    counted.hit(["9/hour"], "a")
    counted.hit(["9/hour"], "a")
    assert shared.asked == 1
    shared.back, clock.now = True, clock.now + 5.0
    assert counted.hit(["9/hour"], "a").remaining == 8
    assert not counted.degraded


def test_a_rule_that_does_not_parse_is_a_fault_of_the_settings() -> None:
    with pytest.raises(ValueError, match="couldn't parse"):
        limiter(MemoryStorage(), Clock()).hit(["often"], "a")
