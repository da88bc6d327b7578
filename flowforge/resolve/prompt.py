"""The question for the model, built from one conflict and the facts around it.

In order: the task, its rules and an example (equal for every request), what is replayed, the commit's message and
change (equal for all questions about a commit), and what is this file's own; a provider caches the first two. The
file's own part: path and language, upstream's commits, the enclosing definitions, the hunks with named
sides, facts of the repository, the rules once more in short. Repository text stands between lines with a delimiter
that the caller draws at random, and is searched for secrets before anything is sent.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from flowforge.core.conflict import Abstain, Conflict, Hunk, Side
from flowforge.hooks.contracts import ModelRequest
from flowforge.resolve.answer_shape import SCHEMA, Problem
from flowforge.resolve.suitable import why_not
from flowforge.resolve.templates import Templates

MAX_MESSAGE: Final = 4_000  # characters, as all of these
MAX_DIFF: Final = 24_000
MAX_ENTITY: Final = 12_000
MAX_PROMPT: Final = 200_000
MIN_OUTPUT, MAX_OUTPUT = 2_000, 16_000  # tokens

_FIXED: Final = "-" * 32  # stands for the delimiters when a question's key is made
_MIN_DELIMITER: Final = 16


@dataclass(frozen=True, kw_only=True)
class Enclosing:
    """The function or class around a hunk, in each version; "" where it does not exist."""

    base: str = ""
    upstream: str = ""
    commit: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the caller knows around a conflict. All of it is text of the repository."""

    onto: str = ""  # commit id that is rebased onto
    message: str = ""  # the commit's whole message
    diff: str = ""  # the commit's whole change, as `git show` prints it
    language: str = ""
    upstream_commits: Sequence[str] = ()  # subjects of upstream's commits that touched the file
    enclosing: Mapping[int, Enclosing] = field(default_factory=dict)  # by hunk index
    repository: Sequence[str] = ()  # one sentence each, e.g. "imports are sorted by name"


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


def build(
    conflict: Conflict,
    facts: Facts,
    templates: Templates,
    *,
    model: str,
    delimiters: Delimiters,
    secrets: Callable[[str], Sequence[str]],
) -> tuple[Question, ...] | Abstain:
    """Build the questions for the open hunks of one file, each hunk in one of them, or say why none is asked.

    `secrets` names the kinds of secret found in a text; any find keeps the conflict here.
    """
    reason = why_not(conflict)
    if reason is not None:
        return reason
    shared, prompt = _render(conflict, facts, templates, delimiters)
    found = secrets(shared + prompt)
    if found:
        kinds = ", ".join(sorted(set(found)))
        return Abstain(why="secret", sentence=f"the text to be sent holds what looks like a secret ({kinds})")
    if len(shared) + len(prompt) > MAX_PROMPT:
        return Abstain(why="too_long", sentence=f"the question has more than {MAX_PROMPT} characters")
    if not _well_drawn(delimiters, conflict, facts):
        return Abstain(why="delimiter", sentence="the delimiter is short or stands in the repository's text")
    request = ModelRequest(
        model=model,
        system=templates.system(),
        shared=shared,
        prompt=prompt,
        schema=SCHEMA,
        max_output=_room(conflict.hunks),
    )
    fixed = _render(conflict, facts, templates, Delimiters(shared=_FIXED, request=_FIXED))
    return (
        Question(
            request=request,
            key=_key(request, fixed, templates.version),
            prompt_version=templates.version,
            hunks=tuple(hunk.index for hunk in conflict.hunks),
        ),
    )


def repair(
    question: Question, templates: Templates, *, answer: str, problem: Problem, delimiter: str
) -> Question:
    """The one question after an answer that cannot be used: the same, with the answer and its problem."""
    values = {"question": question.request.prompt, "delimiter": delimiter, "problem": problem.sentence}
    prompt = templates.repair(**values, answer=cut_lines(answer, MAX_DIFF))
    said = hashlib.sha256(f"{question.key}\n{problem.flaw}\n{answer}".encode(errors="replace"))
    request = replace(question.request, prompt=prompt, operation="repair")
    return replace(question, request=request, key=said.hexdigest())


