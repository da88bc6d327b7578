"""Package managers that need a registry, in the sandbox, with one on loopback: what they write, and how they fail.

Each test runs where its tool is installed and is skipped by name where it is not.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flowforge.core.pipeline import Network, StageResult
from flowforge.merge.lockfiles import Locked, read_locked
from flowforge.merge.lockroots import fits
from tests.integration.pipeline.lockscene import Files, Seen, by_hand, resolved
from tests.integration.pipeline.registries import (
    Packages,
    composer_packages,
    gem_index,
    npm_registry,
    python_index,
    served,
)
from tests.integration.pipeline.scene import Scene

PACKAGES = (
    ("zero", "1.0.0", []),
    ("ape", "1.0.0", ["deep"]),
    ("apa", "1.0.0", ["deep"]),
    ("deep", "1.0.0", []),
)
NEWER = (*PACKAGES, ("zero", "1.1.0", []), ("deep", "1.1.0", []))  # what nobody asked for


@dataclass(frozen=True, kw_only=True)
class Registries:
    """What is published, for every tool under one address; `publish` brings what is newer than the sides' lockfiles."""

    address: str
    pages: dict[str, tuple[str, bytes]]

    def publish(self, packages: Packages) -> None:
        self.pages.update({**python_index(*packages), **npm_registry(*packages), **gem_index(*packages)})


@pytest.fixture
def published() -> Iterator[Registries]:
    pages: dict[str, tuple[str, bytes]] = {}
    with served(pages) as address:
        made = Registries(address=address, pages=pages)
        made.publish(PACKAGES)
        yield made


@dataclass(frozen=True, kw_only=True)
class Case:
    """One tool: its files for some dependencies, and how it is told where the registry is."""

    program: str
    lock: str
    manifest: str
    command: str  # what a person runs
    start: str = ""  # a lockfile without a package, where the tool must find one
    version: str = ""
    env: tuple[tuple[str, str], ...] = ()  # {here} is the registry

    def files(self, here: str, *names: str) -> Files:
        return {self.manifest: MANIFESTS[self.program](here, names)}

    def told(self, here: str) -> Mapping[str, str]:
        return {name: text.format(here=here) for name, text in self.env}


def pyproject(here: str, names: tuple[str, ...]) -> str:
    rows = "".join(f'    "{name}>=1.0",\n' for name in names)
    return (
        f'[project]\nname = "app"\nversion = "1.0"\nrequires-python = ">=3.9"\ndependencies = [\n{rows}]\n\n'
        "[tool.poetry]\npackage-mode = false\n\n"
        f'[[tool.poetry.source]]\nname = "here"\nurl = "{here}/simple/"\npriority = "primary"\n'
    )


def package_json(_here: str, names: tuple[str, ...]) -> str:
    return json.dumps(
        {"name": "app", "version": "1.0.0", "dependencies": dict.fromkeys(names, "^1.0.0")}, indent=2
    )


def gemfile(here: str, names: tuple[str, ...]) -> str:
    return f'source "{here}"\n\n' + "".join(f'gem "{name}"\n' for name in names)


def requirements(_here: str, names: tuple[str, ...]) -> str:
    return "".join(f"{name}\n" for name in names)


MANIFESTS = {
    "poetry": pyproject,
    "pip-compile": requirements,
    "pnpm": package_json,
    "yarn": package_json,
    "bundle": gemfile,
}
NPM = ("npm_config_registry", "{here}")
BERRY = (
    ("YARN_NPM_REGISTRY_SERVER", "{here}"),
    ("YARN_UNSAFE_HTTP_WHITELIST", "127.0.0.1"),
    ("YARN_ENABLE_TELEMETRY", "0"),
    ("YARN_ENABLE_IMMUTABLE_INSTALLS", "0"),
)
CASES = {
    "poetry": Case(program="poetry", lock="poetry.lock", manifest="pyproject.toml", command="poetry lock"),
    "pip-compile": Case(
        program="pip-compile",
        lock="requirements.txt",
        manifest="requirements.in",
        command="pip-compile --quiet --no-emit-options --strip-extras --generate-hashes requirements.in",
        env=(("PIP_INDEX_URL", "{here}/simple"),),
    ),
    "pnpm": Case(
        program="pnpm",
        lock="pnpm-lock.yaml",
        manifest="package.json",
        command="pnpm install --lockfile-only --no-frozen-lockfile",
        env=(NPM,),
    ),
    "yarn 1": Case(
        program="yarn",
        version="1.",
        lock="yarn.lock",
        manifest="package.json",
        command="yarn install --ignore-scripts",
        env=(NPM,),
    ),
    "yarn 4": Case(
        program="yarn",
        version="4.",
        lock="yarn.lock",
        manifest="package.json",
        command="yarn install --mode=update-lockfile",
        start="__metadata:\n  version: 8\n",
        env=BERRY,
    ),
    "bundle": Case(program="bundle", lock="Gemfile.lock", manifest="Gemfile", command="bundle lock"),
}
ALL = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


