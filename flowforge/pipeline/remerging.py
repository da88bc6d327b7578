"""What a second look at the model's answers does to them: doubt, or no look, makes a person necessary.

It never makes an answer better than it was: what was refused stays refused, and what is accepted is a proposal still.
"""

from collections.abc import Mapping
from dataclasses import replace

from flowforge.core.conflict import HunkAnswer, Resolution
from flowforge.core.errors import FlowForgeError, Reason, Refused, Temporary
from flowforge.pipeline.apart import call_apart
from flowforge.pipeline.context import Tools
from flowforge.pipeline.options import ModelOptions
from flowforge.resolve.ladder import Answers
from flowforge.resolve.remerge import ACCEPT, Replayed, Verdict, places_of

Verdicts = Mapping[tuple[str, int], Verdict]
_STOPPING = frozenset({Reason.CANCELLED, Reason.LEASE_LOST, Reason.DRAINED})


def second_look(answers: Answers, options: ModelOptions, commit: str, upstream: str, tools: Tools) -> Answers:
    """`answers` with what was said of those that are the model's; none is looked at that nobody can use.

    Raises:
        Temporary: an outage that will pass; the job waits, as for an answer.
    """
    places = places_of(answers.resolutions)
    if not options.review or not places or answers.unresolved or tools.models is None:
        return answers
    look = tools.models.second_look(options)
    message = tools.mirror.git.run("show", "--no-patch", "--format=%B", commit).decode("utf-8", "replace")
    replayed = Replayed(commit=commit, onto=upstream, message=message)
    try:
        said = call_apart(lambda: look(replayed, places), "model", lambda: _refuse_cancelled(tools))
    except FlowForgeError as error:
        if isinstance(error, Temporary) or error.reason in _STOPPING:
            raise
        said = error.sentence
    asked = {place.key for place in places}
    resolutions = tuple(_told(one, said, asked) for one in answers.resolutions)
    wanted = [one.conflict.path for one in resolutions if any(answer.approval for answer in one.answers)]
    return replace(
        answers, resolutions=resolutions, approve=tuple(dict.fromkeys((*answers.approve, *wanted)))
    )


def _told(resolution: Resolution, said: Verdicts | str, asked: set[tuple[str, int]]) -> Resolution:
    path = resolution.conflict.path
    answers = tuple(
        _with_verdict(answer, said if isinstance(said, str) else said[path, answer.index])
        if (path, answer.index) in asked
        else answer
        for answer in resolution.answers
    )
    return replace(resolution, answers=answers)


def _with_verdict(answer: HunkAnswer, said: Verdict | str) -> HunkAnswer:
    if isinstance(said, str):
        word, doubt = f"not reviewed: {said}", f"it could not be reviewed ({said})"
    else:
        word = f"{said.word}: {said.why}"
        doubt = "" if said.word == ACCEPT else f"the review doubts it: {said.why}"
    approval = "; ".join(filter(None, (answer.approval, doubt)))
    return replace(answer, approval=approval, account=replace(answer.account, review=word))


def _refuse_cancelled(tools: Tools) -> None:
    if tools.cancelled():
        raise Refused(Reason.CANCELLED, "the job was cancelled while its answers were reviewed")
