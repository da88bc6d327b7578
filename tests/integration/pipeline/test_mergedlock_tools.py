"""Real package managers on lockfiles that git merges as text: what git's text lacks, and that a right one is confirmed."""

import json

import pytest

from tests.integration.pipeline.lockscene import Files, Seen, as_text, by_hand, resolved, rewritten
from tests.integration.pipeline.lockyard import go_proxy
from tests.integration.pipeline.scene import Scene
from tests.integration.pipeline.test_lock_tools import GO_ENV, crate, go_file, npm_package

CARGO = "cargo update --workspace"
NPM = "npm install --package-lock-only --ignore-scripts --no-audit --no-fund"
ROOT = '[workspace]\nresolver = "2"\nmembers = ["[a-z]*"]\nexclude = ["target", "own"]\n'
SAME = "git merged {!r} as text, and the tool that writes it wrote the same from the merged manifest"


def mid(minor: int) -> Files:
    """One crate in two versions, as a repository keeps copies of others' crates."""
    text = f'[package]\nname = "mid"\nversion = "0.{minor}.0"\nedition = "2021"\n'
    return {f"own/mid{minor}/Cargo.toml": text, f"own/mid{minor}/src/lib.rs": "\n"}


def of_mid(name: str, minor: int) -> Files:
    files = crate(name)
    files[f"{name}/Cargo.toml"] = f'{files[f"{name}/Cargo.toml"]!s}mid = {{ path = "../own/mid{minor}" }}\n'
    return files


def crates(scene: Scene, seen: Seen, upstream: Files, commit: Files) -> tuple[Files, Files, Files]:
    tools = seen("cargo")
    plain: Files = {"Cargo.toml": ROOT, **mid(1), **mid(2), **of_mid("beta", 1)}
    plain |= {path: text for name in ("nu", "pi", "rho", "zeta") for path, text in crate(name).items()}
    base, main, topic = (by_hand(scene, tools, CARGO, {**plain, **one}) for one in ({}, upstream, commit))
    return base, main, topic


def test_cargo_names_the_version_that_gits_text_leaves_open(scene: Scene, seen: Seen) -> None:
    """Upstream uses a second version of a crate, the commit needs the first in one more place, by its name alone."""
    base, main, topic = crates(scene, seen, of_mid("alpha", 2), of_mid("zeta", 1))
    result = rewritten(scene, base, main, topic)
    assert result.ok, result.outputs
    hand = by_hand(scene, seen("cargo"), CARGO, {**main, **of_mid("zeta", 1)})
    assert scene.file("Cargo.lock").encode() == hand["Cargo.lock"]
    zeta = scene.file("Cargo.lock").partition('name = "zeta"')[2]
    assert '"mid 0.1.0"' in zeta
    assert '"mid",' in scene.file("Cargo.lock", as_text(scene)).partition('name = "zeta"')[2]
    (done,) = scene.work.resolved
    why = "cargo wrote it anew from the merged manifest: 7 packages, each as one of the sides has it"
    assert done.why == (f"{why}; git had merged it as text, without a conflict",)


def test_cargo_confirms_what_git_merged_rightly(scene: Scene, seen: Seen) -> None:
    base, main, topic = crates(scene, seen, crate("alpha"), crate("zoo"))
    result = rewritten(scene, base, main, topic)
    assert result.ok, result.outputs
    assert (scene.work.notes, scene.work.unconfirmed) == ((SAME.format("Cargo.lock"),), ())
    assert scene.work.head == as_text(scene)


def test_cargo_in_a_folder_that_upstream_moved(scene: Scene, seen: Seen) -> None:
    base, main, topic = crates(scene, seen, of_mid("alpha", 2), of_mid("zeta", 1))
    before, moved, after = (
        {f"{folder}/{path}": text for path, text in files.items()}
        for folder, files in (("old", base), ("new", main), ("old", topic))
    )
    result = rewritten(scene, before, moved, after)
    assert result.ok, result.outputs
    zeta = scene.file("new/Cargo.lock").partition('name = "zeta"')[2]
    assert '"mid 0.1.0"' in zeta
    names = scene.mirror.git.run("ls-tree", "-r", "--name-only", scene.work.head).decode().split()
    assert not [name for name in names if name.startswith("old/")]


