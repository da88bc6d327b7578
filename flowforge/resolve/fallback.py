"""What named paths get that no rung could answer: one side's text, whole, where a pipeline says so.

Meant for what people do not write by hand and nobody wants to be asked about. It knows nothing of what it decides, so
it is a proposal that tests must confirm, it is told loudly, and it never stands where a person decides.
"""

from dataclasses import dataclass
from typing import Final

from flowforge.core.conflict import Candidate, Conflict, HunkAnswer, Resolution, Side
from flowforge.resolve.ladder import Rung
from flowforge.resolve.policy import Paths, matches

RUNG: Final = "fallback"
_OTHER: Final = {Side.UPSTREAM: "the commit", Side.COMMIT: "upstream"}
_OWN: Final = {Side.UPSTREAM: "upstream", Side.COMMIT: "the commit"}


@dataclass(frozen=True, kw_only=True)
class Fallback:
    """Gitignore-style globs by what becomes of their paths; a path of `hand_back`, or of both sides, has a person."""

    hand_back: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    commit: tuple[str, ...] = ()

    def side(self, path: str) -> Side | None:
        """Whose text a path gets; None where a person decides."""
        if matches(self.hand_back, path):
            return None
        named = [
            side
            for side, globs in ((Side.UPSTREAM, self.upstream), (Side.COMMIT, self.commit))
            if matches(globs, path)
        ]
        return named[0] if len(named) == 1 else None

    def rungs(self, paths: Paths) -> tuple[Rung, ...]:
        """The last step of a ladder; none where no path is named."""
        if not self.upstream and not self.commit:
            return ()
        step = Rung(
            name=RUNG,
            resolver=RUNG,
            ask=self._take,
            covers=lambda path: self.side(path) is not None and not paths.asks(path),
        )
        return (step,)

    def _take(self, conflict: Conflict) -> Candidate:
        side = self.side(conflict.path)
        assert side is not None  # noqa: S101 (the rung covers no other path; for the type checker)
        return Candidate(answers=tuple(_answer(hunk.index, hunk.side(side), side) for hunk in conflict.hunks))


def _answer(index: int, text: bytes, side: Side) -> HunkAnswer:
    why = (
        f"no rung had an answer, so this path's fallback took the text of {_OWN[side]} whole: "
        f"what {_OTHER[side]} changed in this place is not in it"
    )
    return HunkAnswer(index=index, text=text, rung=RUNG, rule=side.value, why=why, confirmed=False)


def told(resolution: Resolution) -> str:
    """What the report must say of a file in which a fallback decided; "" where none did."""
    taken = [answer for answer in resolution.answers if answer.rung == RUNG]
    if not taken:
        return ""
    side = Side(taken[0].rule)
    places = "one place" if len(taken) == 1 else f"{len(taken)} places"
    return (
        f"FALLBACK: nobody and nothing decided {places} of {resolution.conflict.path}; the pipeline takes the text of "
        f"{_OWN[side]} there, and what {_OTHER[side]} changed is lost"
    )
