"""The questions for the model, built from one conflict and the facts around it.

A question has three parts: the task, its rules and an example (equal for every request); the commit's message and
change (equal for all questions about a commit); and what is this file's own. A provider caches the first two. The
file's own part, in order: path and language, upstream's commits at these lines, the code around the hunks with the
hunks in their places, definitions, facts of the repository, the rules once more in short. Repository text stands
between lines with a delimiter that the caller draws at random. Secrets are taken out of what stands around a hunk; a
hunk that holds one goes to a person.

Each part has its share of a number of tokens, and what one does not use is left to the next.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from flowforge.core.conflict import Abstain, Conflict, Hunk, Side
from flowforge.git.hiding import Hidden, Hider
from flowforge.hooks.contracts import ModelRequest
from flowforge.merge.around import Place, beside
from flowforge.merge.defined import Definition
from flowforge.resolve.answer_shape import SCHEMA, Problem
from flowforge.resolve.material import of_definition, of_place
from flowforge.resolve.portions import cut_diff, cut_lines, one_line, tokens
from flowforge.resolve.suitable import why_not
from flowforge.resolve.templates import Templates

CONTEXT: Final = 12_000  # tokens of one request, answer not counted
LEAST_CONTEXT: Final = 3_000
MIN_OUTPUT, MAX_OUTPUT = 2_000, 16_000  # tokens
MAX_ANSWER: Final = 6_000  # tokens of an answer that is shown again
_MESSAGE, _COMMIT = 0.05, 0.20  # shares of what the rules leave: the commit's message, and all of the commit
_PLACES, _HISTORY, _DEFINITIONS = 0.75, 0.05, 0.15  # shares of what is left after that
_FRAME: Final = 220  # tokens of the file's own part without its material

_FIXED: Final = "-" * 32  # stands for the delimiters when a question's key is made
_MIN_DELIMITER: Final = 16
Find = Callable[[str], Sequence[Hidden]]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the caller knows around a conflict. All of it is text of the repository, but what is measured."""

    onto: str = ""  # commit id that is rebased onto
    message: str = ""  # the commit's whole message
    diff: str = ""  # the commit's whole change, as `git show` prints it
    paths: Sequence[str] = ()  # of all conflicts of the commit: where to look first in its change
    language: str = ""
    upstream_commits: Sequence[str] = ()  # short ids and subjects of those that touched the same lines
    places: Sequence[Place] = ()  # the code around the hunks; none: the lines beside them are told
    definitions: Sequence[Definition] = ()  # of names that the hunks use, the likeliest first
    repository: Sequence[str] = ()  # measured; one sentence each, e.g. "Strings are in single quotes."


@dataclass(frozen=True, kw_only=True)
class Delimiters:
    """Random words, at least 16 characters. `shared` is one for a commit: its part of the prompt is cached."""

    shared: str
    request: str


@dataclass(frozen=True, kw_only=True)
class Question:
    """A request and the exact key of what it asks: equal keys, equal questions, whatever the delimiters."""

    request: ModelRequest
    key: str
    prompt_version: str
    hunks: tuple[int, ...]  # indexes of those that it asks about
    redacted: tuple[str, ...] = ()  # kinds of secrets that were taken out of it


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One question's own material, cut to size and without secrets."""

    path: str
    hunks: tuple[Hunk, ...]
    places: tuple[Place, ...]
    history: tuple[str, ...]
    definitions: tuple[Definition, ...]
    facts: tuple[str, ...]
    left_out: int  # definitions


@dataclass(frozen=True, kw_only=True)
class _Commit:
    """What all questions about a commit share, cut to size and without secrets."""

    message: str
    diff: str


