"""Updates of refs: what the servers noted, what the jobs meant, and which of both belong together.

Two jobs may mean the very same update: what one has pushed and another has undone, a third brings back. So an update is
not told by its commit alone, nor by its pair of commits: each needs a job of its own that meant it, and a job has one
update to give for each ref.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.githttp import KEPT, PUSHER

Pair = tuple[str, str]  # old and new commit id; "" = there was none, or is none


@dataclass(frozen=True, kw_only=True)
class Move:
    """One line of a server's reflog."""

    old: str
    new: str
    pushed: bool  # over http


@dataclass(frozen=True, kw_only=True)
class Meant:
    """What one job meant for one ref."""

    job: str
    state: str
    pairs: frozenset[Pair]
    landed: bool = False  # git, or the remote, has told it so
    gone: bool = False  # it says that it changed nothing


def moves(repository: Path, ref: str) -> list[Move]:
    """Every update of a ref, oldest first, from the server's reflog."""
    log = repository / "logs" / ref
    lines = log.read_text().splitlines() if log.exists() else []
    heads = (line.partition("\t")[0] for line in lines)
    return [Move(old=h.split(" ")[0], new=h.split(" ")[1], pushed=f"<{PUSHER}>" in h) for h in heads]


def pushed(repository: Path) -> Mapping[str, list[Pair]]:
    """What came over http, by ref: from the reflogs, and from the server's list where a reflog is gone."""
    logs = repository / "logs"
    refs = [str(log.relative_to(logs)) for log in logs.rglob("*") if log.is_file()]
    noted = {
        ref: Counter(pair(move.old, move.new) for move in moves(repository, ref) if move.pushed)
        for ref in refs
        if ref != "HEAD"  # it follows its branch
    }
    kept: dict[str, Counter[Pair]] = {}
    listed = (repository / KEPT).read_text().splitlines() if (repository / KEPT).exists() else []
    for old, new, ref in (line.split(" ") for line in listed):
        kept.setdefault(ref, Counter())[pair(old, new)] += 1
    none: Counter[Pair] = Counter()
    both = {ref: noted.get(ref, none) | kept.get(ref, none) for ref in {*noted, *kept}}
    return {ref: sorted(found.elements()) for ref, found in sorted(both.items()) if found}


def pair(old: str, new: str) -> Pair:
    return old if old.strip("0") else "", new if new.strip("0") else ""


def not_once(ref: str, found: Sequence[Pair], meant: Sequence[Meant]) -> Iterator[str]:
    """What is wrong with the updates of one ref: without an intent, more than the jobs had to give, or told and not done."""
    known = frozenset[Pair]().union(*(one.pairs for one in meant))
    yield from (f"{ref} moved {arrow(one)} without an intent" for one in found if one not in known)
    ours = [one for one in found if one in known]
    for number in unmatched(_each(ours), [one.pairs for one in meant]):
        jobs = ", ".join(one.job for one in meant if ours[number] in one.pairs)
        yield f"job {jobs} moved {ref} twice: {arrow(ours[number])} is one more than it had to give"
    said = [one for one in meant if one.landed]
    for number in unmatched([one.pairs for one in said], _each(ours)):
        yield f"job {said[number].job} says that it pushed to {ref}, and no update is left for it"


def left_behind(ref: str, found: Sequence[Pair], meant: Sequence[Meant]) -> Iterator[str]:
    """Updates that only a job which says that it changed nothing can have made."""
    kept = [one.pairs for one in meant if not one.gone]
    for number in unmatched(_each(found), kept):
        jobs = [one for one in meant if one.gone and found[number] in one.pairs]
        yield from (f"{one.state} job {one.job} moved {ref} {arrow(found[number])}" for one in jobs[:1])


def arrow(one: Pair) -> str:
    return f"{one[0][:10] or 'nothing'}..{one[1][:10] or 'nothing'}"


def unmatched(wants: Sequence[frozenset[Pair]], gives: Sequence[frozenset[Pair]]) -> list[int]:
    """Which of `wants` get none of `gives` when as many as can get one each; two match that share a pair."""
    taken: dict[int, int] = {}  # of `gives`, by whom

    def finds(want: int, tried: set[int]) -> bool:
        for give in range(len(gives)):
            if give in tried or not wants[want] & gives[give]:
                continue
            tried.add(give)
            if give not in taken or finds(taken[give], tried):  # whoever has it may find another
                taken[give] = want
                return True
        return False

    return [want for want in range(len(wants)) if not finds(want, set())]


def _each(pairs: Sequence[Pair]) -> list[frozenset[Pair]]:
    return [frozenset({one}) for one in pairs]
