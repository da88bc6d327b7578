"""Whose group it is: a word alone means the jobs of one pipeline, a text means the same group in all of a repository's."""

import pytest

from flowforge.core.concurrency import Concurrency
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import State
from flowforge.jobs.submit import READS_ONLY
from flowforge.pipeline.check import Catalog
from flowforge.pipeline.load import load_pipeline, load_shipped
from tests.conftest import TestDatabase
from tests.integration.jobs.test_groups import defined
from tests.integration.jobs.world import World, make_world

pytestmark = pytest.mark.services


@pytest.fixture
def world(database: TestDatabase) -> World:
    return make_world(database)


def test_a_shipped_pipeline_takes_the_place_of_its_own_jobs_and_of_no_others(world: World) -> None:
    tasks = ("validate-only", "rebase-and-resolve", "rebase")
    first = {task: world.submit(branch="a", task=task) for task in tasks}
    assert all(world.job(job).state is State.QUEUED for job in first.values())
    newer = world.submit(branch="a", task="rebase")
    assert world.job(first["rebase"]).superseded_by == newer.id
    checked = world.submit(branch="a", task="validate-only")
    assert [world.job(first[task]).state for task in tasks[:2]] == [State.QUEUED, State.QUEUED]
    assert world.claim(first["validate-only"]) is not None
    assert world.claim(checked) is None  # one after another
    assert world.claim(newer) is not None  # beside the check, which writes nothing
    assert world.claim(first["rebase-and-resolve"]) is None  # it would write the same branch


@pytest.mark.parametrize("task", sorted(READS_ONLY))
def test_what_only_reads_runs_beside_what_writes_and_has_nothing_to_push(world: World, task: str) -> None:
    pipeline = load_shipped(task, catalog=Catalog()).required()
    assert "push" not in {stage.uses for stage in (*pipeline.stages, *pipeline.last)}
    writer, reader = world.submit(branch="a", task="rebase"), world.submit(branch="a", task=task)
    assert world.claim(writer) is not None
    assert world.claim(reader) is not None


def test_a_word_in_a_request_counts_within_the_pipeline_that_it_names(world: World) -> None:
    world.submit(branch="a", task="rebase")
    asked = Concurrency(group="branch", policy="reject")
    world.submit(branch="a", task="validate-only", concurrency=asked)
    with pytest.raises(Refused) as refused:
        world.submit(branch="a", task="rebase", concurrency=asked)
    assert refused.value.reason is Reason.GROUP_BUSY
    assert world.value("SELECT count(*) FROM jobs") == 2


def test_what_an_earlier_version_has_learned_is_put_right_by_the_worker(world: World) -> None:
    world.run("""UPDATE repositories SET groups = '{"main": {"group": "branch", "policy": "supersede"}}'""")
    old = world.submit(branch="a")
    assert old.concurrency_group == "branch [a]"  # as that version's keys were
    asked = Concurrency(group="branch", policy="supersede", pipeline="checked")
    assert defined(world, old, asked).concurrency_group == "checked: branch [a]"
    assert world.submit(branch="b").concurrency_group == "checked: branch [b]"


def test_a_group_that_only_the_worker_can_tell_is_the_one_that_was_asked_for(world: World) -> None:
    """As long as nobody knows the repository's default branch, a group by target has no key."""
    world.run("UPDATE repositories SET default_branch = ''")
    asked = Concurrency(group="target", policy="reject")
    first = world.submit(branch="a", target="", concurrency=asked)
    assert (first.concurrency_group, first.concurrency_policy) == ("", "reject")
    assert defined(world, first, None, "main").concurrency_group == "target [main]"
    again = world.retry(first)
    assert (again.concurrency_template, again.concurrency_policy) == ("target", "reject")
    world.submit(branch="b", target="main", concurrency=asked)
    second = world.submit(branch="c", target="", concurrency=asked)
    refused = defined(world, second, None, "main").ending
    assert refused is not None
    assert refused.reason is Reason.GROUP_BUSY


BAD = "version: 1\nname: rebase\nextends: [flowforge:rebase]\nconcurrency: {group: '{brnch}'}\n"


def test_a_definition_whose_group_cannot_be_read_moves_nobody(world: World) -> None:
    """It is the worker that refuses it, with line and column; nobody has made way for it by then."""
    first = world.submit(branch="a", task="rebase")
    story = world.kinds(first)
    bad = world.submit(branch="a", pipeline=BAD)
    assert (bad.concurrency_group, bad.concurrency_policy) == ("", "")
    assert (world.job(first).state, world.kinds(first)) == (State.QUEUED, story)
    with pytest.raises(Refused) as refused:
        load_pipeline(BAD.encode(), catalog=Catalog()).required()
    assert refused.value.reason is Reason.PIPELINE_INVALID
    assert "FF034" in refused.value.evidence


@pytest.mark.parametrize("policy", ["supersede", "reject"])
def test_a_hundred_submits_with_one_key_leave_their_group_as_it_is(world: World, policy: str) -> None:
    asked = Concurrency(group="deploy", policy=policy)
    wanted = {"branch": "a", "concurrency": asked, "idempotency_key": "build-17"}
    first = world.submit(**wanted)
    story = world.kinds(first)
    jobs = world.at_once(lambda: world.submit(**wanted).id, threads=4, times=100)
    assert set(jobs) == {first.id}
    assert (world.job(first), world.kinds(first)) == (first, story)
    assert world.value("SELECT count(*) FROM jobs") == 1
