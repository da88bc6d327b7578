"""Several answers to one question, and what they are worth together.

A second answer is a signal and no vote: where all say the same, that is told with the answer; where they do not, a
person decides. Only three or more that agree, and are more than half, outweigh the rest; it is said that they did.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from flowforge.core.account import Account
from flowforge.core.conflict import Abstain, Candidate, HunkAnswer

_ENOUGH: Final = 3  # equal answers that may outweigh others
_SHOWN: Final = 400  # characters of one answer that are shown where none is taken


def agreed(given: Sequence[Candidate | Abstain], hunks: Sequence[int]) -> Candidate | Abstain:
    """One answer for each hunk on which enough of `given` agree; the other hunks are left, with what each said."""
    told = [one for one in given if isinstance(one, Candidate)]
    if not told:
        return next(one for one in given if isinstance(one, Abstain))
    decided = [_hunk(index, given) for index in hunks]
    answers = tuple(one for one in decided if isinstance(one, HunkAnswer))
    left = tuple(one for one in decided if isinstance(one, Abstain))
    if answers:
        return Candidate(answers=answers, left=left)
    return left[0]


def _hunk(index: int, given: Sequence[Candidate | Abstain]) -> HunkAnswer | Abstain:
    groups: dict[bytes, list[HunkAnswer]] = {}
    for one in given:
        answer = _of(one, index)
        if answer is not None:
            groups.setdefault(_bare(answer.text), []).append(answer)
    best = max(groups.values(), key=len, default=[])
    every, same = len(given), len(best)
    if best and (same == every or (same >= _ENOUGH and 2 * same > every)):
        return _taken(best, f"{same} of {every} answers agree")
    most = f"no more than {same} of them agree" if same else "none of them has one"
    return Abstain(
        why="no_agreement",
        sentence=f"the model was asked {every} times about hunk {index}, and {most}",
        account=Account(
            agreement=f"{same} of {every} answers agree",
            answers=tuple(_shown(one, index) for one in given),
        ),
    )


def _taken(same: Sequence[HunkAnswer], agreement: str) -> HunkAnswer:
    """The first of them; a person is needed where any of them says so."""
    approval = next((answer.approval for answer in same if answer.approval), "")
    first = same[0]
    account = replace(first.account, agreement=agreement)
    return replace(first, approval=approval, account=account, why=f"{first.why} | {agreement}")


def _of(one: Candidate | Abstain, index: int) -> HunkAnswer | None:
    answers = one.answers if isinstance(one, Candidate) else ()
    return next((answer for answer in answers if answer.index == index), None)


def _bare(text: bytes) -> bytes:
    """Without what does not count: blank lines, and whitespace that neither indents nor parts words."""
    lines = (line.rstrip() for line in text.split(b"\n"))
    return b"\n".join(_white(line) + b" ".join(line.split()) for line in lines if line)


def _white(line: bytes) -> bytes:
    return line[: len(line) - len(line.lstrip())]


def _shown(one: Candidate | Abstain, index: int) -> str:
    answer = _of(one, index)
    if answer is not None:
        text = answer.text.decode(errors="replace")
        return f"{answer.rule}: {text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}"
    return f"no answer: {one.sentence}" if isinstance(one, Abstain) else "no answer"
