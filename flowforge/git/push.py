"""The remote half of a push: exact lease, a hard deadline, and an unknown outcome that is asked again.

The caller has made its intent durable before it calls, and hands over every commit id it ever meant to push
there (`own`); with these the remote's own answer tells whether an earlier attempt already landed. A push is not
broken off by a cancel: once the intent stands, the outcome must be learnt. But it is not begun by a process that stood
still meanwhile and can know that the job is another's (`may_send`), or that its time is over: that time runs from the
intent on, so that whoever waits for it (an undo does) waits long enough.
"""

import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from flowforge.core.errors import FlowForgeError, Reason, Temporary
from flowforge.core.failpoint import failpoint
from flowforge.git import failures
from flowforge.git.mirror import Mirror
from flowforge.git.names import check_ref

_ROW = re.compile(r"^(?P<flag>.)\t(?P<refs>\S+)\t(?P<words>.*)$", re.MULTILINE)
_RACE = re.compile(
    r"stale info|fetch first|non-fast-forward|cannot lock ref|failed to (lock|update ref)|is at \w+ but"
)
_FORBIDDEN = "[remote rejected] (non-fast-forward)"  # by the server's settings; nobody has moved anything
_SENT = "[remote rejected]"
_SENT_AGAIN = ("http://", "https://")  # transports that may send a request twice
DEADLINE = 60.0  # seconds after its intent at which a push is broken off
_CERTAIN = {  # the server was not asked to change anything
    Reason.AUTHENTICATION_FAILED,
    Reason.REPOSITORY_MISSING,
    Reason.INVALID_URL,
    Reason.NO_SPACE,
    Reason.MIRROR_DAMAGED,
}


@dataclass(frozen=True, kw_only=True)
class PushOutcome:
    """What is known about the remote's ref now. `tip` is its commit id ("" = absent), as last seen."""

    status: str  # pushed | already | moved | rejected | unknown
    tip: str
    detail: str = ""
    error: FlowForgeError | None = (
        None  # of "rejected": what kept the remote from being asked to change anything
    )


def _unbounded() -> float:
    return math.inf


def push(
    mirror: Mirror,
    *,
    ref: str,
    old: str,
    new: str,
    own: Collection[str],
    deadline: float = DEADLINE,
    may_send: Callable[[], float] = _unbounded,
    place: str = "push",
) -> PushOutcome:
    """Move `ref` from exactly `old` ("" or zeros: it must not exist) to `new` ("": delete it), at most once.

    `may_send` is asked right before the push is sent: the seconds that are left of it; it raises where the job is
    another's. `place` names the failpoints.

    Raises:
        FlowForgeError: where the remote could not be asked in the beginning, or the push may not be sent any more:
            this call has pushed nothing.
    """
    full = f"refs/heads/{check_ref(ref)}"
    steady = _uncancelled(mirror)
    old = old.strip("0") and old
    outcome = decide(steady.ls_remote(full), old, new, own)
    if outcome is not None:
        return outcome
    failpoint(f"{place}.before_remote")
    left = min(deadline, may_send())
    if left <= 0:
        raise _too_late()
    said = _attempt(steady, full, old, new, left)
    failpoint(f"{place}.after_remote")
    if said.status in {"pushed", "rejected"}:
        return said
    asked = _ask_again(steady, full, old, new, own, said.detail)
    if said.status == "unknown" and asked.status == "moved":  # perhaps onto what had just landed
        return replace(asked, status="unknown")
    return asked


def decide(tip: str, old: str, new: str, own: Collection[str]) -> PushOutcome | None:
    """What the remote's tip already decides; None when the push may be tried."""
    if tip == new or tip in own:  # both "": it is to be deleted, and is gone
        return PushOutcome(status="already", tip=tip, detail="an earlier attempt had landed")
    if tip == old:
        return None
    words = f"is now at {tip[:12]}" if tip else "is gone"
    return PushOutcome(status="moved", tip=tip, detail=f"somebody else changed the branch: it {words}")


