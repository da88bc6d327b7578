"""Does looking for lockfiles that git merged as text cost a branch anything that has none?

`python -m tests.bench.watching [--json] [--runs N]` replays a branch of 200 commits onto a target that moved on, in a
repository of 2 000 files with a lockfile that only the target changed: plainly and watched as the shipped
`rebase-and-resolve` watches, interleaved, all in one process. Figures are medians of processor seconds of the children
and of this process (user and system), wall seconds beside them, and the processes that were started.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import patch

from flowforge.core.pipeline import Pipeline, StageSpec
from flowforge.git import process
from flowforge.git.command import Door
from flowforge.git.held import Watch
from flowforge.git.mirror import Mirror, Tips, open_mirror
from flowforge.git.replay import Committer, commits_to_replay, replay
from flowforge.pipeline.mergedlocks import watch_of
from tests.bench.rebase import Cost, commit, measure, modify
from tests.gitrepo import Repository, git

COMMITS, FILES = 200, 2_000
BOUNDS = {"more_processes": 0, "watched_by_plain": 1.1}


def grow(path: Path) -> Repository:
    """A branch of 200 commits, each of two files, and a target that changed the lockfile and two other files."""
    repo = Repository(path)
    texts = {n: "".join(f"line {row} of file {n}\n" for row in range(30)) for n in range(FILES)}
    stream = ["commit refs/heads/main\nmark :1\ncommitter a <a@example.org> 1700000000 +0000\ndata 4\nbase\n"]
    stream += [lock("old"), *(modify(n, text) for n, text in texts.items())]
    stream.append(commit("main", 2, 1, 1_700_000_100, "main"))
    stream += [lock("new"), *(modify(n, texts[n].replace("line 3 ", "LINE ")) for n in (0, 7))]
    for number in range(COMMITS):
        parent = 100 + number - 1 if number else 1
        stream.append(commit("topic", 100 + number, parent, 1_700_000_200 + number, f"topic {number}"))
        stream += [
            modify(n, texts[n].replace("line 20 ", f"TOPIC {number} ")) for n in (number, number + 900)
        ]
    git(path, "fast-import", "--quiet", stdin="".join(stream).encode())
    return repo


def lock(word: str) -> str:
    text = "".join(f"package {number} {word if number == 5 else 1}\n" for number in range(400))
    return f"M 100644 inline uv.lock\ndata {len(text)}\n{text}\n"


def shipped_watch() -> Watch:
    stages = tuple(StageSpec(id=uses, uses=uses) for uses in ("clone", "rebase", "resolve"))
    watch = watch_of(Pipeline(name="watching", version=1, stages=stages))
    assert watch is not None
    return watch


def replayed(mirror: Mirror, tips: Tips, number: int, watch: Watch | None) -> None:
    """Each round has a committer date of its own, so that every commit is written."""
    who = Committer(name="FlowForge", email="flowforge@example.org", date=1_760_000_000 + number)
    base = mirror.merge_base(tips.branch, tips.target)
    pending = commits_to_replay(mirror, base, tips.branch, tips.target)
    done = replay(mirror, pending, tips.target, who, watch=watch)
    assert done.stopped is None
    assert len(done.steps) == COMMITS


@contextmanager
def counted() -> Iterator[list[str]]:
    """Names of the git commands that were started."""
    began: list[str] = []
    start = process.start

    def noted(argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        began.append(argv[0])
        return start(argv, env)

    with patch.object(process, "start", noted):
        yield began


def run(runs: int, folder: Path) -> dict[str, object]:
    repo = grow(folder / "origin.git")
    watches = {"plain": None, "watched": shipped_watch()}
    costs: dict[str, list[Cost]] = {name: [] for name in watches}
    processes: dict[str, int] = {}
    with open_mirror(folder / "mirrors", repo.url, Door(protocols=frozenset({"file"}))) as mirror:
        tips = mirror.fetch("topic", "main")
        for number in range(runs + 1):
            order = list(watches) if number % 2 else list(reversed(watches))
            for name in order:
                date = 2 * number + (name == "watched")
                with counted() as began:
                    cost = measure(partial(replayed, mirror, tips, date, watches[name]))
                processes[name] = len(began)
                if number:  # the first round fills the caches of the disk
                    costs[name].append(cost)
    return report(costs, processes)


def report(costs: dict[str, list[Cost]], processes: dict[str, int]) -> dict[str, object]:
    cpu = {name: statistics.median(cost.cpu for cost in rows) for name, rows in costs.items()}
    wall = {f"{name}_wall": statistics.median(cost.wall for cost in rows) for name, rows in costs.items()}
    figures = {
        "watched_by_plain": cpu["watched"] / cpu["plain"],
        "more_processes": processes["watched"] - processes["plain"],
        "processes": processes["watched"],
        **cpu,
        **wall,
    }
    return {
        "name": "watching",
        "figures": {name: round(value, 4) for name, value in figures.items()},
        "bounds": BOUNDS,
        "holds": all(figures[name] <= bound for name, bound in BOUNDS.items()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="git-bench-") as folder:
        result = run(asked.runs, Path(folder))
    print(json.dumps(result, indent=None if asked.json else 2))
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
