"""A second look at what was resolved: the difference between git's conflict and the answer, and what is said of it.

It is what `git show --remerge-diff` shows, made without a checkout: every place stands in the conflict as git left it
and in the result, so no difference has to be looked for. Whoever looks sees neither the first question nor the reasons
that were given with the answer, since those would persuade.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flowforge.core.conflict import Hunk, HunkAnswer, Resolution, split_lines
from flowforge.core.markers import Markers, with_markers
from flowforge.hooks.contracts import ModelAnswer, ModelRequest
from flowforge.resolve.answer import RUNG
from flowforge.resolve.answer_shape import Flaw, Problem, read_json
from flowforge.resolve.answer_text import characters
from flowforge.resolve.portions import cut_lines, one_line
from flowforge.resolve.templates import Templates, read_templates

OPERATION: Final = "remerge"
ACCEPT, DOUBT = "accept", "doubt"
MAX_MESSAGE: Final = 1_000  # tokens of the commit's message
MAX_PLACES: Final = 60  # of one commit; more are for a person
MAX_PROMPT: Final = 120_000  # characters
MAX_WHY: Final = 400  # characters of a reason
_AROUND: Final = 4  # lines shown before and after a place
_FIXED: Final = "-" * 32
_MIN_DELIMITER: Final = 16
_TOKENS: Final = 200  # of an answer, a place

SYSTEM, PROMPT = "remerge.system.txt", "remerge.prompt.txt"
NEEDS: Final[Mapping[str, frozenset[str]]] = {
    SYSTEM: frozenset(),
    PROMPT: frozenset({"delimiter", "commit", "onto", "message", "places", "ids"}),
}
FILES: Final = tuple(NEEDS)

_ROW: Final = ("id", "verdict", "why")
SCHEMA: Final[Mapping[str, object]] = {
    "type": "object",
    "properties": {
        "places": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "integer"},
                    "verdict": {"type": "string", "enum": [ACCEPT, DOUBT]},
                    "why": {"type": "string"},
                },
                "required": list(_ROW),
                "additionalProperties": False,
            },
        }
    },
    "required": ["places"],
    "additionalProperties": False,
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """One answered hunk with what stands around it in the result."""

    path: str
    hunk: Hunk
    answer: HunkAnswer
    before: bytes = b""
    after: bytes = b""

    @property
    def key(self) -> tuple[str, int]:
        return self.path, self.hunk.index


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """The commit whose conflicts were answered."""

    commit: str
    onto: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is said of one place. Only ACCEPT leaves the answer as it was: it never makes more of it."""

    word: str
    why: str


@dataclass(frozen=True, kw_only=True)
class LookQuestion:
    """A request and the exact key of what it asks, whatever its random word."""

    request: ModelRequest
    key: str


def remerge_templates(files: Mapping[str, str]) -> Templates:
    """Check the template files of this question.

    Raises:
        Broken: as `read_templates`.
    """
    return read_templates(files, NEEDS)


def places_of(resolutions: Sequence[Resolution]) -> tuple[Place, ...]:
    """The hunks that the model answered, in the order of files and hunks."""
    return tuple(place for one in resolutions for place in _places(one) if place.answer.rung == RUNG)


def _places(resolution: Resolution) -> Iterator[Place]:
    segments = resolution.conflict.segments
    answers = {answer.index: answer for answer in resolution.answers}
    texts = (
        [answers[part.index].text if isinstance(part, Hunk) else part for part in segments] if answers else []
    )
    for at, part in enumerate(segments if answers else ()):
        if isinstance(part, Hunk):
            before, after = b"".join(texts[:at]), b"".join(texts[at + 1 :])
            yield Place(
                path=resolution.conflict.path,
                hunk=part,
                answer=answers[part.index],
                before=b"".join(split_lines(before)[-_AROUND:]),
                after=b"".join(split_lines(after)[:_AROUND]),
            )


