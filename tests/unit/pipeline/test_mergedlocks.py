"""Which pipelines write merged lockfiles anew, which lockfiles a rung may be asked about, and what a name can say."""

from typing import Any

import pytest

from flowforge.core.conflict import Conflict, Kind, Version
from flowforge.core.pipeline import Pipeline, StageSpec
from flowforge.hooks.manager import Registry
from flowforge.pipeline.check import Catalog
from flowforge.pipeline.load import load_shipped
from flowforge.pipeline.mergedlocks import relocking, sorted_out, watch_of
from flowforge.resolve.policy import PROTECTED, Paths


def stage(uses: str, **more: Any) -> StageSpec:
    return StageSpec(**{"id": uses, "uses": uses, **more})


def pipeline(*stages: StageSpec) -> Pipeline:
    return Pipeline(name="p", version=1, stages=stages)


RESOLVE = stage("resolve")


@pytest.mark.parametrize(
    ("stages", "found"),
    [
        ((stage("clone"), stage("rebase"), RESOLVE, stage("validate")), True),
        ((stage("rebase"), stage("resolve", options={"rungs": ["lockfile"]})), True),
        ((stage("rebase"), stage("resolve", options={"rungs": ["mechanical", "model"]})), False),
        ((stage("rebase"), stage("resolve", when="branch == 'x'")), False),
        ((stage("rebase"), stage("validate"), RESOLVE), False),
        ((RESOLVE, stage("rebase")), False),
        ((stage("clone"), RESOLVE), False),
        ((stage("rebase"),), False),
        ((), False),
    ],
)
def test_the_stage_after_rebase_writes_them_where_it_always_runs_and_has_the_rung(
    stages: tuple[StageSpec, ...], found: bool
) -> None:
    assert (relocking(pipeline(*stages)) is not None) == found
    assert (watch_of(pipeline(*stages)) is not None) == found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("rebase-and-resolve", True),
        ("rebase-with-approval", True),
        ("rebase", False),
        ("validate-only", False),
    ],
)
def test_of_the_shipped_definitions_those_with_the_rung_do(name: str, found: bool) -> None:
    shipped = load_shipped(name, catalog=Catalog.of(Registry())).required()
    assert (relocking(shipped) is not None) == found


@pytest.mark.parametrize(
    ("path", "regenerate", "watched"),
    [
        ("uv.lock", {}, True),
        ("a/b/package-lock.json", {}, True),
        ("list.txt", {}, True),
        ("src/main.py", {}, False),
        ("Cargo.toml", {}, False),
        ("deps.json", {"deps.json": "make deps"}, True),
        ("a/deps.json", {"b/*": "x", "a/*.json": "make deps"}, True),
        ("deps.json", {"other.json": "make deps"}, False),
    ],
)
def test_a_name_says_whether_a_file_is_worth_a_look(
    path: str, regenerate: dict[str, str], watched: bool
) -> None:
    watch = watch_of(pipeline(stage("rebase"), stage("resolve", options={"regenerate": regenerate})))
    assert watch is not None
    assert watch.path(path) == watched


def lock(path: str, *, before: str = "") -> Conflict:
    version = Version(path=before or path, mode="100644", oid="0" * 40, content=b"x")
    return Conflict(path=path, kind=Kind.CONTENT, base=version, upstream=version, commit=version)


def test_a_rung_is_asked_about_a_protected_lockfile_as_it_is_about_one_in_conflict() -> None:
    found = sorted_out([lock("uv.lock")], Paths(protected=PROTECTED), (), {})
    assert [one.path for one in found.asked] == ["uv.lock"]
    assert found.kept == {}


@pytest.mark.parametrize(
    ("paths", "protect", "why"),
    [
        (Paths(never=("*.lock",)), (), "the pipeline leaves it to a person (`never`)"),
        (Paths(never=("/old/",)), (), "the pipeline leaves it to a person (`never`)"),
        (Paths(), ("new/uv.lock",), "the pipeline protects it (`protect`)"),
        (Paths(), ("old/",), "the pipeline protects it (`protect`)"),
    ],
)
def test_neither_name_of_a_moved_lockfile_may_be_kept_from_it(
    paths: Paths, protect: tuple[str, ...], why: str
) -> None:
    found = sorted_out([lock("new/uv.lock", before="old/uv.lock")], paths, protect, {})
    assert (found.asked, found.kept) == ((), {"new/uv.lock": why})


def test_what_was_given_up_is_not_asked_again_and_keeps_its_reason() -> None:
    held = [lock("a/uv.lock"), lock("b/uv.lock")]
    found = sorted_out(held, Paths(), (), {"a/uv.lock": "uv is not installed"})
    assert [one.path for one in found.asked] == ["b/uv.lock"]
    assert found.kept == {"a/uv.lock": "uv is not installed"}