def build(
    conflict: Conflict,
    facts: Facts,
    templates: Templates,
    *,
    model: str,
    delimiters: Delimiters,
    secrets: Find,
    context: int = CONTEXT,
) -> tuple[Question, ...] | Abstain:
    """Build the questions for the open hunks of one file, each hunk in one of them, or say why none is asked.

    `secrets` finds secrets in a text; `context` is the most tokens of one request. Hunks that do not fit into one
    request are asked about in several, by the functions that they stand in.
    """
    reason = why_not(conflict) or _secret(conflict, secrets)
    if reason is not None:
        return reason
    hider = Hider(find=secrets)
    room = context - tokens(templates.system())
    commit = _commit(conflict, facts, hider, room)
    shared = tokens(commit.message) + tokens(commit.diff) + _FRAME // 2
    groups = _groups(conflict, _places(conflict, facts), room - shared - _FRAME)
    if groups is None:
        return Abstain(why="too_long", sentence=f"a hunk does not fit into a request of {context} tokens")
    asked = [_asked(conflict, facts, group, room - shared - _FRAME, hider) for group in groups]
    fixed = Delimiters(shared=_FIXED, request=_FIXED)
    questions: list[Question] = []
    for one in asked:
        texts = [_render(conflict, facts, commit, one, templates, words) for words in (delimiters, fixed)]
        if not _well_drawn(delimiters, texts[1]):
            return Abstain(
                why="delimiter", sentence="the delimiter is short or stands in the repository's text"
            )
        questions.append(_question(one, templates, model, texts, hider))
    return tuple(questions)


def repair(
    question: Question, templates: Templates, *, answer: str, problem: Problem, delimiter: str
) -> Question:
    """The one question after an answer that cannot be used: the same, with the answer and its problem."""
    values = {"question": question.request.prompt, "delimiter": delimiter, "problem": problem.sentence}
    prompt = templates.repair(**values, answer=cut_lines(answer, MAX_ANSWER))
    said = hashlib.sha256(f"{question.key}\n{problem.flaw}\n{answer}".encode(errors="replace"))
    request = replace(question.request, prompt=prompt, operation="repair")
    return replace(question, request=request, key=said.hexdigest())


def _secret(conflict: Conflict, secrets: Find) -> Abstain | None:
    """A hunk must be given back to the letter, so nothing can be taken out of it."""
    for hunk in conflict.hunks:
        for side in Side:
            found = secrets(hunk.side(side).decode())
            if found:
                what = f"hunk {hunk.index} holds what looks like {found[0].kind}, which is not sent"
                return Abstain(why="secret", sentence=f"{what}; a person decides")
    return None


def _commit(conflict: Conflict, facts: Facts, hider: Hider, room: int) -> _Commit:
    """Secrets are numbered from here on, so that it is equal for all questions about the commit."""
    message = hider(cut_lines(facts.message, int(room * _MESSAGE)))
    diff = hider(cut_diff(facts.diff, int(room * _COMMIT) - tokens(message), facts.paths))
    return _Commit(message=message or hider(conflict.subject) or "(none)", diff=diff or "(not given)")


def _places(conflict: Conflict, facts: Facts) -> Sequence[Place]:
    told = sorted(index for place in facts.places for index in place.hunks)
    return facts.places if told == [hunk.index for hunk in conflict.hunks] else beside(conflict)


def _groups(conflict: Conflict, places: Sequence[Place], room: int) -> list[list[Place]] | None:
    """The places of each question; None where not even a hunk alone has room."""
    hunks = {hunk.index: hunk for hunk in conflict.hunks}
    groups: list[list[Place]] = []
    left = 0
    for place in _fitting(places, hunks, room):
        size = tokens(of_place(place, hunks, _FIXED))
        if size > room:
            return None
        if not groups or size > left:
            groups.append([])
            left = int(room * _PLACES) if size <= int(room * _PLACES) else room
        groups[-1].append(place)
        left -= size
    return groups


def _fitting(places: Sequence[Place], hunks: dict[int, Hunk], room: int) -> Iterator[Place]:
    """Places as they are, or, where one is too large, its hunks each by itself without what stands around."""
    for place in places:
        if tokens(of_place(place, hunks, _FIXED)) <= room:
            yield place
        else:
            yield from (
                Place(hunks=(index,), parts=(None, index, None), whole=False) for index in place.hunks
            )


