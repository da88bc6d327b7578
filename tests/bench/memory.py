"""How much memory a worker takes on a large repository, beside the same worker on a small one.

`python -m tests.bench.memory [--json] [--commits N]` starts the whole service twice, each time with a worker that
has done nothing yet, and hands it two jobs over REST: a branch that forks off at the very first commit, and one whose
conflict the structural rung answers. Both fetch, rebase, validate, run a command on all files and push. The large
repository has 50 000 files and 10 000 commits, the small one 500 files and 100 commits.

Figures are megabytes of resident memory, looked at every 10 ms: `worker` is the process itself by the kernel's own
high-water mark, `with_children` the most that it and its Python children (the pool) had at one moment, pages that
they share counted once for each, and `git` the most that git and sandboxed processes took beside them, files that
they map included. The floor is the worker before its first job.

Then `flat`: a worker of four threads runs 1000 jobs that do nothing (`tests.bench.noop`), and its resident memory is
looked at after each hundred. The first hundred fill its pools and caches; of the others the greatest and the smallest
are given by their median. `--only flat` leaves the repositories out, `--only large` this.
"""

import argparse
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from flowforge.api.models import JobIn, RepositoryIn
from flowforge.cli.client import Client
from flowforge.cli.server import Server
from flowforge.settings import read_settings
from flowforge.wiring.up import Service, service
from tests.bench.machine import machine, median, report, show, until
from tests.bench.processes import descendants, most_resident, program, resident
from tests.bench.rebase import commit, grow, modify
from tests.gitrepo import Repository

FILES = {"small": 500, "large": 50_000}
SHARE_OF_COMMITS = 100  # the small repository has so many times fewer
BOUNDS = {"large_with_children_mb": 300.0, "flat_greatest_by_median": 1.1}
AT_LEAST = {"flat_smallest_by_median": 0.9}
BATCH = 100  # jobs between two looks at a worker whose memory shall stay flat
OWN = 100  # files below this number are changed by `topic` alone
LOOK = 0.01  # seconds
WAIT = 600  # seconds for one job
PIPELINE = """version: 1
name: bench
stages:
  - {id: clone, uses: clone}
  - {id: rebase, uses: rebase}
  - {id: resolve, uses: resolve, with: {rungs: [memory, mechanical, document, structural]}}
  - {id: validate, uses: validate}
  - {id: test, uses: test, run: "test -f shop.py"}
  - {id: push, uses: push}
finally:
  - {uses: report}
"""
SHOP = "def price(cents):\n    return cents\n"
SIDES = {
    "main": f"import decimal\n\n\n{SHOP}\n\ndef taxed(cents):\n    return cents + cents // 5\n",
    "conflict": f"import fractions\n\n\n{SHOP}\n\ndef discounted(cents):\n    return cents - cents // 10\n",
}


def make(path: Path, files: int, commits: int) -> Repository:
    """`files` files; `topic` forks off before `commits` commits of main, `conflict` half-way through them."""
    repo = grow(path, files, 3)
    fork = commits // 2
    stream = [_commit("main", 1, "main^0", 0), _modify("shop.py", SHOP)]
    for number in range(2, commits + 1):
        stream += [
            _commit("main", number, f":{number - 1}", number),
            _changed(OWN + number % (files - OWN), number),
        ]
    stream += [_commit("conflict", commits + 1, f":{fork}", fork), _modify("shop.py", SIDES["conflict"])]
    stream += [_commit("main", commits + 2, f":{commits}", commits), _modify("shop.py", SIDES["main"])]
    repo.git("fast-import", "--quiet", stdin="".join(stream).encode())
    return repo


def _commit(branch: str, mark: int, parent: str, minute: int) -> str:
    head = commit(branch, mark, 0, 1_700_001_000 + 60 * minute, f"commit {mark}")
    return head.replace("from :0", f"from {parent}")


def _changed(file: int, number: int) -> str:
    return modify(file, "".join(f"line {row} as of commit {number}\n" for row in range(30)))


def _modify(path: str, text: str) -> str:
    return f"M 100644 inline {path}\ndata {len(text)}\n{text}\n"


