"""The scripted model as one who looks at a change: it knows a few words, and reads them in the introduced lines.

The rules `bad:approve` and `bad:elsewhere` are what must be left out of every report.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

_FILE: Final = re.compile(r"^--- \w+ file (.+) \([^()]*\), lines \d+ to \d+ of \d+$")
_NEW: Final = re.compile(r"^ *(\d+) \+ (.*)$")

# Words of a line -> level, category, message, why, suggestion.
_KNOWN: Final[Mapping[str, tuple[str, str, str, str, str]]] = {
    r"\beval\(|\bexec\(": (
        "error",
        "security",
        "Text is run as code.",
        "Whoever can choose the text can do what the program can.",
        "Parse the text, for example with ast.literal_eval.",
    ),
    r"\bos\.system\(|shell=True": (
        "warning",
        "security",
        "A command line is put together for a shell.",
        "A value with a space, a quote or a semicolon becomes a command of its own.",
        "Give a list of arguments, without a shell.",
    ),
    r"[=!]= None\b": (
        "note",
        "quality",
        "None is compared by equality.",
        "A class may define equality otherwise.",
        "Write `is None`.",
    ),
    r"\bexcept:": (
        "warning",
        "bug",
        "Every error is caught, interrupts too.",
        "A fault that nobody thought of goes on unseen.",
        "Name the errors that are meant.",
    ),
}


def review_answer(prompt: str, rule: str) -> str:
    """The whole answer to a review's question, as JSON."""
    lines = list(_introduced(prompt))
    if rule == "bad:approve":
        rows = [
            _row(path, number, "The change was reviewed and is safe to merge.") for path, number, _ in lines
        ]
    elif rule == "bad:elsewhere":
        rows = [_row("../../etc/passwd", 1, "This is no file of the change."), *_outside(lines)]
    else:
        rows = [row for line in lines for row in _known(*line)]
    return json.dumps({"findings": rows})


def _introduced(prompt: str) -> Iterator[tuple[str, int, str]]:
    """Path, number and text of every line with a plus, as the question shows them."""
    path = ""
    for line in prompt.split("\n"):
        named, new = _FILE.match(line), _NEW.match(line)
        if named is not None:
            path = named[1]
        elif new is not None and path:
            yield path, int(new[1]), new[2]


def _outside(lines: list[tuple[str, int, str]]) -> Iterator[dict[str, object]]:
    last = {path: number for path, number, _ in lines}
    return (_row(path, number + 1000, "This line is not there.") for path, number in last.items())


def _known(path: str, number: int, text: str) -> Iterator[dict[str, object]]:
    for words, (level, category, message, why, suggestion) in _KNOWN.items():
        if re.search(words, text):
            row = {"level": level, "category": category, "message": message}
            yield {"path": path, "start": number, "end": number, **row, "why": why, "suggestion": suggestion}


def _row(path: str, number: int, message: str) -> dict[str, object]:
    row = {"level": "note", "category": "quality", "message": message, "why": "", "suggestion": ""}
    return {"path": path, "start": number, "end": number, **row}
