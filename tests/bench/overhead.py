"""What a whole job costs beside a shell script of plain git commands that does the same.

`python -m tests.bench.overhead [--json] [--runs N] [--only FILES]` makes repositories of 500, 5 000 and 50 000 files. In every round
the target moves, and each side brings the same branch up to date and pushes it: a job with a warm mirror, in this
process (`run_here`), and a script that clones, rebases, runs the same test command and pushes. At 50 000 files there
is also a job without a stage that needs files, beside a script without the test. At 500 files the real command
`flowforge run` is timed from outside, with an empty test command.

The floor is what any tool with a warm mirror must do: fetch, merge once, write the files, run the test command, push.
Ratios are medians of the rounds' own ratios, of wall seconds; "cpu" are processor seconds of this process and its
children. Who goes first changes from round to round.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import flowforge
from flowforge.cli.runner import Asked
from flowforge.core.errors import Reason
from flowforge.settings import Settings
from flowforge.wiring.local import run_here
from tests.bench.rebase import Cost, commit, environment, grow, measure, modify
from tests.gitrepo import Repository

SIZES = SMALL, MIDDLE, LARGE = 500, 5_000, 50_000
TEST = "sleep 2"
BOUNDS = {
    "job_by_script_5000": 1.5,
    "job_by_script_50000": 1.0,
    "job_by_script_50000_no_files": 0.5,
    "flowforge_run_500_s": 1.0,
}
SCRIPT = """set -e
git clone -q -b topic "$1" "$2" && cd "$2"
git rebase -q origin/main
if [ -n "$3" ]; then sh -c "$3"; fi
git push -q --force-with-lease origin topic
"""
FLOOR = """set -e
mkdir "$2" && cd "$4"
git fetch -q --force "$1" topic:refs/heads/topic main:refs/heads/main
git merge-tree --write-tree main topic >/dev/null
if [ -n "$3" ]; then git archive topic | tar -x -C "$2" && (cd "$2" && sh -c "$3"); fi
git push -q --force "$1" main:refs/heads/floor
"""
STAGES = """version: 1
name: bench
stages:
  - {id: clone, uses: clone}
  - {id: rebase, uses: rebase}
  - {id: validate, uses: validate}
