"""How well do the rungs answer on whole public histories, and at what cost?

`python -m tests.bench.replay [--json] [--limit N] [--seed S] FOLDER...` calibrates each repository: the policy from the
earlier 70 % of its merges by date, the figures from the later 30 %, in whose files no hunk of the earlier part conflicts
again. "shipped" is the policy of a repository that nothing is known about (its own counts left out of what is shipped),
"own" the one that its earlier history has earned. Cases of all repositories are put together, and each is told by itself.

`cost_10` is (handed back + 10 x different) / files, where only answers count that are acted on; doing all by hand is 1.
Equality with what people committed is a lower bound of being right. `unparsable` counts answers, proposals too, that
do not parse although both sides do. Milliseconds are those of one file in a child process, the way there included.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flowforge.cli.calibration import Calibrated, Question
from flowforge.hooks.manager import discover, load_plugins
from flowforge.resolve.calibrate import Figures, apart
from flowforge.resolve.cases import FileCase
from flowforge.resolve.kinds import FileKind
from flowforge.resolve.replay import COSTS, Tally, differences
from flowforge.wiring.calibrate import calibrate_here
from tests.bench.priors import name_of

SOURCE, MANIFEST, CHANGELOG = FileKind.SOURCE, FileKind.MANIFEST, FileKind.CHANGELOG
AT_MOST = {"source_cost_10_shipped": 0.95, "unparsable": 0, "median_ms": 20.0, "p99_ms": 500.0}
AT_LEAST = {"source_answered": 0.45, "manifests_answered": 0.6, "manifests_equal": 0.9}


def together(tallies: Iterable[Tally]) -> Tally:
    rows = [(one.cases, one.answered, one.right) for one in tallies]
    cases, answered, right = (sum(row[at] for row in rows) for at in range(3))
    return Tally(cases=cases, answered=answered, right=right)


def tallied(figures: Sequence[Figures], kinds: Sequence[FileKind]) -> tuple[Tally, Tally]:
    """What was acted on, and what was answered with proposals too."""
    found = [one.kinds[kind] for one in figures for kind in kinds if kind in one.kinds]
    return together(acted for acted, _ in found), together(answered for _, answered in found)


def told(counted: Tally) -> Mapping[str, Any]:
    precision = counted.precision
    return {
        "files": counted.cases,
        "answered": counted.answered,
        "equal": None if precision is None else round(precision, 3),
        "cost": {k: round(counted.cost(k), 3) for k in COSTS},
    }


def rules_of(found: Sequence[Calibrated]) -> Mapping[str, Any]:
    """Each rule over all history: hunks it answered, and how many of them people wrote too."""
    cases, right = Counter[str](), Counter[str]()
    for one in found:
        for line in one.lines:
            cases[line.rule.rule] += line.rule.count.cases
            right[line.rule.rule] += line.rule.count.right
    return {rule: [right[rule], number] for rule, number in cases.most_common()}


def report(named: Mapping[str, Calibrated]) -> Mapping[str, Any]:
    found = list(named.values())
    shipped, own = [one.shipped for one in found], [one.own for one in found]
    source = {name: tallied(some, [SOURCE]) for name, some in (("shipped", shipped), ("own", own))}
    manifests = tallied(own, [MANIFEST, CHANGELOG])[1]
    took = sorted(case.ms for one in found for case in files_of(one)) or [0.0]
    figures = {
        "repositories": len(found),
        "files": sum(len(files_of(one)) for one in found),
        "paths": sum(len(one.cases) - len(files_of(one)) for one in found),
        "source_cost_10_shipped": round(source["shipped"][0].cost(10), 3),
        "source_cost_10_own": round(source["own"][0].cost(10), 3),
        "source_answered": round(source["own"][1].coverage, 3),
        "manifests_answered": round(manifests.coverage, 3),
        "manifests_equal": round(manifests.precision or 0.0, 3),
        "unparsable": sum(case.parses is False for one in found for case in one.cases),
        "median_ms": round(took[len(took) // 2], 1),
        "p99_ms": round(took[int(len(took) * 0.99)], 1),
        "worst_ms": round(took[-1], 1),
    }
    numbers: Mapping[str, float] = figures
    holds = all(numbers[name] <= most for name, most in AT_MOST.items()) and all(
        numbers[name] >= least for name, least in AT_LEAST.items()
    )
    return {
        "name": "replay",
        "figures": figures,
        "source": {
            name: {"acted": told(acted), "with_proposals": told(answered)}
            for name, (acted, answered) in source.items()
        },
        "manifests_and_changelogs": told(manifests),
        "whole_paths": {
            name: told(together(one.paths for one in some))
            for name, some in (("shipped", shipped), ("own", own))
        },
        "repositories": {name: _one(one) for name, one in named.items()},
        "rules": rules_of(found),
        "different": {
            kind.value: differences(
                case.difference for one in found for case in one.cases if case.kind is kind
            )
            for kind in (SOURCE, MANIFEST, CHANGELOG)
        },
        "bounds": {
            **{k: f"<= {v:g}" for k, v in AT_MOST.items()},
            **{k: f">= {v:g}" for k, v in AT_LEAST.items()},
        },
        "holds": holds,
    }


def files_of(found: Calibrated) -> Sequence[FileCase]:
    """Without conflicts about a path as a whole, which are told by themselves."""
    return apart(found.cases)[0]


def _one(found: Calibrated) -> Mapping[str, Any]:
    acted, answered = tallied([found.own], [SOURCE])
    return {
        "files": len(files_of(found)),
        "later_source_files": acted.cases,
        "shipped_cost_10": round(tallied([found.shipped], [SOURCE])[0].cost(10), 3),
        "own_cost_10": round(acted.cost(10), 3),
        "answered": round(answered.coverage, 3),
        "equal": round(answered.precision or 0.0, 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="repositories, bare or not")
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--limit", type=int, default=0, help="conflicting merges of each; 0: all")
    parser.add_argument("--seed", type=int, help="take merges in this random order")
    asked = parser.parse_args()
    registry, now, found = load_plugins(discover()), datetime.now(UTC), dict[str, Calibrated]()
    for folder in asked.folders:
        question = Question(repository=str(folder), limit=asked.limit, seed=asked.seed)
        found[name_of(folder)] = one = calibrate_here(question, lambda _files: None, registry, now)
        print(json.dumps({name_of(folder): _one(one)}), file=sys.stderr, flush=True)
    told_ = report(found)
    print(json.dumps(told_, indent=None if asked.json else 2))
    return 0 if told_["holds"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
