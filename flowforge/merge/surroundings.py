"""One visit to a child process: what stands around a file's hunks, and what their names mean in that file."""

from dataclasses import dataclass, field

from flowforge.core.conflict import Conflict
from flowforge.hooks.contracts import Language
from flowforge.merge.around import Place, around
from flowforge.merge.defined import Known, defined_here

LOAD = "flowforge.merge.surroundings:surroundings"  # how a child process is told to call it


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    places: tuple[Place, ...]
    known: Known = field(default_factory=Known)


def surroundings(conflict: Conflict, language: Language | None) -> Surroundings:
    """`language` is that of the path; None, or one without a grammar: lines are all that is known."""
    places = around(conflict, language)
    if language is None or not language.grammar:
        return Surroundings(places=places)
    return Surroundings(places=places, known=defined_here(conflict, language, [one.rows for one in places]))
