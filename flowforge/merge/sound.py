"""The last word on any resolver's answer: a file that parsed still does.

Asked where the resolver runs, in a child process, as a hostile text may take a parser down.
"""

from typing import cast

from flowforge.core.conflict import Abstain, Candidate, Conflict, Side, splice
from flowforge.hooks.contracts import Language, Resolve, ResolveContext
from flowforge.hooks.manager import resolve_load
from flowforge.merge.syntax import parse

_BROKEN = Abstain(why="does_not_parse", sentence="the answer would break a file that parses without it")


def ask(load: str, conflict: Conflict, context: ResolveContext) -> Candidate | Abstain:
    """What the resolver ``"module:function"`` says, unless its answers break the file.

    Raises:
        Broken: plugin_failed, when it cannot be imported; and whatever it raises.
    """
    said = cast("Resolve", resolve_load(load))(conflict, context)
    if not isinstance(said, Candidate) or not said.answers or context.language is None:
        return said
    return _BROKEN if context.language.grammar and breaks(conflict, said, context.language) else said


def breaks(conflict: Conflict, said: Candidate, language: Language) -> bool:
    """Whether no side's text for the hunks that stay open makes a file that parses, though one side's own hunks do."""
    given = {answer.index: answer.text for answer in said.answers}
    sides = (Side.UPSTREAM, Side.COMMIT)
    if not all(_has_error(conflict, side, given, language) for side in sides):
        return False
    return not all(_has_error(conflict, side, {}, language) for side in sides)


def _has_error(conflict: Conflict, side: Side, given: dict[int, bytes], language: Language) -> bool:
    texts = [given.get(hunk.index, hunk.side(side)) for hunk in conflict.hunks]
    return parse(splice(conflict.segments, texts), language).has_error
