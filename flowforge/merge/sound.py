"""The last word on any resolver's answer: a file that parsed still does.

Asked where the resolver runs, in a child process, as a hostile text may take a parser down.
"""

from collections.abc import Mapping
from typing import cast

from flowforge.core.conflict import Abstain, Candidate, Conflict, Side, splice
from flowforge.hooks.contracts import Language, Resolve, ResolveContext
from flowforge.hooks.manager import resolve_load
from flowforge.merge.checks import check
from flowforge.merge.doubt import Doubt
from flowforge.merge.faults import faults
from flowforge.merge.syntax import Source, parse

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


def offends(conflict: Conflict, said: Candidate, language: Language) -> Abstain | None:
    """What the answers make worse in the file: how it parses and, where they answer all of it, what it defines."""
    if breaks(conflict, said, language):
        return _BROKEN
    sides = [conflict.text(side) for side in (Side.BASE, Side.UPSTREAM, Side.COMMIT)]
    if len(said.answers) < len(conflict.hunks) or None in sides[1:] or not language.entities:
        return None
    result = _filled(
        conflict, Side.UPSTREAM, {answer.index: answer.text for answer in said.answers}, language
    )
    try:
        check(result, [parse(text or b"", language) for text in sides])
    except Doubt as doubt:
        return doubt.abstain()
    return None


def breaks(conflict: Conflict, said: Candidate, language: Language) -> bool:
    """Whether the answers make a file worse to read, whichever side's text the hunks get that stay open.

    Worse: no such file parses though one side's own hunks do, or each has more faults than the sides together.
    """
    sides = (Side.UPSTREAM, Side.COMMIT)
    given = {answer.index: answer.text for answer in said.answers}
    own = [_filled(conflict, side, {}, language) for side in sides]
    answered = [_filled(conflict, side, given, language) for side in sides]
    if not all(source.has_error for source in answered):
        return False
    if not all(source.has_error for source in own):
        return True
    upstream, commit = (faults(source) for source in own)
    most = (upstream | commit).total()
    return all(faults(source).total() > most for source in answered)


def _filled(conflict: Conflict, side: Side, given: Mapping[int, bytes], language: Language) -> Source:
    texts = [given.get(hunk.index, hunk.side(side)) for hunk in conflict.hunks]
    return parse(splice(conflict.segments, texts), language)
