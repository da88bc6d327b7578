"""Lockfiles that git merged as text: which a replay stops for, and what becomes of one that is not written anew.

Git's text was never a conflict, so it is the way back wherever the rung `lockfile` has no answer: it stays, the report
says so and why, and the validator of lockfiles looks at it as ever. Nothing here hands a job back.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from flowforge.core.conflict import Conflict, Resolution, Unresolved
from flowforge.core.errors import Reason
from flowforge.core.pipeline import Pipeline, StageSpec
from flowforge.git.held import Watch
from flowforge.git.objects import Objects
from flowforge.git.replay import Stopped
from flowforge.pipeline.lockfile import blob_of, is_lock_conflict, reason_of
from flowforge.pipeline.options import ResolveOptions
from flowforge.resolve.ladder import Answers
from flowforge.resolve.lockfile import RUNG
from flowforge.resolve.locktools import may_be_lock
from flowforge.resolve.policy import Paths, matches

_AGAIN = frozenset(  # what the next commit would meet too, at the same cost
    {
        Reason.TOOL_MISSING,
        Reason.SANDBOX_UNAVAILABLE,
        Reason.CONFIGURATION,
        Reason.INVALID_REQUEST,  # a network that is not granted
        Reason.TIMEOUT,
        Reason.MEMORY_LIMIT,
        Reason.OUTPUT_LIMIT,
        Reason.SKIPPED,
    }
)


def relocking(pipeline: Pipeline) -> StageSpec | None:
    """The stage that writes lockfiles anew which git merged as text; None: they stay as git merged them.

    It is the resolve stage right after rebase, with the rung and without a condition: a commit that a replay stopped
    at for a lockfile alone must be gone on from by whoever comes next.
    """
    stages = pipeline.stages
    at = next((number for number, stage in enumerate(stages, start=1) if stage.uses == "rebase"), len(stages))
    found = next(iter(stages[at:]), None)
    if found is None or found.uses != "resolve" or found.when:
        return None
    return found if RUNG in ResolveOptions.model_validate(found.options).rungs else None


def watch_of(pipeline: Pipeline) -> Watch | None:
    """What a replay in this pipeline stops for; None: for conflicts alone."""
    stage = relocking(pipeline)
    if stage is None:
        return None
    regenerate = ResolveOptions.model_validate(stage.options).regenerate
    return Watch(
        path=partial(may_be_lock, regenerate=regenerate),
        conflict=lambda conflict, objects: is_lock_conflict(conflict, regenerate, objects),
    )


@dataclass(kw_only=True)
class Standing:
    """What one run of a resolve stage left as git merged it."""

    paths: set[str] = field(default_factory=set)
    given_up: dict[str, str] = field(default_factory=dict)  # path -> why it is not tried again


@dataclass(frozen=True, kw_only=True)
class Held:
    """The held lockfiles of one commit: those that the rung is asked about, and why it is not about the others."""

    asked: tuple[Conflict, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)  # path -> why


def sorted_out(
    held: Sequence[Conflict], paths: Paths, protect: Sequence[str], given_up: Mapping[str, str]
) -> Held:
    """As for a lockfile in conflict, `never` and the pipeline's own `protect` keep the rung away."""
    kept = {one.path: _kept(one, paths, protect) or given_up.get(one.path, "") for one in held}
    return Held(
        asked=tuple(one for one in held if not kept[one.path]),
        kept={path: why for path, why in kept.items() if why},
    )


def _kept(lock: Conflict, paths: Paths, protect: Sequence[str]) -> str:
    if any(matches(paths.never, path) for path in lock.paths):
        return "the pipeline leaves it to a person (`never`)"
    return (
        "the pipeline protects it (`protect`)" if any(matches(protect, path) for path in lock.paths) else ""
    )


def settled(
    answers: Answers, held: Held, stopped: Stopped, objects: Objects, standing: Standing
) -> tuple[Answers, Mapping[str, str]]:
    """The answers without those of held lockfiles that stay as git merged them, and a sentence for each path that does.

    Nobody has to confirm a text that git merged without a conflict and the tool writes just so.
    """
    mine = {lock.path for lock in held.asked}
    failed = [one for one in answers.unresolved if one.conflict.path in mine]
    same = {
        one.conflict.path
        for one in answers.resolutions
        if one.conflict.path in mine and _same(one, stopped, objects)
    }
    standing.given_up.update(_given_up(failed, answers))
    left = same | {one.conflict.path for one in failed}
    why = {**held.kept, **{one.conflict.path: reason_of(one) for one in failed}}
    told = {path: _as_text(path, why[path]) for path in sorted(why)}
    kept = (one for one in answers.resolutions if one.conflict.path not in left)
    return replace(
        answers,
        resolutions=tuple(_no_conflict(one) if one.conflict.path in mine else one for one in kept),
        unresolved=tuple(one for one in answers.unresolved if one.conflict.path not in left),
        approve=tuple(path for path in answers.approve if path not in left),
    ), {**told, **{path: _confirmed(path) for path in sorted(same)}}


def _same(answer: Resolution, stopped: Stopped, objects: Objects) -> bool:
    """Whether it is git's own text, mode included."""
    entry = objects.entry(stopped.tree, answer.conflict.path.encode("utf-8", "surrogateescape"))
    if entry is None or answer.whole is None or answer.whole.mode != entry.mode:
        return False
    return blob_of(entry.oid, objects) == answer.result


def _no_conflict(answer: Resolution) -> Resolution:
    """Whoever reads of it among the conflicts is told that it was none."""
    whole = answer.whole
    if whole is None:
        return answer
    return replace(
        answer, whole=replace(whole, why=f"{whole.why}; git had merged it as text, without a conflict")
    )


def _given_up(failed: Iterable[Unresolved], answers: Answers) -> Iterator[tuple[str, str]]:
    whys = {note.path: note.why for note in answers.notes if note.rung == RUNG}
    for one in failed:
        if whys.get(one.conflict.path) in _AGAIN:
            yield one.conflict.path, reason_of(one)


def _as_text(path: str, why: str) -> str:
    return f"git merged {path!r} as text, and it was not written anew: {why}"


def _confirmed(path: str) -> str:
    return f"git merged {path!r} as text, and the tool that writes it wrote the same from the merged manifest"
