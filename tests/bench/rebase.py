"""Replaying five commits onto a moved base: does it cost the change, or the repository?

`python -m tests.bench.rebase [--json] [--runs N]` makes a repository of 500 files and one of 50 000, replays the
same five commits in both, and rebases the larger one as a user would (`git clone`, `git rebase`), interleaved, all
in one process. Figures are medians of processor seconds of the children and of this process (user and system), with
wall seconds beside them. The floor is what five bare `git merge-tree` calls cost.
"""

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flowforge.git.attributes import attributes_of
from flowforge.git.command import Door
from flowforge.git.mirror import Mirror, Tips, open_mirror
from flowforge.git.replay import Committer, commits_to_replay, replay
from tests.gitrepo import IDENTITY, Repository, git

SMALL, LARGE = 500, 50_000
COMMITS = 5
BOUNDS = {"large_by_small": 1.5, "large_by_clone_and_rebase": 0.1}


@dataclass(frozen=True, kw_only=True)
class Cost:
    cpu: float
    wall: float


@dataclass(frozen=True, kw_only=True)
class Side:
    mirror: Mirror
    tips: Tips


def grow(path: Path, files: int, base_moves: int) -> Repository:
    """A repository of `files` files of 30 lines, a branch of five commits and a target that moved on."""
    repo = Repository(path)
    texts = {n: "".join(f"line {row} of file {n}\n" for row in range(30)) for n in range(files)}
    stream = ["commit refs/heads/main\nmark :1\ncommitter a <a@example.org> 1700000000 +0000\ndata 4\nbase\n"]
    stream += [modify(n, text) for n, text in texts.items()]
    for move in range(base_moves):
        stream.append(commit("main", move + 2, move + 1 if move else 1, 1_700_000_100 + move, f"main {move}"))
        stream.append(modify(move * 7, texts[move * 7].replace("line 3 ", f"LINE {move} ")))
    for number in range(COMMITS):
        parent = 100 + number if number else 1
        stream.append(commit("topic", 101 + number, parent, 1_700_000_200 + number, f"topic {number}"))
        stream += [
            modify(n, texts[n].replace("line 20 ", f"TOPIC {number} ")) for n in (number * 7, number * 11 + 1)
        ]
    git(path, "fast-import", "--quiet", stdin="".join(stream).encode())
    return repo


def modify(number: int, text: str) -> str:
    name = f"src/d{number % 50}/e{number // 50 % 20}/f{number}.py"
    return f"M 100644 inline {name}\ndata {len(text)}\n{text}\n"


def commit(branch: str, mark: int, parent: int, date: int, message: str) -> str:
    return (
        f"commit refs/heads/{branch}\nmark :{mark}\ncommitter a <a@example.org> {date} +0000\n"
        f"data {len(message)}\n{message}\nfrom :{parent}\n"
    )


def measure(work: Callable[[], object]) -> Cost:
    """Processor seconds of this process and its ended children, and wall seconds."""
    before, begun = processor(), time.perf_counter()
    work()
    return Cost(cpu=processor() - before, wall=time.perf_counter() - begun)


def processor() -> float:
    rows = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(row.ru_utime + row.ru_stime for row in rows)


def replayed(side: Side, number: int) -> str:
    mirror, head, upstream = side.mirror, side.tips.branch, side.tips.target
    who = Committer(name="FlowForge", email="flowforge@example.org", date=1_760_000_000 + number)
    base = mirror.merge_base(head, upstream)
    done = replay(mirror, commits_to_replay(mirror, base, head, upstream), upstream, who)
    assert done.stopped is None
    assert len(done.steps) == COMMITS
    return done.tree


def cloned_and_rebased(repo: Repository, folder: Path) -> str:
    subprocess.run(
        ["git", "clone", "-q", "-b", "topic", str(repo.path), str(folder)], check=True, env=environment()
    )
    git(folder, "rebase", "-q", "origin/main")
    return git(folder, "rev-parse", "HEAD^{tree}").decode().strip()


def environment() -> dict[str, str]:
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", **IDENTITY}


def floor(side: Side) -> None:
    for _ in range(COMMITS):
        side.mirror.git.try_run("merge-tree", "--write-tree", side.tips.target, side.tips.branch)


def run(runs: int, folder: Path) -> dict[str, object]:
    door = Door(protocols=frozenset({"file"}))
    repos = {size: grow(folder / f"{size}.git", size, 3) for size in (SMALL, LARGE)}
    costs: dict[str, list[Cost]] = {"small": [], "large": [], "clone_and_rebase": [], "floor": []}
    with (
        open_mirror(folder / "mirrors", repos[SMALL].url, door) as small,
        open_mirror(folder / "mirrors", repos[LARGE].url, door) as large,
    ):
        sides = [Side(mirror=mirror, tips=mirror.fetch("topic", "main")) for mirror in (small, large)]
        for number in range(runs + 1):
            spent = once(sides[0], sides[1], repos[LARGE], folder / f"clone-{number}", number)
            if number:  # the first round fills the caches of the disk
                for name, cost in spent.items():
                    costs[name].append(cost)
    return report(costs)


def once(small: Side, large: Side, repo: Repository, clone: Path, number: int) -> dict[str, Cost]:
    """One round of all four; each round has a committer date of its own, so that every commit is written."""
    for side in (small, large):
        seen_before(side)
    spent = {
        "small": measure(partial(replayed, small, number)),
        "large": measure(partial(replayed, large, number)),
        "floor": measure(partial(floor, large)),
        "clone_and_rebase": measure(partial(cloned_and_rebased, repo, clone)),
    }
    assert replayed(large, number) == git(clone, "rev-parse", "HEAD^{tree}").decode().strip()
    shutil.rmtree(clone)
    return spent


def seen_before(side: Side) -> None:
    """Leave the mirror as a job leaves it that ran before the target moved."""
    base = side.mirror.merge_base(side.tips.branch, side.tips.target)
    with side.mirror.git.objects() as objects:
        attributes_of(side.mirror.git, objects, objects.commit(base).tree)


def report(costs: dict[str, list[Cost]]) -> dict[str, object]:
    cpu = {name: statistics.median(cost.cpu for cost in rows) for name, rows in costs.items()}
    wall = {f"{name}_wall": statistics.median(c.wall for c in rows) for name, rows in costs.items()}
    ratios = {
        "large_by_small": cpu["large"] / cpu["small"],
        "large_by_clone_and_rebase": cpu["large"] / cpu["clone_and_rebase"],
    }
    return {
        "name": "rebase",
        "figures": {name: round(value, 4) for name, value in {**ratios, **cpu, **wall}.items()},
        "bounds": BOUNDS,
        "holds": all(ratios[name] <= bound for name, bound in BOUNDS.items()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--runs", type=int, default=7)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="git-bench-") as folder:
        result = run(asked.runs, Path(folder))
    print(json.dumps(result, indent=None if asked.json else 2))
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
