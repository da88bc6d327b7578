"""How long does the ladder take for one conflicted source file?

`python -m tests.bench.resolver [--json] [--files N] [--repo PATH [--merges N]]` resolves synthetic files of four
languages, or the conflicted source files of a repository's own merges, by every rung that needs no model. The
floor is what parsing the three versions costs. Figures are milliseconds of wall time in this process ("cpu": of
processor time), medians of interleaved runs; "late" counts files over their time limit. Beside speed, `--repo` tells how many files were
answered and how many of these equal what people committed (line-trimmed, or the same lines).
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowforge.core.conflict import Conflict, Kind, Version, parse_segments
from flowforge.core.errors import Refused
from flowforge.merge.syntax import parse
from flowforge.resolve.ladder import climb
from flowforge.resolve.policy import Action, Paths, Policy
from flowforge.resolve.rungs import language_of
from tests.golden.conflictcases import conflict_of
from tests.golden.rungs import registry, shipped_rungs

RUNS = 7
DEADLINE_MS = 5000.0
MEDIAN_MS = 30.0
ACT = Policy(otherwise=Action.ACT, paths=Paths(protected=()))
FUNCTIONS = {
    "py": ("import os\n\n", "def function_{n}(a, b):\n    total = a * {n}\n    for item in b:\n        total += item\n    return total\n\n\n"),
    "go": ("package a\n\n", "func Function{n}(a int, b []int) int {{\n\ttotal := a * {n}\n\tfor _, item := range b {{\n\t\ttotal += item\n\t}}\n\treturn total\n}}\n\n"),
    "java": ("class A {\n\n", "    int function{n}(int a, int b) {{\n        int total = a * {n};\n        total += b;\n        return total;\n    }}\n\n"),
    "ts": ("import {{ a }} from 'a';\n\n".replace("{{", "{").replace("}}", "}"), "export function f{n}(a: number, b: number[]): number {{\n  let total = a * {n};\n  for (const item of b) total += item;\n  return total;\n}}\n\n"),
}  # fmt: skip
ADDED = {  # what the two sides add: unlike each other, for a rung doubts two functions that are nearly the same
    "py": ("def opened(path):\n    with open(path) as file:\n        return file.read()\n\n\n", "def largest(rows):\n    if not rows:\n        raise ValueError(rows)\n    return max(rows, key=len)\n\n\n"),
    "go": ("func Opened(path string) ([]byte, error) {\n\treturn os.ReadFile(path)\n}\n\n", "func Largest(rows []int) int {\n\tbest := 0\n\tfor _, row := range rows {\n\t\tif row > best {\n\t\t\tbest = row\n\t\t}\n\t}\n\treturn best\n}\n\n"),
    "java": ("    String opened(Path path) throws IOException {\n        return Files.readString(path);\n    }\n\n", "    int largest(int[] rows) {\n        int best = 0;\n        for (int row : rows) {\n            if (row > best) best = row;\n        }\n        return best;\n    }\n\n"),
    "ts": ("export async function opened(path: string) {\n  return await fetch(path);\n}\n\n", "export function largest(rows: number[]): number {\n  if (rows.length === 0) throw new Error('none');\n  return Math.max(...rows);\n}\n\n"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Case:
    conflict: Conflict
    human: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Timed:
    resolve: float  # ms
    cpu: float
    floor: float
    outcome: str  # handed_back | resolved | right | different


def synthetic(files: int, folder: Path) -> Iterator[Case]:
    """Files of 40 to 160 functions: both sides add one at one place and edit one function each."""
    for number in range(files):
        ending = list(FUNCTIONS)[number % len(FUNCTIONS)]
        head, function = FUNCTIONS[ending]
        bodies = [function.format(n=n) for n in range(40 + 40 * (number % 4))]
        middle = len(bodies) // 2
        tail = "}\n" if ending == "java" else ""
        texts = []
        for side in range(3):
            mine = list(bodies)
            if side:
                mine.insert(middle, ADDED[ending][side - 1])
                mine[3 * side] = mine[3 * side].replace("total = a", f"total = {side} + a")
            texts.append((head + "".join(mine) + tail).encode())
        yield Case(conflict=conflict_of(f"a{number}.{ending}", texts[0], texts[1], texts[2], folder))


def from_history(repo: Path, merges: int) -> Iterator[Case]:
    """Conflicted source files of the repository's two-parent merges, newest first."""
    log = git(repo, "log", "--all", "--merges", "--max-parents=2", f"-{merges}", "--format=%H %P").decode()
    for merge, upstream, commit in (line.split() for line in log.splitlines()):
        yield from _of_merge(repo, merge, upstream, commit)