def _asked(conflict: Conflict, facts: Facts, places: Sequence[Place], room: int, hider: Hider) -> _Asked:
    hunks = {hunk.index: hunk for hunk in conflict.hunks}
    here = tuple(hunks[index] for place in places for index in place.hunks)
    cleaned = tuple(_cleaned(place, hider) for place in places)
    left = room - sum(tokens(of_place(place, hunks, _FIXED)) for place in cleaned)
    history = tuple(_taken(map(one_line, facts.upstream_commits), max(0, min(left, int(room * _HISTORY)))))
    left -= sum(map(tokens, history))
    wanted = [
        one
        for one in facts.definitions
        if any(one.name.encode() in hunk.side(s) for hunk in here for s in Side)
    ]
    texts = {of_definition(one): one for one in wanted}
    kept = list(_taken(texts, max(0, min(left, int(room * _DEFINITIONS)))))
    return _Asked(
        path=hider(one_line(conflict.path)),
        hunks=here,
        places=cleaned,
        history=tuple(map(hider, history)),
        definitions=tuple(_hidden(texts[text], hider) for text in kept),
        facts=tuple(map(one_line, facts.repository)),
        left_out=len(texts) - len(kept),
    )


def _taken(texts: "Iterator[str] | dict[str, Definition]", room: int) -> Iterator[str]:
    """Those that fit, in order."""
    for text in texts:
        if tokens(text) <= room:
            room -= tokens(text)
            yield text


def _hidden(one: Definition, hider: Hider) -> Definition:
    return replace(one, text=hider(one.text), path=hider(one_line(one.path)), holder=hider(one.holder))


def _cleaned(place: Place, hider: Hider) -> Place:
    parts = tuple(hider(part) if isinstance(part, str) else part for part in place.parts)
    told = place.changed
    changed = replace(told, commit=hider(told.commit), upstream=hider(told.upstream), both=hider(told.both))
    return replace(place, parts=parts, changed=changed)


def _render(
    conflict: Conflict, facts: Facts, commit: _Commit, asked: _Asked, templates: Templates, words: Delimiters
) -> tuple[str, str]:
    """The part of the commit, and the file's own."""
    hunks = {hunk.index: hunk for hunk in conflict.hunks}
    shared = templates.commit(
        delimiter=words.shared,
        commit=conflict.commit_id[:12] or "(unknown)",
        onto=facts.onto[:12] or "upstream",
        message=commit.message,
        diff=commit.diff,
    )
    definitions = [of_definition(one) for one in asked.definitions]
    if asked.left_out:
        definitions.append(f"[left out: {asked.left_out} more definitions]")
    prompt = templates.prompt(
        delimiter=words.request,
        path=asked.path,
        language=facts.language or "unknown",
        upstream_commits="\n".join(asked.history) or "(none known)",
        places="\n".join(of_place(place, hunks, words.request) for place in asked.places),
        definitions="\n".join(definitions) or "(none known)",
        facts="\n".join(asked.facts) or "(none known)",
        ids=", ".join(str(hunk.index) for hunk in asked.hunks),
    )
    return shared, prompt


def _question(
    asked: _Asked, templates: Templates, model: str, texts: Sequence[tuple[str, str]], hider: Hider
) -> Question:
    (shared, prompt), fixed = texts
    request = ModelRequest(
        model=model,
        system=templates.system(),
        shared=shared,
        prompt=prompt,
        schema=SCHEMA,
        max_output=_room(asked.hunks),
    )
    return Question(
        request=request,
        key=_key(request, fixed, templates.version),
        prompt_version=templates.version,
        hunks=tuple(hunk.index for hunk in asked.hunks),
        redacted=hider.kinds,
    )


def _room(hunks: Sequence[Hunk]) -> int:
    """Tokens for the answer: all sides once over in text, as much again in notes, and a floor."""
    size = sum(len(hunk.base) + len(hunk.upstream) + len(hunk.commit) for hunk in hunks)
    return max(MIN_OUTPUT, min(MAX_OUTPUT, MIN_OUTPUT + size // 2))


def _well_drawn(delimiters: Delimiters, fixed: tuple[str, str]) -> bool:
    """Whether no text of the repository could contain the delimiter by chance or by knowing it."""
    return all(
        len(word) >= _MIN_DELIMITER and word.isalnum() and not any(word in text for text in fixed)
        for word in (delimiters.shared, delimiters.request)
    )


def _key(request: ModelRequest, rendered: tuple[str, str], version: str) -> str:
    digest = hashlib.sha256()
    for part in (*rendered, version, request.model, request.operation, str(request.max_output)):
        raw = part.encode(errors="surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()
