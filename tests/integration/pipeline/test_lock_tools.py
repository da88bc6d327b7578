"""Real package managers, in the sandbox and without a network: the answer is what a person would get by hand."""

import json
from pathlib import Path
from typing import Any

from tests.integration.pipeline.lockscene import Files, Seen, by_hand, resolved
from tests.integration.pipeline.lockyard import go_proxy, wheels
from tests.integration.pipeline.scene import Scene

# ----------------------------------------------------------------------------------------------------------- uv

PYPROJECT = """[project]
name = "app"
version = "1.0"
requires-python = ">=3.9"
dependencies = [
    "zero",
]

[dependency-groups]
dev = [
    "zero",
]

[tool.uv]
no-index = true
find-links = ["wheels"]
"""
WHEELS = wheels(
    ("zero", "1.0", []),
    ("ape", "1.0", ["deep"]),
    ("apa", "2.0", ["deep"]),
    ("deep", "0.5", []),
)
UV = "uv lock"


def uv_sides(scene: Scene, tools: Path) -> tuple[Files, Files, Files]:
    plain: Files = {"pyproject.toml": PYPROJECT, **WHEELS}
    first = PYPROJECT.replace(
        'dependencies = [\n    "zero",\n', 'dependencies = [\n    "zero",\n    "ape",\n'
    )
    second = PYPROJECT.replace('dev = [\n    "zero",\n', 'dev = [\n    "zero",\n    "apa",\n')
    base, upstream, commit = (
        by_hand(scene, tools, UV, {**plain, "pyproject.toml": text}) for text in (PYPROJECT, first, second)
    )
    return base, upstream, commit


def test_uv_locks_what_both_sides_added(scene: Scene, seen: Seen) -> None:
    tools = seen("uv")
    base, upstream, commit = uv_sides(scene, tools)
    result = resolved(scene, base, upstream, commit)
    assert result.ok, result.outputs
    merged: Files = {**upstream, "pyproject.toml": scene.file("pyproject.toml")}
    assert scene.file("uv.lock").encode() == by_hand(scene, tools, UV, merged)["uv.lock"]
    (done,) = [one for one in scene.work.resolved if one.path == "uv.lock"]
    assert done.why == (
        "uv wrote it anew from the merged manifest: 5 packages, each as one of the sides has it",
    )


def test_uv_without_a_package_and_without_a_network_fails_in_words(scene: Scene, seen: Seen) -> None:
    tools = seen("uv")
    base, upstream, commit = uv_sides(scene, tools)
    lost = {path: text for path, text in commit.items() if not path.startswith("wheels/apa")}
    kept = {path: text for path, text in base.items() if not path.startswith("wheels/apa")}
    main = {path: text for path, text in upstream.items() if not path.startswith("wheels/apa")}
    result = resolved(scene, kept, main, lost)
    rows: Any = result.outputs["unresolved"]
    assert "'uv lock' ended with exit status" in rows[0]["tried"]["lockfile"]


def test_what_both_sides_raised_in_their_lockfiles_alone_is_the_higher_one(scene: Scene, seen: Seen) -> None:
    """The tool begins with upstream's lockfile and would drop what the commit raised; so it begins with that."""
    tools = seen("uv")
    base, upstream, _ = uv_sides(scene, tools)
    newer = wheels(("zero", "1.1", []), ("zero", "1.2", []))
    base, upstream = {**base, **newer}, {**upstream, **newer}
    commit = by_hand(scene, tools, "uv lock --upgrade-package zero==1.2", base)
    raised = by_hand(scene, tools, "uv lock --upgrade-package zero==1.1", upstream)
    result = resolved(scene, base, raised, commit)
    assert result.ok, result.outputs
    text = scene.file("uv.lock")
    assert 'name = "zero"\nversion = "1.2"' in text
    assert 'name = "ape"\nversion = "1.0"' in text
    (done,) = [one for one in scene.work.resolved if one.path == "uv.lock"]
    assert "and the commit's lockfile: 4 packages, each as one of the sides has it" in done.why[0]


# ---------------------------------------------------------------------------------------------------------- npm


def npm_package(name: str, **dependencies: str) -> str:
    return json.dumps({"name": name, "version": "1.0.0", "dependencies": dependencies}, indent=2) + "\n"


def test_npm_locks_the_workspaces_that_both_sides_added(scene: Scene, seen: Seen) -> None:
    tools = seen("npm")
    root = json.dumps({"name": "root", "version": "1.0.0", "workspaces": ["pkgs/*"]}, indent=2) + "\n"
    plain: Files = {"package.json": root, "pkgs/m/package.json": npm_package("m")}
    more: Files = {"pkgs/a/package.json": npm_package("a", m="*")}
    other: Files = {"pkgs/b/package.json": npm_package("b", m="*")}
    hook = {"scripts": {"preinstall": "touch RAN", "install": "touch RAN", "prepare": "touch RAN"}}
    other["pkgs/b/package.json"] = json.dumps({**json.loads(str(other["pkgs/b/package.json"])), **hook})
    command = "npm install --package-lock-only --ignore-scripts --no-audit --no-fund"
    base, upstream, commit = (by_hand(scene, tools, command, {**plain, **one}) for one in ({}, more, other))
    result = resolved(scene, base, upstream, commit)
    assert result.ok, result.outputs
    locked = json.loads(scene.file("package-lock.json"))["packages"]
    assert {"node_modules/a", "node_modules/b", "node_modules/m"} <= set(locked)
    hand = by_hand(scene, tools, command, {**upstream, **other})
    assert scene.file("package-lock.json").encode() == hand["package-lock.json"]
    names = scene.mirror.git.run("ls-tree", "-r", "--name-only", scene.work.head)
    assert b"RAN" not in names