@dataclass(kw_only=True)
class Watch:
    """What the worker and all below it take; peaks in bytes."""

    worker: int
    start: int = 0
    alone: int = 0
    with_children: int = 0
    git: int = 0
    _seen: frozenset[int] = frozenset()
    _over: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        """One moment. A process is counted from the second time on: between fork and exec it is a mere copy."""
        below = frozenset(descendants(self.worker))
        old = {pid: resident(pid) for pid in below & self._seen}
        self._seen = below
        ours = program(self.worker)
        python = sum(size for pid, size in old.items() if program(pid) == ours)
        self.with_children = max(self.with_children, resident(self.worker) + python)
        self.git = max(self.git, sum(old.values()) - python)

    def follow(self) -> None:
        while not self._over.wait(LOOK):
            self.look()

    @contextmanager
    def following(self) -> Iterator[None]:
        self.start = resident(self.worker)
        thread = threading.Thread(target=self.follow)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
            self.alone = most_resident(self.worker)


def run_jobs(running: Service, url: str) -> None:
    with Client(Server(url=running.url, token=running.token)) as client:
        repository = client.add_repository(RepositoryIn(name="bench", url=url, default_branch="main")).id
        for branch in ("topic", "conflict"):
            _run_job(client, repository, branch)


def _run_job(client: Client, repository: UUID, branch: str) -> None:
    asked = JobIn(repository=repository, branch=branch, target="main", pipeline=PIPELINE)
    job = client.submit(asked, f"bench-{branch}").id
    for _ in range(WAIT // 30):
        found = client.job(job, wait=30)
        if found.final:
            break
    assert found.ending is not None
    assert found.ending.reason == "pushed", found.ending
    stages = {stage.stage: stage.result for stage in found.stages}
    assert (stages["resolve"] == "success") == (branch == "conflict"), stages


def measured(folder: Path, repo: Repository) -> Watch:
    settings = read_settings(data_dir=folder, port=0, database_url="", redis_url="", host="127.0.0.1")
    more = {"FLOWFORGE_GIT_PROTOCOLS": "file", "FLOWFORGE_WORKER_THREADS": "1"}
    with service(settings, durable=False, more=more) as running:
        watch = Watch(worker=running.processes["worker"].pid)
        with watch.following():
            run_jobs(running, repo.url)
    return watch


def flat(jobs: int) -> dict[str, float]:
    """Resident memory of one worker over many jobs."""
    seen: list[float] = []
    with machine(durable=False) as made, made.relay(), made.workers(1, 4) as (worker,):
        start = resident(worker) / 2**20
        for batch in range(jobs // BATCH):
            for number in range(BATCH):
                made.submit(f"topic-{batch}-{number}")
            until(lambda: made.unfinished() == 0, WAIT)
            seen.append(resident(worker) / 2**20)
    settled = seen[1:]
    return {
        "flat_jobs": jobs,
        "flat_floor_mb": start,
        "flat_after_100_mb": seen[0],
        "flat_last_mb": seen[-1],
        "flat_greatest_by_median": max(settled) / median(settled),
        "flat_smallest_by_median": min(settled) / median(settled),
    }


def sizes(watches: Mapping[str, Watch]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for size, watch in watches.items():
        bytes_ = {
            "floor": watch.start,
            "worker": watch.alone,
            "with_children": watch.with_children,
            "git": watch.git,
        }
        figures |= {f"{size}_{name}_mb": round(count / 2**20, 1) for name, count in bytes_.items()}
    figures["large_by_small"] = watches["large"].with_children / watches["small"].with_children
    return figures


def repositories(commits: int) -> dict[str, float]:
    watches = {}
    with tempfile.TemporaryDirectory(prefix="ff-mem-") as folder:
        for size, files in FILES.items():
            count = commits if size == "large" else commits // SHARE_OF_COMMITS
            repo = make(Path(folder) / f"{size}.git", files, count)
            watches[size] = measured(Path(folder) / size, repo)
    return sizes(watches)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--commits", type=int, default=10_000, help="of the large repository")
    parser.add_argument("--jobs", type=int, default=1000, help="of the worker that shall stay flat")
    parser.add_argument("--only", choices=("flat", "large"), help="one of the two parts")
    asked = parser.parse_args()
    figures: dict[str, float] = {}
    if asked.only != "large":
        figures |= flat(asked.jobs)
    if asked.only != "flat":
        figures |= repositories(asked.commits)
    most = {name: bound for name, bound in BOUNDS.items() if name in figures}
    least = {name: bound for name, bound in AT_LEAST.items() if name in figures}
    return show(report("memory", figures, most, least), as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
