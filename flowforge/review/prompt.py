"""The question about one portion of a change. In order: what never differs, what all its questions share, the lines.

Text of the repository cannot end the part that it stands in: each of its lines follows its number or a bar, control
characters are written out, and the parts stand between lines with a random word beside that.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flowforge.hooks.contracts import ModelRequest
from flowforge.resolve.portions import cut_lines
from flowforge.resolve.prompt import Delimiters
from flowforge.resolve.suitable import MAX_LINE
from flowforge.resolve.templates import Templates, read_templates
from flowforge.review.change import Change, Secrets
from flowforge.review.shape import SCHEMA
from flowforge.review.split import Piece, Portion, removed_shown

OPERATION: Final = "review"
MAX_MESSAGES: Final = 1_000  # tokens of the commits' messages
MAX_PATHS: Final = 200  # of the change, named in what its questions share
MAX_OUTPUT: Final = 4_000  # tokens
MOST_ASKED: Final = 20  # findings that one question asks for at most
MIN_DELIMITER: Final = 16

SYSTEM, COMMIT, PROMPT = "review.system.txt", "review.commit.txt", "review.prompt.txt"
NEEDS: Final[Mapping[str, frozenset[str]]] = {
    SYSTEM: frozenset(),
    COMMIT: frozenset({"delimiter", "messages", "paths"}),
    PROMPT: frozenset({"delimiter", "files", "most"}),
}
FILES: Final = tuple(NEEDS)
_FIXED: Final = "-" * 32  # stands for the delimiters when a question's key is made


@dataclass(frozen=True, kw_only=True)
class ReviewQuestion:
    """A request, and the key of what it asks: equal keys, equal questions, whatever the random words."""

    request: ModelRequest
    key: str


def review_templates(files: Mapping[str, str]) -> Templates:
    """Check the review's template files.

    Raises:
        Broken: as `read_templates`.
    """
    return read_templates(files, NEEDS)


def build(
    change: Change,
    portion: Portion,
    templates: Templates,
    *,
    model: str,
    delimiters: Delimiters,
    secrets: Secrets,
) -> ReviewQuestion | None:
    """The question about `portion`; None where a delimiter is short, or stands in the text that it sets apart."""
    fixed = _render(change, portion, templates, Delimiters(shared=_FIXED, request=_FIXED), secrets)
    if not _well_drawn(delimiters, "".join(fixed)):
        return None
    system, commit, prompt = _render(change, portion, templates, delimiters, secrets)
    request = ModelRequest(
        model=model,
        system=system,
        shared=commit,
        prompt=prompt,
        schema=SCHEMA,
        max_output=MAX_OUTPUT,
        operation=OPERATION,
    )
    return ReviewQuestion(
        request=request, key=_key(*fixed, templates.version, model, OPERATION, str(MAX_OUTPUT))
    )


def _render(
    change: Change, portion: Portion, templates: Templates, words: Delimiters, secrets: Secrets
) -> tuple[str, str, str]:
    fill = templates.texts
    commit = {"messages": _messages(change.messages, secrets), "paths": _paths(change)}
    files = "\n".join(line for piece in portion for line in _piece(piece, words.request))
    return (
        fill[SYSTEM].substitute(),
        fill[COMMIT].substitute(delimiter=words.shared, **commit),
        fill[PROMPT].substitute(delimiter=words.request, files=files, most=str(MOST_ASKED)),
    )


def _messages(messages: Sequence[str], secrets: Secrets) -> str:
    """What the commits say of themselves; a message that holds a secret is left out."""
    told = ["(left out: it holds what looks like a secret)" if secrets(text) else text for text in messages]
    barred = "\n|\n".join("\n".join(f"| {shown(line)}" for line in text.strip().split("\n")) for text in told)
    return cut_lines(barred, MAX_MESSAGES) or "| (none)"


def _paths(change: Change) -> str:
    rows = [f"| {file.path}, new lines: {len(file.introduced)}" for file in change.files]
    more = [f"| and {len(rows) - MAX_PATHS} more"] if len(rows) > MAX_PATHS else []
    return "\n".join([*rows[:MAX_PATHS], *more])


def _piece(piece: Piece, delimiter: str) -> Iterator[str]:
    file = piece.file
    where = f"lines {piece.start} to {piece.end} of {len(file.lines)}"
    yield f"--- {delimiter} file {file.path} ({file.language or 'unknown language'}), {where}"
    if piece.head:
        yield _numbered(piece, piece.head)
        yield "    ..."
    for number in range(piece.start, piece.end + 1):
        yield from (f"{'':>7} - {shown(line)}" for line in removed_shown(file, number))
        yield _numbered(piece, number)
    if piece.end == len(file.lines):
        yield from (f"{'':>7} - {shown(line)}" for line in removed_shown(file, piece.end + 1))


def _numbered(piece: Piece, number: int) -> str:
    line = piece.file.lines[number - 1]
    if len(line) > MAX_LINE:
        return f"{number:>7}   [a line of {len(line)} characters is not shown]"
    return f"{number:>7} {'+' if number in piece.introduced else ' '} {shown(line)}".rstrip()


def shown(line: str) -> str:
    """A line with everything that is not seen as itself written out; a tab stays."""
    return "".join(char if char.isprintable() or char == "\t" else _written(char) for char in line)


def _written(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"  # noqa: PLR2004 (two bytes)


def _well_drawn(delimiters: Delimiters, text: str) -> bool:
    return all(
        len(word) >= MIN_DELIMITER and word.isalnum() and word not in text
        for word in (delimiters.shared, delimiters.request)
    )


def _key(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode(errors="surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()