def build(
    replayed: Replayed,
    places: Sequence[Place],
    templates: Templates,
    *,
    model: str,
    delimiter: str,
    secrets: Callable[[str], Sequence[str]],
) -> LookQuestion | str:
    """The question about a commit's places, or why it cannot be asked, in a few words."""
    if len(places) > MAX_PLACES:
        return f"it has {len(places)} places, more than {MAX_PLACES}"
    fixed = _render(replayed, places, templates, _FIXED)
    if len(fixed) > MAX_PROMPT:
        return f"it has more than {MAX_PROMPT} characters"
    if secrets(fixed):
        return "it holds what looks like a secret"
    if len(delimiter) < _MIN_DELIMITER or not delimiter.isalnum() or delimiter in fixed:
        return "it holds the word that should set it apart"
    system = templates.texts[SYSTEM].substitute()
    request = ModelRequest(
        model=model,
        system=system,
        prompt=_render(replayed, places, templates, delimiter),
        schema=SCHEMA,
        max_output=_TOKENS * (len(places) + 1),
        operation=OPERATION,
    )
    whole = f"{system}\n{fixed}\n{templates.version}\n{model}\n{OPERATION}"
    return LookQuestion(request=request, key=hashlib.sha256(whole.encode(errors="replace")).hexdigest())


def _render(replayed: Replayed, places: Sequence[Place], templates: Templates, delimiter: str) -> str:
    shown = (line for number, place in enumerate(places) for line in _shown(number, place, delimiter))
    return templates.texts[PROMPT].substitute(
        delimiter=delimiter,
        commit=replayed.commit[:12] or "(unknown)",
        onto=replayed.onto[:12] or "upstream",
        message="\n".join(f"| {line}" for line in cut_lines(replayed.message, MAX_MESSAGE).splitlines()),
        places="\n".join(shown),
        ids=", ".join(str(number) for number in range(len(places))),
    )


def _shown(number: int, place: Place, delimiter: str) -> Iterator[str]:
    yield f"--- {delimiter} place {number} in {one_line(place.path)}"
    yield from _barred(" ", place.before)
    yield from _barred("-", with_markers((place.hunk,), Markers()))
    yield from _barred("+", place.answer.text)
    yield from _barred(" ", place.after)


def _barred(bar: str, text: bytes) -> Iterator[str]:
    for line in split_lines(text):
        yield bar + line.decode(errors="replace").rstrip("\r\n")


def read_verdicts(answer: ModelAnswer, places: Sequence[Place]) -> Mapping[tuple[str, int], Verdict] | str:
    """What is said of each place, or why the answer is none, in a few words."""
    if answer.stop != "end":
        return "the model declined to answer" if answer.stop == "refusal" else "the answer is not whole"
    value = read_json(answer.text)
    if isinstance(value, Problem):
        return f"the answer could not be used ({value.flaw.value})"
    rows = value.get("places") if isinstance(value, dict) and set(value) == {"places"} else None
    if not isinstance(rows, list):
        return f"the answer could not be used ({Flaw.SCHEMA.value})"
    said: dict[int, Verdict] = {}
    for row in rows:
        read = _verdict(row)
        if read is None or read[0] in said:
            return f"the answer could not be used ({Flaw.SCHEMA.value})"
        said[read[0]] = read[1]
    if sorted(said) != list(range(len(places))):
        return "the answer is not about every place, and about no other"
    return {place.key: said[number] for number, place in enumerate(places)}


def _verdict(row: object) -> tuple[int, Verdict] | None:
    if not isinstance(row, dict) or set(row) != set(_ROW):
        return None
    number, word, why = (row[name] for name in _ROW)
    if type(number) is not int or word not in (ACCEPT, DOUBT) or not isinstance(why, str):
        return None
    if characters(0, why, "\n\t") is not None or any(0xD800 <= ord(c) <= 0xDFFF for c in why):  # noqa: PLR2004 (half a character)
        return None
    plain = " ".join(why.split())
    return number, Verdict(word=word, why=plain if len(plain) <= MAX_WHY else plain[: MAX_WHY - 1] + "…")
