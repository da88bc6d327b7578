"""How a replay moves a job's work forward, and what of it is worth telling a person."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace

from flowforge.git.changes import changes
from flowforge.git.mirror import Mirror
from flowforge.git.replay import Replay
from flowforge.pipeline.context import Work

_TOLD = {
    "dropped_merge": ("flattened {n}, as git rebase does", "merge commit"),
    "dropped_empty": ("dropped {n} with nothing left", "commit"),
    "dropped_upstream": ("left out {n} that the target already has", "commit"),
    "kept_empty": ("kept {n}", "empty commit"),
}
_FIXUPS = ("fixup! ", "squash! ", "amend! ")


def advanced(work: Work, replayed: Replay) -> Work:
    """The work after a replay: head and tree moved, steps appended, what is left to do if it stopped.

    What was proven of an earlier tree proves nothing of this one.
    """
    return replace(
        work,
        head=replayed.head,
        tree=replayed.tree,
        pending=replayed.pending,
        steps=(*work.steps, *(asdict(step) for step in replayed.steps)),
        validated_tree="",
        tested_tree="",
    )


def notes_of(steps: Iterable[Mapping[str, str]]) -> list[str]:
    """What did not simply carry over, a sentence each."""
    rows = list(steps)
    counted = Counter(step["disposition"] for step in rows)
    notes = [
        text.format(n=count_of(counted[word], what)) for word, (text, what) in _TOLD.items() if counted[word]
    ]
    fixups = sum(step["new"] != "" and step["subject"].startswith(_FIXUPS) for step in rows)
    if fixups:
        notes.append(
            f"kept {count_of(fixups, 'fixup commit')} unsquashed; git rebase --autosquash folds them in"
        )
    return notes


def count_of(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def changed_paths(work: Work, mirror: Mirror) -> Sequence[str]:
    """Paths in which the result differs from the target; before there is one, those of the branch."""
    if not work.tree:
        return ()
    with mirror.git.objects() as objects:
        old = objects.commit(work.merge_base if work.head == work.old_head else work.upstream).tree
        return [c.path.decode("utf-8", "surrogateescape") for c in changes(objects, old, work.tree)]