def _render(
    conflict: Conflict, facts: Facts, templates: Templates, delimiters: Delimiters
) -> tuple[str, str]:
    hunks = conflict.hunks
    shared = templates.commit(
        delimiter=delimiters.shared,
        commit=conflict.commit_id[:12] or "(unknown)",
        onto=facts.onto[:12] or "upstream",
        message=cut_lines(facts.message, MAX_MESSAGE) or conflict.subject or "(none)",
        diff=cut_lines(facts.diff, MAX_DIFF) or "(not given)",
    )
    prompt = templates.prompt(
        delimiter=delimiters.request,
        path=one_line(conflict.path),
        language=facts.language or "unknown",
        upstream_commits="\n".join(map(one_line, facts.upstream_commits)) or "(none known)",
        entities=_enclosing(facts, hunks, delimiters.request) or "(none known)",
        hunks="\n".join(_hunk(hunk, delimiters.request) for hunk in hunks),
        facts="\n".join(map(one_line, facts.repository)) or "(none known)",
        ids=", ".join(str(hunk.index) for hunk in hunks),
    )
    return shared, prompt


def _hunk(hunk: Hunk, delimiter: str) -> str:
    parts = [f"--- {delimiter} hunk {hunk.index}, line {hunk.line}"]
    for side in (Side.UPSTREAM, Side.BASE, Side.COMMIT):
        text = hunk.side(side).decode()
        parts.append(f"--- {delimiter} {side.value} of hunk {hunk.index}{'' if text else ' (empty)'}")
        if text:
            parts.append(text.removesuffix("\n"))
    return "\n".join([*parts, f"--- {delimiter} end of hunk {hunk.index}"])


def _enclosing(facts: Facts, hunks: Sequence[Hunk], delimiter: str) -> str:
    """Each definition once, though several hunks may lie in it; versions that are equal once too."""
    parts: list[str] = []
    told: set[Enclosing] = set()
    for hunk in hunks:
        enclosing = facts.enclosing.get(hunk.index)
        if enclosing is None or enclosing in told:
            continue
        told.add(enclosing)
        versions: dict[str, list[str]] = {}
        for side in Side:
            versions.setdefault(getattr(enclosing, side.value), []).append(side.value)
        for text, sides in versions.items():
            if text:
                parts.append(f"--- {delimiter} around hunk {hunk.index} in {' and '.join(sides)}")
                parts.append(cut_lines(text, MAX_ENTITY))
    return "\n".join(parts)


def _room(hunks: Sequence[Hunk]) -> int:
    """Tokens for the answer: all sides once over in text, as much again in notes, and a floor."""
    size = sum(len(hunk.base) + len(hunk.upstream) + len(hunk.commit) for hunk in hunks)
    return max(MIN_OUTPUT, min(MAX_OUTPUT, MIN_OUTPUT + size // 2))


def _well_drawn(delimiters: Delimiters, conflict: Conflict, facts: Facts) -> bool:
    """Whether no text of the repository could contain the delimiter by chance or by knowing it."""
    fixed = "".join([repr(facts), *(repr(hunk) for hunk in conflict.hunks), conflict.path, conflict.subject])
    return all(
        len(word) >= _MIN_DELIMITER and word.isalnum() and word not in fixed
        for word in (delimiters.shared, delimiters.request)
    )


def _key(request: ModelRequest, rendered: tuple[str, str], version: str) -> str:
    digest = hashlib.sha256()
    for part in (*rendered, version, request.model, request.operation, str(request.max_output)):
        raw = part.encode()
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()


def cut_lines(text: str, most: int) -> str:
    """At most `most` characters, cut after a whole line, with a line that says how many were left out."""
    if len(text) <= most:
        return text.removesuffix("\n")
    kept = text[:most].rpartition("\n")[0]
    left = len(text.splitlines()) - len(kept.splitlines())
    return f"{kept}\n[cut here; lines left out: {left}]"


def one_line(text: str) -> str:
    return " ".join(text.split())
