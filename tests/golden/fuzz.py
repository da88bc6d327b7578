"""Mutated triples through the rungs: whatever the texts, an answer fits, parses and loses nothing, or there is none.

`python -m tests.golden.fuzz [--n N] [--seed S] [--workers W]` runs the search; the test suite runs a slice of it.
Texts begin as golden cases and as seeds of every other format, have at most forty lines, and go through every
registered resolver that needs neither a model nor a database.
"""

import argparse
import random
import secrets
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from flowforge.core.conflict import Conflict, Kind, Version, split_lines
from flowforge.hooks.manager import Registry, discover, load_plugins
from flowforge.resolve.ladder import Rung
from flowforge.resolve.rungs import plan_rungs
from tests.golden.conflictcases import path_of
from tests.golden.mutations import mutate
from tests.golden.properties import answers_again, problem_of, segments_of
from tests.golden.rungs import WORDS, call
from tests.golden.seeds import SEEDS

CASES = Path(__file__).parent / "conflicts"
SIDES = {"base", "upstream", "commit", "expected"}
LINES = 40
HANG = 60  # seconds after which a triple is a hang, and the search says which
AGAIN = 20  # every so many triples are answered twice


@dataclass(kw_only=True)
class Tally:
    """What a search came to."""

    triples: int = 0
    conflicts: int = 0
    answered: Counter[str] = field(default_factory=Counter)  # by the ending of the path
    wrong: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.triples += other.triples
        self.conflicts += other.conflicts
        self.answered += other.answered
        self.wrong += other.wrong


@cache
def registry() -> Registry:
    return load_plugins(discover())


@cache
def rungs() -> tuple[Rung, ...]:
    return plan_rungs(registry(), WORDS, call)


@cache
def sources() -> tuple[tuple[str, bytes], ...]:
    """Every golden text and every seed with its path; formats in equal shares, as near as whole numbers go."""
    found = [(path_of(p.parent), p.read_bytes()) for p in sorted(CASES.rglob("*.*")) if p.stem in SIDES]
    kinds = Counter(_kind(path) for path, _ in found)
    for path, text in SEEDS.items():
        found += [(path, text)] * max(1, max(kinds.values()) // 4 - kinds[_kind(path)])
    return tuple(found)


def triples(rng: random.Random, count: int) -> Iterator[tuple[str, bytes, bytes, bytes]]:
    for _ in range(count):
        path, text = rng.choice(sources())
        base = b"".join(split_lines(text * rng.choice((1, 1, 2)))[:LINES])
        if rng.random() < _ODD_BASE:
            base = mutate(rng, base)
        yield path, base, _short(mutate(rng, base)), _short(mutate(rng, base))


_ODD_BASE = 0.1


def conflict_of(path: str, base: bytes, upstream: bytes, commit: bytes) -> Conflict:
    def version(text: bytes) -> Version:
        return Version(path=path, mode="100644", oid="0" * 40, content=text)

    return Conflict(
        path=path,
        kind=Kind.CONTENT,
        base=version(base),
        upstream=version(upstream),
        commit=version(commit),
        segments=segments_of(base, upstream, commit),
    )


def search(count: int, seed: int) -> Tally:
    """Run `count` triples of `seed`; what was wrong stands with its triple."""
    rng = random.Random(seed)  # noqa: S311 (repeatable, not secret)
    tally = Tally()
    for number, triple in enumerate(triples(rng, count)):
        tally.triples += 1
        conflict = conflict_of(*triple)
        if not conflict.hunks:
            continue
        tally.conflicts += 1
        problem = _watched(conflict, again=number % AGAIN == 0)
        if problem == "":
            tally.answered[_kind(conflict.path)] += 1
        elif problem is not None:
            tally.wrong.append(f"seed {seed}, triple {number}: {problem}: {triple!r}")
    return tally


def _watched(conflict: Conflict, *, again: bool) -> str | None:
    """A property that fails, also where the rungs raise or do not come back."""
    signal.alarm(HANG)
    try:
        problem = problem_of(conflict, rungs(), registry().languages.values())
        if not problem and again and not answers_again(conflict, rungs()):
            return "another answer for the same conflict"
    except Exception as error:  # noqa: BLE001 (whatever it is, it is the finding)
        return f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    return problem


def _hung(*_: object) -> None:
    raise TimeoutError(f"no answer within {HANG} s")


def _short(text: bytes) -> bytes:
    return b"".join(split_lines(text)[:LINES])


def _kind(path: str) -> str:
    return Path(path).suffix or Path(path).name


def _slice(work: tuple[int, int]) -> Tally:
    signal.signal(signal.SIGALRM, _hung)
    return search(*work)


def run(count: int, seed: int, workers: int = 1) -> Tally:
    """`count` triples in slices whose seeds follow from `seed`, so that the same ones run whatever the workers."""
    slices = [(min(_SLICE, count - start), seed + start // _SLICE) for start in range(0, count, _SLICE)]
    total = Tally()
    with ProcessPoolExecutor(workers) as pool:
        for done, tally in enumerate(pool.map(_slice, slices), start=1):
            total.add(tally)
            if sys.stderr.isatty():
                print(f"\r{done}/{len(slices)}", end="", file=sys.stderr)
    return total


_SLICE = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--show", type=int, default=5, help="findings to print")
    options = parser.parse_args()
    tally = run(options.n, options.seed, options.workers)
    answered = ", ".join(f"{kind} {count}" for kind, count in sorted(tally.answered.items()))
    print(
        f"{tally.triples} triples, seed {options.seed}: {tally.conflicts} conflicts,"
        f" {tally.answered.total()} answered ({answered}), {len(tally.wrong)} wrong"
    )
    print("\n".join(tally.wrong[: options.show]))
    raise SystemExit(bool(tally.wrong))


if __name__ == "__main__":
    main()