def _of_merge(repo: Path, merge: str, upstream: str, commit: str) -> Iterator[Case]:
    records = git(repo, "merge-tree", "--write-tree", "-z", upstream, commit).split(b"\0")
    stages: dict[str, dict[str, Version]] = {}
    for record in records[1 : records.index(b"") if b"" in records else None]:
        meta, _, path = record.partition(b"\t")
        mode, oid, stage = meta.decode().split()
        name = path.decode(errors="surrogateescape")
        if mode.startswith("100"):
            version = Version(path=name, mode=mode, oid=oid, content=git(repo, "cat-file", "blob", oid))
            stages.setdefault(name, {})[stage] = version
    for path, sides in stages.items():
        language = language_of(path, registry().languages.values())
        if language is None or not language.entities or sides.keys() != {"1", "2", "3"}:
            continue
        merged, human = (
            git(repo, "cat-file", "blob", f"{tree}:{path}") for tree in (records[0].decode(), merge)
        )
        if not human or parse(human, language).has_error:
            continue  # about one human merge in a hundred does not parse
        conflict = _conflict(path, sides, merged)
        if conflict is not None and conflict.hunks:
            yield Case(conflict=conflict, human=human)


def _conflict(path: str, sides: dict[str, Version], merged: bytes) -> Conflict | None:
    try:
        segments = parse_segments(merged, 7)
    except Refused:
        return None
    return Conflict(
        path=path,
        kind=Kind.CONTENT,
        base=sides["1"],
        upstream=sides["2"],
        commit=sides["3"],
        segments=segments,
    )


def git(repo: Path, *argv: str) -> bytes:
    command = ["git", "-C", str(repo), "-c", "merge.conflictStyle=diff3", *argv]
    return subprocess.run(command, capture_output=True, check=False).stdout


def timed(case: Case) -> Timed:
    runs = [_once(case.conflict) for _ in range(RUNS)]
    answers = climb([case.conflict], shipped_rungs(), ACT)
    outcome = "handed_back"
    if answers.resolutions:
        outcome = _judge(answers.resolutions[0].result, case.human)
    return Timed(
        resolve=statistics.median(run[0] for run in runs),
        cpu=statistics.median(run[1] for run in runs),
        floor=statistics.median(run[2] for run in runs),
        outcome=outcome,
    )


def _once(conflict: Conflict) -> tuple[float, float, float]:
    language = language_of(conflict.path, registry().languages.values())
    assert language is not None
    began, used = time.perf_counter(), time.process_time()
    climb([conflict], shipped_rungs(), ACT)
    middle, used = time.perf_counter(), time.process_time() - used
    for version in (conflict.base, conflict.upstream, conflict.commit):
        _ = parse(version.content or b"", language).root if version else None
    return (middle - began) * 1000, used * 1000, (time.perf_counter() - middle) * 1000


def _judge(result: bytes, human: bytes | None) -> str:
    if human is None:
        return "resolved"
    one, two = ([line.strip() for line in text.split(b"\n") if line.strip()] for text in (result, human))
    return "right" if sorted(one) == sorted(two) else "different"


def report(name: str, found: Sequence[Timed], coverage: float) -> dict[str, object]:
    """`coverage`: the least share that must have been answered, so that giving up is not taken for speed."""
    outcomes = Counter(timed.outcome for timed in found)
    answered = len(found) - outcomes["handed_back"]
    median = statistics.median(timed.resolve for timed in found)
    worst = max(timed.resolve for timed in found)
    figures: dict[str, object] = {
        "files": len(found),
        "median_ms": round(median, 2),
        "median_cpu_ms": round(statistics.median(timed.cpu for timed in found), 2),
        "floor_ms": round(statistics.median(timed.floor for timed in found), 2),
        "p95_ms": round(sorted(timed.resolve for timed in found)[int(len(found) * 0.95)], 2),
        "worst_ms": round(worst, 2),
        "late": sum(timed.resolve > DEADLINE_MS for timed in found),
        "coverage": round(answered / len(found), 3),
    }
    if outcomes["right"] + outcomes["different"]:
        wrong = outcomes["different"]
        figures["precision"] = round(1 - wrong / answered, 3)
        figures["cost_10"] = round((outcomes["handed_back"] + 10 * wrong) / len(found), 3)
    holds = median <= MEDIAN_MS and worst <= DEADLINE_MS and answered >= coverage * len(found)
    bounds = {"median_ms": MEDIAN_MS, "late": 0, "coverage": coverage}
    return {"name": name, "figures": figures, "bounds": bounds, "holds": holds}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--repo", type=Path)
    parser.add_argument("--merges", type=int, default=500)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="resolver-bench-") as folder:
        if asked.repo:
            cases = list(from_history(asked.repo, asked.merges))
        else:
            cases = list(synthetic(asked.files, Path(folder)))
    if not cases:
        print(json.dumps({"name": "resolver", "figures": {"files": 0}, "bounds": {}, "holds": False}))
        return 1
    result = report("resolver", [timed(case) for case in cases], coverage=0.0 if asked.repo else 1.0)
    print(json.dumps(result, indent=None if asked.json else 2))
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
