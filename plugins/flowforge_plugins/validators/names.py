"""Python names that a merge lost: used in the result without a definition, although both sides had one.

Each line of such a result can stand in a side: one removed an import, the other began to use it. So every new
one fails the change, whoever wrote its line.
"""

import ast
import warnings
from collections import Counter
from collections.abc import Iterator

from pyflakes import checker, messages

from flowforge.plugin import CheckedFile, Finding, Level

_LOST = (messages.UndefinedName, messages.UndefinedLocal, messages.UndefinedExport)


def check(file: CheckedFile) -> Iterator[Finding]:
    found = _messages(file.text)
    if not found:
        return
    known = Counter[str]()
    for side in (file.upstream, file.commit):
        known |= Counter(_key(message) for message in _messages(side or b"") or ())
    for message in found:
        key = _key(message)
        known[key] -= 1
        if known[key] < 0:
            yield _finding(file.path, message)


def _messages(text: bytes) -> list[messages.Message] | None:
    """What pyflakes has against a text, in the order of its lines; None where it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None  # the syntax check's to tell
    told = checker.Checker(tree, filename="result").messages
    relevant = (*_LOST, messages.RedefinedWhileUnused)
    return sorted((m for m in told if isinstance(m, relevant)), key=lambda m: (m.lineno, m.col))


def _key(message: messages.Message) -> str:
    """The same trouble in another place of another version has the same key."""
    return f"{type(message).__name__} {message.message_args[0]}"


def _finding(path: str, message: messages.Message) -> Finding:
    lost = isinstance(message, _LOST)
    name = str(message.message_args[0])
    said = (
        f"the name {name!r} is used but defined nowhere; in both sides it was not so"
        if lost
        else f"{name!r} is defined again before it was used; in both sides it was not so"
    )
    return Finding(
        rule="lost-name" if lost else "double-definition",
        level=Level.ERROR if lost else Level.WARNING,
        message=said,
        path=path,
        start=message.lineno,
        end=message.lineno,
    )