"""
Works = Mapping[str, Callable[[], object]]


@dataclass(frozen=True, kw_only=True)
class Place:
    """One repository, the job's settings beside it, and the script's own bare mirror for the floor."""

    repo: Repository
    folder: Path
    topic: str

    @property
    def files(self) -> int:
        return int(self.folder.name)

    def definition(self, test: str) -> Path:
        """A pipeline file: with a test stage, or (test "") without any stage that needs files."""
        path = self.folder / ("tested.yml" if test else "plain.yml")
        stage = f"  - {{id: test, uses: test, run: '{test}'}}\n" if test else ""
        path.write_text(f"{STAGES}{stage}  - {{id: push, uses: push}}\nfinally:\n  - {{uses: report}}\n")
        return path

    def asked(self, test: str) -> Asked:
        return Asked(
            repository=self.repo.url, branch="topic", onto="main", pipeline=str(self.definition(test))
        )

    def settings(self) -> Settings:
        return Settings(data_dir=self.folder / "data")

    def moves(self, number: int) -> None:
        """The target gets one more commit, and the branch is where it was before anybody rebased it."""
        text = "".join(f"line {row} of round {number}\n" for row in range(30))
        head = commit("main", 1, 0, 1_700_001_000 + number, f"round {number}").replace(
            "from :0", "from main^0"
        )
        name = number * 13 + 5
        self.repo.git("fast-import", "--quiet", stdin=(head + modify(name, text)).encode())
        self.rewind()

    def rewind(self) -> None:
        self.repo.point("topic", self.topic)


def make(folder: Path, files: int) -> Place:
    place = folder / str(files)
    repo = grow(place / "origin.git", files, 3)
    (place / "data").mkdir()
    subprocess.run(
        ["git", "clone", "-q", "--bare", repo.url, str(place / "floor.git")], check=True, env=environment()
    )
    return Place(repo=repo, folder=place, topic=repo.tip("topic"))


def job(place: Place, test: str) -> None:
    ended = run_here(place.asked(test), place.settings(), lambda _kind, _data: None)
    assert any(result.reason is Reason.PUSHED for result in ended.results), ended.ending


def script(place: Place, text: str, test: str) -> None:
    """Run a script in a folder of its own, which is removed after the clock has stopped."""
    folder = tempfile.mkdtemp(prefix="work-", dir=place.folder)
    words = ["sh", "-c", text, "sh", place.repo.url, f"{folder}/tree", test, str(place.folder / "floor.git")]
    subprocess.run(words, check=True, env=environment(), stdout=subprocess.DEVNULL)


def command(place: Place) -> None:
    """`flowforge run`, the whole process, with an empty test command."""
    words = [str(Path(sys.executable).parent / "flowforge"), "run", place.repo.url, "--branch", "topic"]
    words += ["--onto", "main", "--pipeline", str(place.definition(":"))]
    env = {
        **environment(),
        "HOME": str(place.folder),
        "FLOWFORGE_DATA_DIR": str(place.folder / "data"),
        "PYTHONPATH": str(Path(flowforge.__file__).parents[1]),  # what is measured is what was imported here
    }
    said = subprocess.run(words, check=True, env=env, capture_output=True)
    assert place.repo.tip("topic") != place.topic, said


def works(place: Place) -> Works:
    if place.files == SMALL:
        return {
            "flowforge_run_500": partial(command, place),
            "script_500": partial(script, place, SCRIPT, ":"),
            "floor_500": partial(script, place, FLOOR, ":"),
            "python_start": partial(subprocess.run, [sys.executable, "-c", "pass"], check=True),
        }
    if place.files == MIDDLE:
        return _compared(place)
    return {
        **_compared(place),
        "job_50000_no_files": partial(job, place, ""),
        "script_50000_no_files": partial(script, place, SCRIPT, ""),
        "floor_50000_no_files": partial(script, place, FLOOR, ""),
    }


def _compared(place: Place) -> Works:
    return {
        f"job_{place.files}": partial(job, place, TEST),
        f"script_{place.files}": partial(script, place, SCRIPT, TEST),
        f"floor_{place.files}": partial(script, place, FLOOR, TEST),
    }


def run(runs: int, sizes: Sequence[int], folder: Path) -> dict[str, object]:
    table = {place: works(place) for place in (make(folder, files) for files in sizes)}
    costs: dict[str, list[Cost]] = {name: [] for rows in table.values() for name in rows}
    for number in range(runs + 1):
        for place, rows in table.items():
            place.moves(number)
            names = sorted(rows, reverse=number % 2 == 1)
            spent = {name: _one(place, rows[name]) for name in names}
            if number:  # the first round warms the mirrors and the caches of the disk
                for name, cost in spent.items():
                    costs[name].append(cost)
    return report(costs)


def _one(place: Place, work: Callable[[], object]) -> Cost:
    place.rewind()
    os.sync()  # what the one before wrote is not paid by this one
    try:
        return measure(work)
    finally:
        for left in place.folder.glob("work-*"):
            subprocess.run(["rm", "-rf", str(left)], check=True)


def report(costs: Mapping[str, list[Cost]]) -> dict[str, object]:
    figures = {}
    for name in BOUNDS:
        mine, theirs = name.replace("_by_script", ""), name.replace("job_by_", "")
        if "_by_" in name and mine in costs:
            figures[name] = by(costs, mine, theirs)
    for name, rows in costs.items():
        figures[f"{name}_s"] = statistics.median(row.wall for row in rows)
        figures[f"{name}_cpu_s"] = statistics.median(row.cpu for row in rows)
    bounds = {name: bound for name, bound in BOUNDS.items() if name in figures}
    return {
        "name": "overhead",
        "figures": {name: round(value, 3) for name, value in figures.items()},
        "load": round(os.getloadavg()[0], 1),
        "bounds": bounds,
        "holds": all(figures[name] <= bound for name, bound in bounds.items()),
    }


def by(costs: Mapping[str, list[Cost]], one: str, other: str) -> float:
    pairs = zip(costs[one], costs[other], strict=True)
    return statistics.median(mine.wall / theirs.wall for mine, theirs in pairs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--only", type=int, choices=SIZES, help="files of the one repository to measure")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overhead-bench-") as folder:
        result = run(asked.runs, [asked.only] if asked.only else SIZES, Path(folder))
    print(json.dumps(result, indent=None if asked.json else 2))
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
