"""What do public repositories say about each rule?

`python -m tests.bench.priors [--into FILE] [--name OWNER/NAME] [--limit N --seed S] FOLDER...` counts each repository as `flowforge calibrate`
does, all history, not weighed by age, and puts the counts in the place of the earlier ones of that name in
`flowforge/resolve/public.json`. Counts, names and commit ids are all that is kept. A folder's name is that of the
repository where `--name` does not say it (`owner+name`, or `owner+name/repo`).
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from flowforge.cli.calibration import Question
from flowforge.hooks.manager import discover, load_plugins
from flowforge.resolve.cases import file_case
from flowforge.resolve.counts import Counts
from flowforge.resolve.public import FILE, Measured, Public, read_measured, write_measured
from flowforge.wiring.calibrate import OPEN, count_public, gather
from flowforge.wiring.past import player

INTO = Path(__file__).parents[2] / "flowforge" / "resolve" / FILE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--into", type=Path, default=INTO)
    parser.add_argument("--name", default="")
    parser.add_argument("--limit", type=int, default=0, help="conflicting merges of each; 0: all")
    parser.add_argument("--seed", type=int, help="take merges in this random order, not newest first")
    asked = parser.parse_args()
    for folder in asked.folders:
        counted = count(folder, asked.name or name_of(folder), asked.limit, asked.seed)
        known = read_measured(asked.into.read_text()).repositories if asked.into.exists() else ()
        others = [one for one in known if one.name != counted.name]
        asked.into.write_text(write_measured(Measured(repositories=(*others, counted))))
        print(f"{counted.name}: {counted.files} files, {len(counted.counts)} records", file=sys.stderr)
    return 0


def name_of(folder: Path) -> str:
    place = folder.resolve()
    return (place.parent if place.name == "repo" else place).name.replace("+", "/")


def count(folder: Path, name: str, limit: int, seed: int | None) -> Public:
    question = Question(repository=str(folder), limit=limit, seed=seed)
    with player(folder, load_plugins(discover()), file_case, OPEN) as playing:
        found = gather(folder, playing, question, lambda _files: None)
        first = found.trunk_roots
    return Public(
        name=name,
        day=datetime.now(UTC).strftime("%Y-%m-%d"),
        head=found.head,
        roots=first,
        files=len(found.cases),
        counts={key: Counts(right=one.right, total=one.cases) for key, one in count_public(found).items()},
    )


if __name__ == "__main__":
    raise SystemExit(main())