def read_answer(out: str, words: str, ref: str, new: str, *, once: bool = False) -> PushOutcome | None:
    """Git's porcelain answer as an outcome; None where it does not say what became of `ref`.

    Over http a request whose connection broke is sent once more by curl itself, so that a server which has found another
    commit may have got ours a moment ago: then only what git refuses before it sends anything is certain. `once`: the
    push went over a transport that sends nothing twice.
    """
    for row in _ROW.finditer(out):
        if not row["refs"].endswith(f":{ref}"):
            continue
        if row["flag"] != "!":
            return PushOutcome(status="pushed", tip=new)
        forbidden = row["words"].startswith(_FORBIDDEN)
        if not forbidden and (_RACE.search(row["words"]) or _RACE.search(words)):
            return _overtaken(row["words"], words, new, once=once)
        return PushOutcome(status="rejected", tip="", detail=_server_words(row["words"], words))
    return None


def _overtaken(row: str, words: str, new: str, *, once: bool) -> PushOutcome:
    """The ref was not at `old`: as git saw before it sent anything, or as the server saw when it would move it."""
    if once or not row.startswith(_SENT):
        return PushOutcome(status="moved", tip="", detail=row)
    if f"is at {new} but" in words:
        return PushOutcome(status="pushed", tip=new)
    return PushOutcome(status="unknown", tip="", detail=row)


def _attempt(mirror: Mirror, ref: str, old: str, new: str, deadline: float) -> PushOutcome:
    """One push, and what it said; "moved" and "unknown" are to be asked again."""
    try:
        out = mirror.push(
            "--porcelain",
            "--atomic",
            "--no-verify",
            f"--force-with-lease={ref}:{old}",
            "--end-of-options",
            mirror.url,
            f"{new}:{ref}",
            ref=ref,
            sha=new,
            deadline=deadline,
        )
    except FlowForgeError as error:
        once = not mirror.url.startswith(_SENT_AGAIN)
        answer = read_answer(error.evidence, error.evidence, ref, new, once=once)
        if answer is None and error.reason in _CERTAIN:  # and the ref was at `old`, as it had just said
            return PushOutcome(status="rejected", tip=old, detail=error.sentence, error=error)
        if answer is None:
            return PushOutcome(status="unknown", tip="", detail=error.sentence)
        return replace(answer, tip=old) if answer.status == "rejected" else answer
    answer = read_answer(out.decode("utf-8", "replace"), "", ref, new)
    return answer or PushOutcome(status="unknown", tip="", detail="git did not say what became of the push")


def _ask_again(
    mirror: Mirror, ref: str, old: str, new: str, own: Collection[str], detail: str
) -> PushOutcome:
    """Let the remote say what became of the push."""
    try:
        tip = mirror.ls_remote(ref)
    except FlowForgeError as error:
        return PushOutcome(status="unknown", tip="", detail=f"{detail}; and then {error.sentence}")
    if tip == new:
        return PushOutcome(status="pushed", tip=tip)
    decided = decide(tip, old, new, own)
    return decided or PushOutcome(status="unknown", tip=tip, detail=detail)


def _too_late() -> Temporary:
    return Temporary(
        Reason.TIMEOUT,
        f"the push was not sent: its {DEADLINE:g} seconds were over before the remote was ready for it",
        delay=5.0,
        next_action="nothing: the job tries again by itself; if it goes on, look whether the git host is slow",
    )


def _server_words(row: str, words: str) -> str:
    """What the server said, without git's own frame around it."""
    frame = ("To ", "!", "Done", "error: failed to push", "hint:", "fatal:")
    lines = [line.strip() for line in words.splitlines()]
    said = [line for line in lines if line and not line.startswith(frame) and "\t" not in line]
    reason = row.removeprefix("[remote rejected] ").strip("() ")
    return failures.clean("\n".join([reason, *said]).encode())


def _uncancelled(mirror: Mirror) -> Mirror:
    door = replace(mirror.git.door, cancelled=lambda: False)
    return replace(mirror, git=replace(mirror.git, door=door))
