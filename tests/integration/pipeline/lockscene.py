"""A scene whose sandbox shows a real package manager: what a person gets by hand, and what the rung makes of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from flowforge.core.pipeline import Pipeline, StageResult, StageSpec
from flowforge.git.replay import replay
from tests.gitrepo import Content
from tests.integration.pipeline.lockyard import run_tool
from tests.integration.pipeline.scene import COMMITTER, Scene

Files = dict[str, Content]
# a stand-in for npm: all that package.json names, in version 1.0.0, and `m` in 1.0 and how many there are
LISTS = """names=$(sed -n 's/^  "\\(.\\)": .*/\\1/p' package.json)
set -- $names
{ printf '{\\n "lockfileVersion": 3,\\n "packages": {'; comma=
  for name in $names; do
    version=1.0.0; [ $name = m ] && version=1.0.$#
    printf '%s\\n  "node_modules/%s": {\\n   "version": "%s"\\n  }' "$comma" "$name" $version; comma=,
  done
  printf '\\n }\\n}\\n'; } > new
mv new package-lock.json
"""


class Seen(Protocol):
    def __call__(self, program: str, *, version: str = "", network: bool = False) -> Path:
        """Give the scene a sandbox that shows a real tool of that version; the folder of the tool.

        `network`: it lets a stage that asks for it have the host's, where a registry of the test's own is.
        """
        ...


def by_hand(
    scene: Scene, tools: Path, command: str, files: Files, env: Mapping[str, str] | None = None
) -> Files:
    """The files after a person ran the tool, lockfile included."""
    count = len(list(scene.folder.glob("hand-*")))
    return run_tool(command, files, scene.folder / f"hand-{count}" / "tree", tools, env)


def resolved(scene: Scene, base: Files, upstream: Files, commit: Files, **spec: Any) -> StageResult:
    """Rebase a branch that has `commit` onto a target that has `upstream`; both began with `base`."""
    scene.branches(
        {path: upstream.get(path) for path in {*base, *upstream}},
        {path: commit.get(path) for path in {*base, *commit}},
        base=base,
    )
    scene.with_resolve()
    scene.do("clone")
    scene.do("rebase")
    assert scene.work.pending, "the lockfiles do not conflict"
    return scene.do("resolve", spec=spec)


def rewritten(scene: Scene, base: Files, upstream: Files, commit: Files, **spec: Any) -> StageResult:
    """As `resolved`, in a pipeline that goes on from rebase with the rung, and of lockfiles that do not conflict."""
    scene.branches(
        {path: upstream.get(path) for path in {*base, *upstream}},
        {path: commit.get(path) for path in {*base, *commit}},
        base=base,
    )
    stages = tuple(StageSpec(id=uses, uses=uses) for uses in ("clone", "rebase", "resolve"))
    scene.pipeline = Pipeline(name="test", version=1, stages=stages)
    scene.do("clone")
    rebased = scene.do("rebase")
    assert "is to be written anew" in rebased.sentence
    return scene.do("resolve", spec=spec)


def as_text(scene: Scene) -> str:
    """The head of the same rebase as git alone makes it."""
    steps = [step["original"] for step in scene.work.steps]
    return replay(scene.mirror, steps, scene.work.upstream, COMMITTER).head