def test_npm_without_a_network_says_what_it_could_not_get(scene: Scene, seen: Seen) -> None:
    seen("npm")

    def side(*names: str) -> Files:
        rows = {f"node_modules/{name}": {"version": "1.0.0"} for name in names}
        locked = {"name": "app", "lockfileVersion": 3, "requires": True, "packages": rows}
        wanted = {"name": "app", "dependencies": dict.fromkeys(names, "1.0.0")}
        return {
            "package.json": json.dumps(wanted, indent=1),
            "package-lock.json": json.dumps(locked, indent=1),
        }

    result = resolved(scene, side("zero"), side("zero", "alpha"), side("zero", "beta"))
    rows: Any = result.outputs["unresolved"]
    (row,) = [row for row in rows if row["path"] == "package-lock.json"]
    assert "ended with exit status 1: npm error code ENOTCACHED" in row["tried"]["lockfile"]


# -------------------------------------------------------------------------------------------------------- cargo


def crate(name: str, *needs: str) -> Files:
    lines = [f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n\n[dependencies]\n']
    lines += [f'{need} = {{ path = "../{need}" }}\n' for need in needs]
    return {f"{name}/Cargo.toml": "".join(lines), f"{name}/src/lib.rs": "\n"}


def test_cargo_locks_the_crates_that_both_sides_added(scene: Scene, seen: Seen) -> None:
    tools = seen("cargo")
    root = '[workspace]\nresolver = "2"\nmembers = ["[a-z]*"]\nexclude = ["target"]\n'
    plain: Files = {"Cargo.toml": root, **crate("mid")}
    command = "cargo update --workspace"
    base, upstream, commit = (
        by_hand(scene, tools, command, {**plain, **one})
        for one in ({}, crate("alpha", "mid"), crate("beta", "mid"))
    )
    result = resolved(scene, base, upstream, commit)
    assert result.ok, result.outputs
    hand = by_hand(scene, tools, command, {**upstream, **crate("beta", "mid")})
    assert scene.file("Cargo.lock").encode() == hand["Cargo.lock"]
    assert all(f'name = "{name}"' in scene.file("Cargo.lock") for name in ("alpha", "beta", "mid"))


# ----------------------------------------------------------------------------------------------------------- go

GO_ENV = {"GOPROXY": "file:///workspace/proxy", "GONOSUMDB": "*", "GOSUMDB": "off"}


def go_file(name: str) -> Files:
    return {
        f"{name}.go": f'package app\n\nimport {name} "example.com/{name}"\n\nconst {name.title()} = {name}.One\n'
    }


def test_go_sums_what_both_sides_added(scene: Scene, seen: Seen) -> None:
    tools = seen("go")
    proxy = go_proxy(*((f"example.com/{name}", "v1.0.0") for name in ("zero", "alpha", "beta")))
    head = "module example.com/app\n\n{first}go 1.21\n\nrequire example.com/zero v1.0.0\n{second}"
    plain: Files = {**proxy, **go_file("zero"), "go.mod": head.format(first="", second="")}
    first: Files = {
        **go_file("alpha"),
        "go.mod": head.format(first="require example.com/alpha v1.0.0\n\n", second=""),
    }
    second: Files = {
        **go_file("beta"),
        "go.mod": head.format(first="", second="\nrequire example.com/beta v1.0.0\n"),
    }

    def summed(more: Files) -> Files:
        """The go.sum that the tool writes, with the go.mod as it stands."""
        files = {**plain, **more}
        count = len(list(scene.folder.glob("hand-*")))
        here = scene.folder / f"hand-{count}" / "tree" / "proxy"
        made = by_hand(
            scene, tools, "go mod tidy; chmod -R u+w ..", files, {**GO_ENV, "GOPROXY": f"file://{here}"}
        )
        return {**files, "go.sum": made["go.sum"]}

    base, upstream, commit = summed({}), summed(first), summed(second)
    result = resolved(scene, base, upstream, commit, env=GO_ENV)
    assert result.ok, result.outputs
    lines = scene.file("go.sum").splitlines()
    assert [line.split()[0] for line in lines if "/go.mod" not in line] == [
        "example.com/alpha",
        "example.com/beta",
        "example.com/zero",
    ]
    (done,) = [one for one in scene.work.resolved if one.path == "go.sum"]
    assert done.why[0].startswith(
        "go wrote it anew from the merged manifest: 3 packages, each as one of the sides"
    )