def test_npm_confirms_the_workspaces_that_git_merged(scene: Scene, seen: Seen) -> None:
    tools = seen("npm")
    root = json.dumps({"name": "root", "version": "1.0.0", "workspaces": ["pkgs/*"]}, indent=2) + "\n"
    plain: Files = {"package.json": root}
    plain |= {f"pkgs/{name}/package.json": npm_package(name) for name in ("k", "l", "m", "n")}
    more: Files = {"pkgs/a/package.json": npm_package("a", m="*")}
    other: Files = {"pkgs/l2/package.json": npm_package("l2", m="*")}
    base, upstream, commit = (by_hand(scene, tools, NPM, {**plain, **one}) for one in ({}, more, other))
    result = rewritten(scene, base, upstream, commit)
    assert result.ok, result.outputs
    assert scene.work.notes == (SAME.format("package-lock.json"),)
    locked = json.loads(scene.file("package-lock.json"))["packages"]
    assert {"node_modules/a", "node_modules/l2", "node_modules/m"} <= set(locked)


def test_npm_without_a_network_leaves_gits_text_and_says_what_it_could_not_get(
    scene: Scene, seen: Seen
) -> None:
    seen("npm")

    def side(*names: str) -> Files:
        rows = {f"node_modules/{name}": {"version": "1.0.0"} for name in names}
        locked = {"name": "app", "lockfileVersion": 3, "requires": True, "packages": rows}
        wanted = {"name": "app", "dependencies": dict.fromkeys(names, "1.0.0")}
        return {
            "package.json": json.dumps(wanted, indent=1),
            "package-lock.json": json.dumps(locked, indent=1),
        }

    old = ("k", "l", "m", "n", "o", "p")
    result = rewritten(scene, side(*old), side("a", *old), side(*old, "z"))
    assert result.ok, result.outputs
    (note,) = scene.work.notes
    assert "ended with exit status 1: npm error code ENOTCACHED" in note
    assert scene.work.head == as_text(scene)


def test_go_confirms_the_sums_that_git_merged(scene: Scene, seen: Seen) -> None:
    tools = seen("go")
    names = ("alpha", "kappa", "lambda", "mu", "nu", "omega")
    proxy = go_proxy(*((f"example.com/{name}", "v1.0.0") for name in names))

    def module(*used: str) -> Files:
        rows = "".join(f"\texample.com/{name} v1.0.0\n" for name in used)
        text = f"module example.com/app\n\ngo 1.21\n\nrequire (\n{rows})\n"
        return {"go.mod": text, **{path: body for name in used for path, body in go_file(name).items()}}

    def summed(*used: str) -> Files:
        files = {**proxy, **module(*used)}
        here = scene.folder / f"hand-{len(list(scene.folder.glob('hand-*')))}" / "tree" / "proxy"
        env = {**GO_ENV, "GOPROXY": f"file://{here}"}
        made = by_hand(scene, tools, "go mod tidy; chmod -R u+w ..", files, env)
        return {**files, "go.sum": made["go.sum"]}

    middle = names[1:-1]
    result = rewritten(scene, summed(*middle), summed(*names[:-1]), summed(*names[1:]), env=GO_ENV)
    assert result.ok, result.outputs
    assert scene.work.notes == (SAME.format("go.sum"),)
    assert [name for name in names if f"example.com/{name} " in scene.file("go.sum")] == list(names)


@pytest.mark.parametrize("program", ["cargo"])
def test_a_conflict_is_answered_as_ever(scene: Scene, seen: Seen, program: str) -> None:
    """The same crates, so close that git cannot merge their entries."""
    seen(program)
    base, main, topic = crates(scene, seen, crate("alpha"), crate("alto"))
    result = resolved(scene, base, main, topic)
    assert result.ok, result.outputs
