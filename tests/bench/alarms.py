"""How often the checks of `semantics` accuse a merge that people committed: `python -m tests.bench.alarms REPOSITORY`.

Files that both sides and the merge changed are checked as their people left them, so a finding is a false alarm or a
break that people committed; `--show` prints each with its merge, to be looked at by eye. CPU time, not the clock's.
"""

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from flowforge.core.verdict import Finding
from flowforge.git.command import Door, Git
from flowforge.git.history import PastMerge, borrowed, merges, tips
from flowforge.git.objects import Objects
from flowforge.hooks.contracts import CheckedFile
from flowforge.hooks.manager import Registry, discover, load_plugins
from flowforge.merge.manifests import may_be_locked
from flowforge.pipeline.neighbours import neighbours
from flowforge.resolve.rungs import language_of
from flowforge.validate.check import run_check
from flowforge.validate.gate import validators_for
from flowforge.validate.introduced import checked_file
from flowforge.validate.locked import manifests_beside
from flowforge.validate.related import related


def files_of(git: Git, objects: Objects, merge: PastMerge, registry: Registry) -> Iterator[CheckedFile]:
    """Files that the merge made of both sides, and those in which one side may miss what the other took away."""
    languages = tuple(registry.languages.values())
    bases = git.try_run("merge-base", "--end-of-options", merge.upstream, merge.commit)[1].split()
    if not bases:
        return
    tips_ = (bases[0].decode(), merge.upstream, merge.commit, merge.oid)
    *trees, result = [objects.commit(tip).tree for tip in tips_]

    def known(path: str) -> bool:
        return language_of(path, languages) is not None

    others = neighbours(objects, trees, result, lambda path: known(path) or may_be_locked(path))
    beside = related([other for other in others if known(other.path)]) | manifests_beside(others)
    for other in others:
        sides = {"base": other.base, "upstream": other.upstream, "commit": other.commit}
        ours = None not in sides.values() and other.text not in sides.values()
        language = language_of(other.path, languages)
        if other.text is None or not (ours or other.path in beside):
            continue
        if language is not None or may_be_locked(other.path):
            file = checked_file(other.path, language.id if language else "", other.text, **sides)
            yield replace(file, related=beside.get(other.path, ()))


def measure(repository: Path, *, limit: int, seed: int, seconds: float, show: bool) -> dict[str, object]:
    registry, counts, spent = load_plugins(discover()), Counter[str](), [0.0]
    end = time.monotonic() + seconds
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="alarms-")))
        git = stack.enter_context(borrowed(repository, scratch, Door()))
        objects = stack.enter_context(git.objects())
        found = list(merges(git, tips(repository, Door())))
        random.Random(seed).shuffle(found)  # noqa: S311 (a sample, no secret)
        for merge in found:
            if counts["merges"] >= limit or time.monotonic() > end:
                break
            files = list(files_of(git, objects, merge, registry))
            counts["merges"] += bool(files)
            counts["files"] += len(files)
            for told in (one for file in files for one in _findings(file, registry, spent)):
                counts[f"{told.rule} {told.level}"] += 1
                if show:
                    where = f"{merge.oid[:12]} {told.path}:{told.start}"
                    print(f"{where} {told.rule} {told.level}: {told.message}")
    spent.sort()
    times = {f"ms_p{part}": round(spent[len(spent) * part // 100] * 1000, 1) for part in (50, 90, 99)}
    return {"name": "alarms", "figures": {**counts, **times}, "bounds": {}, "holds": True}


def _findings(file: CheckedFile, registry: Registry, spent: list[float]) -> Iterator[Finding]:
    for validator in validators_for(file, ["semantics"], registry.validators.values()):
        begun = time.process_time()
        found = run_check(validator.load, file)
        spent.append(time.process_time() - begun)
        yield from (one for one in found if isinstance(one, Finding))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--limit", type=int, default=100, help="merges")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--show", action="store_true")
    asked = parser.parse_args()
    figures = measure(
        asked.repository, limit=asked.limit, seed=asked.seed, seconds=asked.seconds, show=asked.show
    )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
