"""How the files of a project are written, measured: indentation, quotes, width, order of imports, order of releases.

Each habit is one sentence, and is told only where nearly all that was looked at keeps it. Runs in a child process.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

from flowforge.hooks.contracts import Language
from flowforge.merge.entities import Role, file_body
from flowforge.merge.importnames import ORDERS, is_sorted
from flowforge.merge.syntax import parse

LOAD = "flowforge.merge.habits:habits"
LARGEST = 1 << 14  # bytes of one file that are looked at, from its beginning
_TOP = 6000  # bytes in which imports stand
_KEPT = 0.9  # of all cases
_FEW = 5  # with fewer cases nothing is said
_WIDTHS = (72, 79, 80, 88, 90, 99, 100, 110, 120, 132, 140)
_QUOTED = re.compile(rb"""(?<![\w'"\\])(?:"[^"'\\\n]*"|'[^"'\\\n]*')""")
_STATEMENT = re.compile(
    rb"^[ \t]*(?:return|const|let|var|import|throw)\b.*[\w)\]'\"](;?)[ \t]*\r?$", re.MULTILINE
)
_TRAILING = re.compile(rb"[\w)\]\"'](,?)[ \t]*\r?\n[ \t]*[)\]}]")
_RELEASE = re.compile(rb"^(?:#+\s*|)\[?v?(\d+)\.(\d+)(?:\.(\d+))?\b", re.MULTILINE)
_CHANGELOG = re.compile(r"(?i)(?:^|/)(?:change|history|news|releases?)[^/]*$")

Texts = Sequence[bytes]
T = TypeVar("T")


def habits(files: Mapping[str, bytes], language: Language | None) -> tuple[str, ...]:
    """Sentences about files of one language, or about a changelog: by path, each at most `LARGEST` bytes."""
    texts = [text for text in files.values() if text.strip()]
    found = [*_lines(texts)]
    if language is not None and not language.document and language.grammar:
        found += [*_code(texts, language)]
    found += [*_releases([text for path, text in files.items() if _CHANGELOG.search(path)])]
    return tuple(found)


def _lines(texts: Texts) -> Iterator[str]:
    indent = _indent(texts)
    if indent:
        yield indent
    ends = Counter(b"\r\n" if b"\r\n" in text else b"\n" for text in texts)
    if ends[b"\r\n"] and ends[b"\r\n"] >= _KEPT * ends.total():
        yield "Lines end with CR LF."


def _code(texts: Texts, language: Language) -> Iterator[str]:
    for measure in (_quotes, _width, _semicolons, _commas):
        said = measure(texts, language)
        if said:
            yield said
    order = _imports(texts, language)
    if order:
        yield order


def _indent(texts: Texts) -> str:
    steps: Counter[str] = Counter()
    for text in texts:
        steps.update(_steps(text))
    step = _mostly(steps)
    if step is None:
        return ""
    return "Lines are indented with tabs." if step == "tab" else f"Lines are indented by {step} spaces."


def _steps(text: bytes) -> Iterator[str]:
    """By how much each line is deeper than the one before it."""
    before = b""
    for line in text.split(b"\n"):
        blank = line[: len(line) - len(line.lstrip(b" \t"))]
        if not line.strip():
            continue
        if len(blank) > len(before) and blank.startswith(before):
            added = blank[len(before) :]
            if set(added) == {9}:
                yield "tab"
            elif set(added) == {32} and len(added) in {2, 3, 4, 8}:
                yield str(len(added))
        before = blank


def _quotes(texts: Texts, language: Language) -> str:
    if language.id in {"c", "cpp", "csharp", "java", "go", "rust", "kotlin", "scala", "bash"}:
        return ""  # there the two mean different things
    kinds = Counter(found[:1] for text in texts for found in _QUOTED.findall(text))
    return {b"'": "Strings are in single quotes.", b'"': "Strings are in double quotes."}.get(
        _mostly(kinds) or b"", ""
    )


def _width(texts: Texts, _language: Language) -> str:
    """The smallest usual width that nearly all lines keep, where some come near it."""
    lengths = Counter(len(line.rstrip()) for text in texts for line in text.split(b"\n") if line.strip())
    total = lengths.total()
    for width in _WIDTHS if total >= 20 * _FEW else ():
        longer = sum(count for length, count in lengths.items() if length > width)
        near = sum(count for length, count in lengths.items() if width - 8 < length <= width)
        if longer <= total // 200 and near:
            return f"Lines have at most {width} characters."
    return ""


def _semicolons(texts: Texts, language: Language) -> str:
    if language.id not in {"javascript", "typescript", "tsx"}:
        return ""
    ends = Counter(found for text in texts for found in _STATEMENT.findall(text))
    kept = _mostly(ends)
    return "" if kept is None else f"Statements end {'with' if kept else 'without'} semicolons."


def _commas(texts: Texts, language: Language) -> str:
    if language.id not in {"javascript", "typescript", "tsx", "python", "rust"}:
        return ""
    ends = Counter(found for text in texts for found in _TRAILING.findall(text))
    return {b",": "The last of several lines in brackets ends with a comma."}.get(_mostly(ends) or b"", "")


def _imports(texts: Texts, language: Language) -> str:
    """Whether blocks of imports stand in order, by the statement or by what they import from."""
    blocks = [block for text in texts for block in _blocks(text, language) if len(block) > 2]  # noqa: PLR2004 (two are in order by chance)
    if len(blocks) < _FEW // 2 + 1:
        return ""
    ways: tuple[tuple[str, Callable[[Sequence[tuple[bytes, bytes]]], list[bytes]]], ...] = (
        ("their text", lambda block: [words for words, _ in block]),
        ("what they import from", lambda block: [source for _, source in block]),
    )
    for name, read in ways:
        kept = sum(any(is_sorted(read(block), order) for order in ORDERS) for block in blocks)
        if kept >= _KEPT * len(blocks):
            return f"Imports are sorted by {name} within each block."
    return ""


def _blocks(text: bytes, language: Language) -> Iterator[list[tuple[bytes, bytes]]]:
    block: list[tuple[bytes, bytes]] = []
    for piece in file_body(parse(text[:_TOP], language)).pieces:
        if block and (piece.role is not Role.IMPORT or piece.lead):
            yield block
            block = []
        if piece.role is Role.IMPORT:
            block.append((b" ".join(piece.text.split()), piece.key[1]))
    if block:
        yield block


def _releases(texts: Texts) -> Iterator[str]:
    """In which order the releases of a changelog stand."""
    for text in texts:
        numbers = [tuple(int(part or 0) for part in found) for found in _RELEASE.findall(text)]
        if len(numbers) >= _FEW:
            falling = sum(a > b for a, b in pairwise(numbers))
            rising = sum(a < b for a, b in pairwise(numbers))
            if falling >= _KEPT * (falling + rising) > 0:
                yield "The newest release stands first."
            elif rising >= _KEPT * (falling + rising) > 0:
                yield "The newest release stands last."
            return


def _mostly(kinds: Counter[T]) -> T | None:
    """The kind that nearly all cases are of."""
    total = kinds.total()
    best = kinds.most_common(1)
    return best[0][0] if total >= _FEW and best[0][1] >= _KEPT * total else None
