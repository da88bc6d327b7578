"""Which definition runs: the one asked for, the repository's own from the target branch, or the default."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge.core.errors import Reason, Refused
from flowforge.git.command import Door
from flowforge.git.mirror import Mirror, open_mirror
from flowforge.hooks.manager import Registry, discover, load_plugins
from flowforge.pipeline.definition import DEFAULT, Given, find_definition, read_definition, shipped
from flowforge.pipeline.load import FILE, shipped_definitions
from tests.gitrepo import Repository

OWN = "version: 1\nname: own\nstages: [{uses: clone}, {uses: rebase}]\n"
SHA = "0123456789abcdef" * 2 + "01234567"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins(discover())


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "origin.git")


@pytest.fixture
def mirror(repo: Repository, tmp_path: Path) -> Iterator[Mirror]:
    with open_mirror(tmp_path / "mirrors", repo.url, Door(protocols=frozenset({"file"}))) as opened:
        yield opened


@pytest.mark.parametrize(
    ("source", "path", "commit"),
    [
        (f"{FILE}@{SHA}", FILE, SHA),
        (f"a@b.yml@{SHA}", "a@b.yml", SHA),
        (f".f.yml@{SHA}{SHA[:24]}", ".f.yml", f"{SHA}{SHA[:24]}"),
        ("/home/me@example.org/x.yml", "/home/me@example.org/x.yml", ""),
        ("the request", "the request", ""),
        ("flowforge:rebase", "flowforge:rebase", ""),
        (f"{FILE}@{SHA[:12]}", f"{FILE}@{SHA[:12]}", ""),
    ],
)
def test_only_a_whole_commit_id_after_the_last_at_is_a_commit(source: str, path: str, commit: str) -> None:
    given = Given(text=b"", source=source)
    assert (given.path, given.commit) == (path, commit)


def test_the_targets_file_decides_and_the_branchs_own_does_not(
    repo: Repository, mirror: Mirror, registry: Registry
) -> None:
    start = repo.commit({FILE: OWN}, branch="main")
    repo.commit({FILE: OWN.replace("own", "mine")}, start, branch="topic")
    found = find_definition("", mirror, "topic", "main", registry)
    assert found.pipeline.name == "own"
    assert found.given.source == f"{FILE}@{repo.tip('main')}"
    assert found.pipeline.source == found.given.source
    assert found.fetched is not None
    assert (found.fetched.branch, found.fetched.target) == (repo.tip("topic"), repo.tip("main"))


def test_without_a_file_the_default_runs(repo: Repository, mirror: Mirror, registry: Registry) -> None:
    start = repo.commit({"a": "1"}, branch="main")
    repo.commit({"a": "2"}, start, branch="topic")
    found = find_definition("", mirror, "topic", "main", registry)
    assert found.given == shipped(DEFAULT)


def test_one_that_was_asked_for_by_name_needs_no_remote(mirror: Mirror, registry: Registry) -> None:
    for name in shipped_definitions():
        found = find_definition(name, mirror, "topic", "main", registry)
        assert found.fetched is None
        assert found.pipeline.stages


def test_a_name_that_nobody_knows_is_refused_with_those_there_are() -> None:
    with pytest.raises(Refused) as refused:
        shipped("x" * 1000)
    assert refused.value.reason is Reason.PIPELINE_MISSING
    assert DEFAULT in refused.value.next_action
    assert len(refused.value.sentence) < 120


def test_a_file_of_the_repository_may_extend_another_of_the_same_commit(
    repo: Repository, mirror: Mirror, registry: Registry
) -> None:
    more = "version: 1\nname: more\nextends: [ci/base.yml]\n"
    start = repo.commit({FILE: more, "ci/base.yml": OWN}, branch="main")
    repo.commit({"a": "2"}, start, branch="topic")
    found = find_definition("", mirror, "topic", "main", registry)
    assert [stage.uses for stage in found.pipeline.stages] == ["clone", "rebase"]


def test_one_that_no_commit_holds_extends_no_file(mirror: Mirror, registry: Registry) -> None:
    given = Given(text=b"version: 1\nname: x\nextends: [ci/base.yml]\n", source="x@y.yml")
    with pytest.raises(Refused) as refused:
        read_definition(given, mirror, registry)
    assert refused.value.reason is Reason.PIPELINE_INVALID
    assert "ci/base.yml" in refused.value.evidence


def test_a_stored_definition_is_read_again_as_it_was(
    repo: Repository, mirror: Mirror, registry: Registry
) -> None:
    start = repo.commit({FILE: OWN}, branch="main")
    repo.commit({"a": "2"}, start, branch="topic")
    found = find_definition("", mirror, "topic", "main", registry)
    repo.commit({FILE: OWN.replace("own", "newer")}, start, branch="main")
    again = read_definition(Given(text=found.given.text, source=found.given.source), mirror, registry)
    assert again.pipeline == found.pipeline


def test_all_problems_of_a_bad_one_are_evidence(mirror: Mirror, registry: Registry) -> None:
    with pytest.raises(Refused) as refused:
        read_definition(
            Given(text=b"version: 1\nstages: [{uses: clne}]\nmore: 1\n", source="f"), mirror, registry
        )
    assert len(refused.value.evidence.splitlines()) >= 2
