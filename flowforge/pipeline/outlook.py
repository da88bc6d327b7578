"""What a yes would let through, in names and numbers: for the person who is asked, wherever they read it."""

from collections.abc import Iterator, Sequence

from flowforge.core.decision import Check, Outlook, RefMove
from flowforge.core.plan import make_plan
from flowforge.pipeline.context import Tools, Work
from flowforge.pipeline.progress import changed_paths

MOST = 50  # paths that are named
_TELLING = frozenset({"resolve", "validate", "test", "run"})  # stages that say something about the result


def outlook(work: Work, tools: Tools, moves: Sequence[RefMove]) -> Outlook:
    """What stands now, and what `moves` would make of it."""
    changed = changed_paths(work, tools.mirror)
    return Outlook(
        target=work.target,
        upstream=work.upstream,
        head=work.head,
        commits=sum(step["new"] != "" for step in work.steps),
        moves=tuple(moves),
        changed=tuple(changed[:MOST]),
        changed_count=len(changed),
        checks=tuple(_checks(tools)),
    )


def _checks(tools: Tools) -> Iterator[Check]:
    uses = {stage.id: stage.uses for stage in make_plan(tools.pipeline).stages}
    for result in tools.done:
        if uses.get(result.stage) in _TELLING:
            yield Check(stage=result.stage, result=result.result.value, sentence=result.sentence)
