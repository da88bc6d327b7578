"""The demo's history, its stories and its claims: each is true of what happened, and false of what did not."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from flowforge.cli.demo import Claim
from flowforge.cli.runner import Asked, Ended
from flowforge.core.errors import Reason
from flowforge.git.command import Git
from flowforge.settings import Settings
from flowforge.wiring.demo import DemoWorld, _make_remote
from flowforge.wiring.local import run_here
from flowforge.wiring.scenario import AUTHORS, DANGEROUS, fast_import, shop
from flowforge.wiring.up import Service


@pytest.fixture
def remote(tmp_path: Path) -> Git:
    return _make_remote(tmp_path / "shop.git")


@pytest.fixture
def world(remote: Git) -> DemoWorld:
    made = DemoWorld(running=cast("Service", None), git=remote, repository=UUID(int=1))
    made.before = {branch: made.remote(branch) for branch in ("main", "discounts", "rounding")}
    return made


def ran(remote: Git, tmp_path: Path, branch: str, pipeline: str = "") -> Ended:
    settings = Settings(data_dir=tmp_path / "data", sandbox="none", model_provider="scripted")
    file = ""
    if pipeline:
        (tmp_path / "given.yml").write_text(pipeline)
        file = str(tmp_path / "given.yml")
    asked = Asked(repository=str(remote.folder), branch=branch, onto="main", pipeline=file)
    return run_here(asked, settings, lambda _kind, _data: None)


def as_job(ended: Ended) -> Any:
    """What of a job the claims look at."""
    return SimpleNamespace(
        ending=SimpleNamespace(reason=ended.ending.reason, sentence=ended.ending.sentence),
        outputs={result.stage: dict(result.outputs) for result in ended.results},
        stages=[SimpleNamespace(stage=result.stage, result=result.result) for result in ended.results],
    )


def failed(claims: "tuple[Claim, ...] | list[Claim]") -> set[str]:
    return {claim.text for claim in claims if not claim.held}


def test_conflicts_that_need_nobody_are_answered_tested_and_pushed(
    world: DemoWorld, remote: Git, tmp_path: Path
) -> None:
    ended = ran(remote, tmp_path, "discounts")
    assert ended.ending.reason is Reason.PUSHED, ended.report
    claims = list(world.check(world.stories[0], as_job(ended)))
    assert len(claims) == 5
    assert failed(claims) == set()
    assert failed(list(world.parting())) == set()


def test_a_dangerous_answer_is_refused_before_any_test_or_push(
    world: DemoWorld, remote: Git, tmp_path: Path
) -> None:
    ended = ran(remote, tmp_path, "rounding", DANGEROUS)
    assert ended.ending.reason is Reason.UNRESOLVED_CONFLICTS, ended.report
    assert failed(list(world.check(world.stories[1], as_job(ended)))) == set()


REFUSED = SimpleNamespace(
    reason=Reason.UNRESOLVED_CONFLICTS,
    sentence="hunk 0 brings a call that runs text as code, which no side has",
)


def test_claims_about_a_push_that_never_was_are_false(world: DemoWorld, remote: Git, tmp_path: Path) -> None:
    """A job that says it pushed is not believed: the remote is asked."""
    tree = "1" * 40
    outputs: Mapping[str, object] = {"test": {"tree": tree}, "push": {"tree": tree}}
    liar: Any = SimpleNamespace(ending=SimpleNamespace(reason=Reason.PUSHED), outputs=outputs, stages=[])
    assert failed(list(world.check(world.stories[0], liar))) == {
        "both sides' work is in the result",
        "the remote's tree is the tree that was tested",
        "the remote's reflog shows exactly one move",
    }


def test_a_main_that_moved_and_a_branch_that_was_changed_are_seen(world: DemoWorld, remote: Git) -> None:
    for branch in ("main", "rounding"):
        remote.run("update-ref", f"refs/heads/{branch}", world.before["discounts"].tip)
    assert failed(list(world.parting())) == {"main was not touched"}
    job: Any = SimpleNamespace(ending=REFUSED, outputs={}, stages=[])
    assert failed(list(world.check(world.stories[1], job))) == {"the branch is where it was"}


def test_a_refusal_after_the_tests_ran_is_no_refusal_before_them(world: DemoWorld) -> None:
    stages = [SimpleNamespace(stage="test", result="success")]
    job: Any = SimpleNamespace(ending=REFUSED, outputs={}, stages=stages)
    assert failed(list(world.check(world.stories[1], job))) == {
        "the job ended: refused for that line, before any test or push"
    }


def test_the_history_has_several_authors_and_is_the_same_every_time(remote: Git, tmp_path: Path) -> None:
    authors = remote.run("log", "--all", "--format=%an <%ae>").decode().splitlines()
    assert set(authors) == set(AUTHORS)
    again = _make_remote(tmp_path / "again.git")
    assert again.run("for-each-ref") == remote.run("for-each-ref")
    assert fast_import(shop()) == fast_import(shop())


def test_the_definition_brought_along_differs_in_its_model_only(remote: Git) -> None:
    own = remote.run("show", "main:.flowforge.yml").decode()
    different = [
        (one, other)
        for one, other in zip(own.splitlines(), DANGEROUS.splitlines(), strict=True)
        if one != other
    ]
    assert len(different) == 1
    assert "bad:dangerous" in different[0][1]