ONLINE = {"npm_config_offline": "false"}


def locked(scene: Scene, case: Case, tools: Path, here: str, files: Files) -> Files:
    """What a person gets who runs the tool, without what it leaves beside the lockfile."""
    made = by_hand(scene, tools, case.command, files, {**case.told(here), **ONLINE})
    return {path: made[path] for path in (case.lock, case.manifest)}


def sides(scene: Scene, case: Case, tools: Path, published: Registries) -> tuple[Files, Files, Files]:
    """The lockfiles of base, upstream and commit, as made before anything newer was published."""
    start: Files = {case.lock: case.start} if case.start else {}
    base, upstream, commit = (
        locked(scene, case, tools, published.address, {**start, **case.files(published.address, *names)})
        for names in (("zero",), ("ape", "zero"), ("zero", "apa"))
    )
    published.publish(NEWER)
    return base, upstream, commit


def run(scene: Scene, case: Case, here: str, *three: Files, network: Network = Network.FULL) -> StageResult:
    return resolved(scene, *three, env=dict(case.told(here)), network=network)


def tried(result: StageResult, lock: str) -> str:
    rows: Any = result.outputs["unresolved"]
    (row,) = [row for row in rows if row["path"] == lock]
    return str(row["tried"]["lockfile"])


@ALL
def test_a_tool_locks_what_both_sides_added_and_raises_nothing(
    scene: Scene, seen: Seen, published: Registries, case: Case
) -> None:
    tools = seen(case.program, version=case.version, network=True)
    base, upstream, commit = sides(scene, case, tools, published)
    result = run(scene, case, published.address, base, upstream, commit)
    assert result.ok, result.outputs
    merged: Files = {**upstream, case.manifest: scene.file(case.manifest)}
    hand = locked(scene, case, tools, published.address, merged)
    assert scene.file(case.lock).encode() == hand[case.lock]
    found = read_locked(case.lock, scene.file(case.lock).encode())
    assert isinstance(found, Locked)
    foreign = {name: versions for name, versions in found.packages.items() if name not in found.own}
    assert foreign == {key: {"1.0.0"} for key in ("ape", "apa", "deep", "zero")}
    (done,) = [one for one in scene.work.resolved if one.path == case.lock]
    assert done.why[0].endswith("packages, each as one of the sides has it"), done.why


@ALL
def test_a_tool_without_a_network_fails_in_words(
    scene: Scene, seen: Seen, published: Registries, case: Case
) -> None:
    tools = seen(case.program, version=case.version)
    three = sides(scene, case, tools, published)
    result = run(scene, case, published.address, *three, network=Network.NONE)
    said = tried(result, case.lock)
    assert "ended with exit status " in said, said
    assert len(said.partition("exit status ")[2]) > len("1: error")
    assert "raise error from" not in said


FORMS = [
    ("pnpm", "lockfileVersion: '9.0'", "lockfileVersion: '6.0'"),
    ("yarn 4", "  version: 10", "  version: 6"),
]


@pytest.mark.parametrize(("name", "new", "old"), FORMS, ids=[row[0] for row in FORMS])
def test_a_tool_of_another_generation_than_the_repository_s_is_not_taken(
    scene: Scene, seen: Seen, published: Registries, name: str, new: str, old: str
) -> None:
    case = CASES[name]
    tools = seen(case.program, version=case.version, network=True)
    three = []
    for files in sides(scene, case, tools, published):
        text = files[case.lock]
        assert isinstance(text, bytes)
        assert new.encode() in text
        three.append({**files, case.lock: text.replace(new.encode(), old.encode())})
    said = tried(run(scene, case, published.address, *three), case.lock)
    assert f"let commands see the version of {case.program} that the repository uses" in said


