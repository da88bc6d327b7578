"""A slice of the long run: what it asks of every job, with short leases so that it ends soon."""

import random
import sys
from collections.abc import Callable

import pytest

from flowforge.core.errors import Refused
from tests.conftest import absent
from tests.faults.soak import Plan, holds, soak


@pytest.mark.timeout(300)
def test_a_hundred_jobs_outlive_everything_around_them(
    record_property: Callable[[str, object], None],
) -> None:
    """The lease is 3 s here; the command's is that of production, and so are the figures of the page."""
    seed = random.SystemRandom().randrange(10**6)
    sys.stdout.write(f"seed {seed}\n")
    record_property("seed", seed)
    plan = Plan(jobs=100, seed=seed, lease=3.0, stride=4.0, flush=4.0, relay=7.0, redis=9.0, postgres=15.0)
    try:
        report = soak(plan)
    except Refused as error:
        absent("the service", error)
        raise
    assert holds(report), report
    assert int(str(report["jobs"])) >= 100
    faults = report["faults"]
    assert isinstance(faults, dict)
    assert faults["kill -9"] >= 5
    assert {"FLUSHALL", "restart of Redis", "restart of Postgres"} <= set(faults)
