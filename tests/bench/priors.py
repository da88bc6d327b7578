"""What do public repositories say about each rule?

`python -m tests.bench.priors [--into FILE] [--name OWNER/NAME] [--limit N --seed S] FOLDER...` counts each repository as `flowforge calibrate`
does, all history, not weighed by age, and puts the counts in the place of the earlier ones of that name in
`flowforge/resolve/public.json`. Counts, names and commit ids are all that is kept. A folder's name is that of the
repository where `--name` does not say it (`owner+name`, or `owner+name/repo`).

`--whole` counts conflicts about a path as a whole alone, over `--merges` merges chosen at random (these conflicts are
rare, and cheap to count), and leaves what is known of files with places.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from flowforge.cli.calibration import Question
from flowforge.git.command import Door
from flowforge.git.history import merges, tips
from flowforge.hooks.manager import discover, load_plugins
from flowforge.resolve.calibrate import counted as counted_of
from flowforge.resolve.cases import file_case
from flowforge.resolve.counts import Counts
from flowforge.resolve.kinds import FileKind
from flowforge.resolve.public import FILE, Measured, Public, read_measured, write_measured
from flowforge.wiring.calibrate import OPEN, count_public, gather
from flowforge.wiring.past import player
from flowforge.wiring.replay import within

INTO = Path(__file__).parents[2] / "flowforge" / "resolve" / FILE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--into", type=Path, default=INTO)
    parser.add_argument("--name", default="")
    parser.add_argument("--limit", type=int, default=0, help="conflicting merges of each; 0: all")
    parser.add_argument("--seed", type=int, help="take merges in this random order, not newest first")
    parser.add_argument("--whole", action="store_true", help="count whole paths alone")
    parser.add_argument("--merges", type=int, default=4000, help="to look at for whole paths; 0: all")
    asked = parser.parse_args()
    for folder in asked.folders:
        name = asked.name or name_of(folder)
        known = read_measured(asked.into.read_text()).repositories if asked.into.exists() else ()
        before = next((one for one in known if one.name == name), None)
        if asked.whole:
            counted = beside(before or count(folder, name, asked.limit, asked.seed), paths_of(folder, asked))
        else:
            counted = beside(count(folder, name, asked.limit, asked.seed), before.counts if before else {})
        others = [one for one in known if one.name != name]
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
        files=sum(not case.whole for case in found.cases),
        counts={key: Counts(right=one.right, total=one.cases) for key, one in count_public(found).items()},
    )


def paths_of(folder: Path, asked: argparse.Namespace) -> Mapping[tuple[str, str], Counts]:
    """What merges say about the rules for whole paths."""
    with player(folder, load_plugins(discover()), file_case, OPEN) as playing:
        playing.places = False
        chosen = within(merges(playing.git, tips(folder, Door())), None, None, asked.seed)
        cases = [case for some in playing.play(chosen[: asked.merges or None]) for case in some]
    print(f"{len(cases)} whole paths", file=sys.stderr)
    return {
        (rule, kind.value): Counts(right=one.right, total=one.cases)
        for (rule, kind), one in counted_of(cases).items()
    }


def beside(one: Public, found: Mapping[tuple[str, str], Counts]) -> Public:
    """The counts of places as they are, those of whole paths as they were found."""
    places = {key: counts for key, counts in one.counts.items() if key[1] != FileKind.PATH}
    return replace(
        one, counts=places | {key: counts for key, counts in found.items() if key[1] == FileKind.PATH}
    )


if __name__ == "__main__":
    raise SystemExit(main())
