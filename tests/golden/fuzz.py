"""Mutated triples through the rungs: whatever the texts, an answer fits, parses and loses nothing, or there is none.

`python -m tests.golden.fuzz [--n N] [--seed S]` runs the search; the test suite runs a slice with a fresh seed.
"""

import argparse
import random
import secrets
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from flowforge.core.conflict import Conflict, outside_hash, split_lines
from flowforge.core.errors import Refused
from flowforge.merge.syntax import parse
from flowforge.resolve.ladder import Answers, climb
from flowforge.resolve.policy import Action, Policy
from flowforge.resolve.rungs import language_of
from tests.golden.conflictcases import conflict_of, path_of
from tests.golden.rungs import registry, shipped_rungs

CASES = Path(__file__).parent / "conflicts"
SIDES = {"base", "upstream", "commit", "expected"}
ACT = Policy(otherwise=Action.ACT)

Lines = list[bytes]
Mutation = Callable[[random.Random, Lines], None]


def drop(rng: random.Random, lines: Lines) -> None:
    at = rng.randrange(len(lines))
    del lines[at : at + rng.randint(1, 3)]


def double(rng: random.Random, lines: Lines) -> None:
    at = rng.randrange(len(lines))
    lines.insert(at, lines[rng.randrange(len(lines))])


def swap(rng: random.Random, lines: Lines) -> None:
    one, two = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[two] = lines[two], lines[one]


def indent(rng: random.Random, lines: Lines) -> None:
    at = rng.randrange(len(lines))
    for place in range(at, min(at + 3, len(lines))):
        lines[place] = rng.choice((b"  ", b"\t", b"    ")) + lines[place]


def rename(rng: random.Random, lines: Lines) -> None:
    at = rng.randrange(len(lines))
    words = lines[at].split(b" ")
    words[rng.randrange(len(words))] = rng.choice((b"x", b"total", b"y,", b"()", b'"s"', b"\xe9", b"="))
    lines[at] = b" ".join(words)


def block(rng: random.Random, lines: Lines) -> None:
    """Take a run of lines from elsewhere, as a copied definition would be."""
    start = rng.randrange(len(lines))
    lines[rng.randrange(len(lines)) : 0] = lines[start : start + rng.randint(2, 6)]


def line_ends(rng: random.Random, lines: Lines) -> None:
    at = rng.randrange(len(lines))
    lines[at:] = [line.replace(b"\n", b"\r\n") for line in lines[at : at + 4]] + lines[at + 4 :]


def chop(_: random.Random, lines: Lines) -> None:
    lines[-1] = lines[-1].rstrip(b"\n")


MUTATIONS: tuple[Mutation, ...] = (
    drop,
    double,
    double,
    swap,
    indent,
    rename,
    rename,
    rename,
    block,
    line_ends,
    chop,
)


def mutate(rng: random.Random, text: bytes) -> bytes:
    lines = split_lines(text)
    for _ in range(rng.randint(1, 4)):
        if lines:
            rng.choice(MUTATIONS)(rng, lines)
    return b"".join(lines)


def triples(rng: random.Random, count: int) -> list[tuple[str, bytes, bytes, bytes]]:
    sources = sorted(p for p in CASES.rglob("*.*") if p.stem in SIDES)
    made = []
    for _ in range(count):
        source = rng.choice(sources)
        base = source.read_bytes() * rng.choice((1, 1, 2))
        made.append((path_of(source.parent), base, mutate(rng, base), mutate(rng, base)))
    return made


def problem_of(name: str, base: bytes, upstream: bytes, commit: bytes, folder: Path) -> str | None:
    """What is wrong with the ladder's answer to one triple: "" when nothing is, None where it gave none."""
    try:
        conflict = conflict_of(name, base, upstream, commit, folder)
    except Refused:
        return None  # a line like a marker in the text: git's merge cannot be told from the file
    if not conflict.hunks:
        return None
    answers = climb([conflict], shipped_rungs(), ACT)
    failed = [note.sentence for note in answers.notes if note.outcome == "failed"]
    if failed:
        return failed[0]
    if answers != climb([conflict], shipped_rungs(), ACT):
        return "another answer for the same conflict"
    if not answers.resolutions:
        return None
    return unfit(conflict, answers) or lost(conflict, answers) or broken(conflict, answers)


def unfit(conflict: Conflict, answers: Answers) -> str:
    found = answers.resolutions[0]
    return "" if found.outside == outside_hash(conflict.segments) else "a byte outside the hunks changed"


def lost(conflict: Conflict, answers: Answers) -> str:
    """A word that one side added to a hunk and the other left alone must stand in its answer."""
    for hunk, answer in zip(conflict.hunks, answers.resolutions[0].answers, strict=True):
        base, upstream, commit = (words(text) for text in (hunk.base, hunk.upstream, hunk.commit))
        result = words(answer.text)
        for word in upstream.keys() | commit.keys():
            one, two = upstream[word] - base[word], commit[word] - base[word]
            if min(one, two) >= 0 and result[word] < base[word] + max(one, two):
                return f"{word!r} was lost by {answer.rung}, {answer.rule}"
    return ""


def words(text: bytes) -> Counter[bytes]:
    for mark in b"(){}[],;:":
        text = text.replace(bytes([mark]), b" ")
    return Counter(text.split())


def broken(conflict: Conflict, answers: Answers) -> str:
    language = language_of(conflict.path, registry().languages.values())
    structural = any(a.rung == "structural" for a in answers.resolutions[0].answers)
    if language is None or not structural:
        return ""
    result = answers.resolutions[0].result + b"\n"  # one grammar wants a last line end where its compiler does not
    return "the result does not parse" if parse(result, language).has_error else ""


def search(count: int, seed: int) -> tuple[int, list[str]]:
    """Run `count` triples; how many were answered, and what was wrong, each with its triple."""
    rng = random.Random(seed)  # noqa: S311 (repeatable, not secret)
    wrong: list[str] = []
    answered = 0
    with tempfile.TemporaryDirectory(prefix="merge-fuzz-") as folder:
        for triple in triples(rng, count):
            problem = problem_of(*triple, Path(folder))
            answered += problem == ""
            if problem:
                wrong.append(f"seed {seed}: {problem}: {triple!r}")
    return answered, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    options = parser.parse_args()
    answered, wrong = search(options.n, options.seed)
    print(f"{options.n} triples, seed {options.seed}: {answered} answered, {len(wrong)} wrong")
    print("\n".join(wrong[:5]))
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