# --------------------------------------------------------------------------------------------------------- composer

COMPOSER = "composer update --no-install --no-scripts --no-plugins --no-interaction --no-progress"
VENDOR = tuple((f"v/{name}", version, [f"v/{need}" for need in needs]) for name, version, needs in PACKAGES)
RAISED = (*VENDOR, ("v/zero", "1.1.0", []))


def composer_json(packages: Packages, **asked: str) -> str:
    """Its packages stand in the manifest itself, so that it needs no network."""
    rows = [
        row for rows in json.loads(composer_packages(*packages))["packages"].values() for row in rows.values()
    ]
    sources = [{"packagist.org": False}, {"type": "package", "package": rows}]
    wanted = {f"v/{name}": text for name, text in asked.items()}
    return json.dumps({"name": "v/app", "require": wanted, "repositories": sources}, indent=4) + "\n"


def composed(scene: Scene, tools: Path, packages: Packages, **asked: str) -> Files:
    files: Files = {"composer.json": composer_json(packages, **asked)}
    env = {"COMPOSER_DISABLE_NETWORK": "1", "COMPOSER_ALLOW_SUPERUSER": "1", "COMPOSER_NO_AUDIT": "1"}
    return by_hand(scene, tools, COMPOSER, files, env)


def test_composer_locks_what_both_sides_added_and_raises_nothing(scene: Scene, seen: Seen) -> None:
    tools = seen("composer")
    base, upstream, commit = (
        composed(scene, tools, VENDOR, **dict.fromkeys(names, "^1"))
        for names in (("zero",), ("ape", "zero"), ("zero", "apa"))
    )
    newer = (
        {"composer.json": composer_json(RAISED, zero="^1")},
        {"composer.json": composer_json(RAISED, ape="^1", zero="^1")},
    )
    result = resolved(
        scene,
        {**base, **newer[0]},
        {**upstream, **newer[1]},
        {**commit, "composer.json": composer_json(RAISED, zero="^1", apa="^1")},
    )
    assert result.ok, result.outputs
    found = read_locked("composer.lock", scene.file("composer.lock").encode())
    assert isinstance(found, Locked)
    assert found.packages == {key: {"1.0.0"} for key in ("v/ape", "v/apa", "v/deep", "v/zero")}
    assert fits(
        "composer.lock",
        scene.file("composer.lock").encode(),
        "composer.json",
        scene.file("composer.json").encode(),
    )


def test_composer_resolves_anew_where_the_manifest_forbids_what_is_locked(scene: Scene, seen: Seen) -> None:
    tools = seen("composer")
    base = composed(scene, tools, RAISED, zero="1.0.0")
    upstream = composed(scene, tools, RAISED, ape="^1", zero="1.0.0")
    commit = composed(scene, tools, RAISED, zero="1.1.0")
    result = resolved(scene, base, upstream, commit)
    assert result.ok, result.outputs
    found = read_locked("composer.lock", scene.file("composer.lock").encode())
    assert isinstance(found, Locked)
    assert found.packages == {"v/ape": {"1.0.0"}, "v/deep": {"1.0.0"}, "v/zero": {"1.1.0"}}


def test_composer_says_what_it_cannot_find(scene: Scene, seen: Seen) -> None:
    tools = seen("composer")
    base, upstream, commit = (
        composed(scene, tools, VENDOR, **dict.fromkeys(names, "^1"))
        for names in (("zero",), ("ape", "zero"), ("zero", "apa"))
    )
    none = VENDOR[:1]
    files = [
        {**side, "composer.json": composer_json(none, **dict.fromkeys(names, "^1"))}
        for side, names in ((base, ("zero",)), (upstream, ("ape", "zero")), (commit, ("zero", "apa")))
    ]
    said = tried(resolved(scene, *files), "composer.lock")
    assert "ended with exit status 2: " in said, said
