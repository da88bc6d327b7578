"""Workers' signs of life, on a real Redis and on none."""

import json

import pytest

from flowforge.core.errors import Temporary
from flowforge.queues.connection import connect
from flowforge.queues.presence import PREFIX, Presence, signs
from tests.integration.jobs.world import until

pytestmark = pytest.mark.services


def test_a_sign_says_what_it_was_told_and_ends_by_itself(redis_url: str) -> None:
    signs, client = Presence(url=redis_url, worker="w1", keep=0.2), connect(redis_url)
    signs.show({"slots": 2, "running": 1})
    sign = client.get(f"{PREFIX}w1")
    assert sign is None or json.loads(sign) == {"slots": 2, "running": 1}
    until(lambda: client.get(f"{PREFIX}w1") is None)


def test_a_worker_that_leaves_takes_its_sign_away(redis_url: str) -> None:
    signs, client = Presence(url=redis_url, worker="w1", keep=3600), connect(redis_url)
    signs.show({"slots": 2})
    assert 0 < client.ttl(f"{PREFIX}w1") <= 3600
    signs.leave()
    assert client.exists(f"{PREFIX}w1") == 0


def test_without_redis_it_is_silent_and_does_not_try_again_at_once() -> None:
    asked: list[float] = []

    def clock() -> float:
        asked.append(0)
        return 100.0

    signs = Presence(url="redis://127.0.0.1:1/0", worker="w1", keep=15, clock=clock)
    signs.show({})
    assert len(asked) == 2  # before it tried, and when it failed
    signs.show({})
    signs.leave()
    assert len(asked) == 4


def test_the_signs_of_all_that_live_are_found_with_what_stays_true_of_them(redis_url: str) -> None:
    assert signs(redis_url, timeout=20) == {}
    client = connect(redis_url)
    for number in range(3):
        made = Presence(url=redis_url, worker=f"w{number}", keep=3600, more={"artifacts": "a"})
        made.show({"slots": number})
    client.set(f"{PREFIX}strange", "no json")
    client.set(f"{PREFIX}list", "[1]")
    client.set("ff:other", "{}")
    found = signs(redis_url, timeout=20)
    assert found.pop("strange") == found.pop("list") == {}
    assert found == {f"w{number}": {"slots": number, "artifacts": "a"} for number in range(3)}


def test_without_redis_nobody_says_who_lives() -> None:
    with pytest.raises(Temporary, match="looking for workers"):
        signs("redis://127.0.0.1:1/0", timeout=20)
