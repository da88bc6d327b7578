"""What retention leaves of a job, and what can be done with it afterwards."""

import pytest

from flowforge.core.errors import Reason, Refused
from flowforge.store.maintenance import maintain
from flowforge.store.retention import Retention
from tests.conftest import TestDatabase
from tests.integration.jobs.world import World, make_world

pytestmark = pytest.mark.services


@pytest.fixture
def world(database: TestDatabase) -> World:
    return make_world(database)


def test_a_job_whose_texts_were_erased_is_not_run_as_something_else(world: World) -> None:
    job = world.submit(environment={"A": "b"}, pipeline="version: 1")
    world.cancel(job)
    world.run("UPDATE jobs SET completed_at = now() - interval '100 days'")
    assert maintain(world.database.system, Retention(texts=90)).texts == 1
    with pytest.raises(Refused, match="were erased after their time") as caught:
        world.retry(job)
    assert caught.value.reason is Reason.CONFLICT_OF_STATE
    assert world.value("SELECT count(*) FROM jobs") == 1
