"""What no text of a model's may bring, however small it is: orders, addresses, imports, another place's text.

A merge needs none of it. Each is looked for on lines that no version of the file has, so that what a side wrote
itself is never held against an answer. Each function gives the first `Problem` it finds, or None.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from flowforge.core.conflict import Hunk, Side
from flowforge.git.hiding import MARK
from flowforge.git.secrets import find_secret
from flowforge.merge.manifests import may_be_locked
from flowforge.resolve.answer_known import TELLING, TOKEN, Known, indent, lines_of, plain_lines
from flowforge.resolve.answer_shape import Entry, Flaw, Problem

_RUN: Final = 8  # words in a row of the prompt that an answer has of nobody else
_COPIED: Final = 3  # telling lines in a row of another place of the file
_IMPORT: Final = re.compile(
    r"\s*(import|include|require(_once|_relative)?|use|using|source|@import|#\s*include)\s+[\w\"'<{*.\\]"
    r"|\s*from\s+[\w.]+\s+import\b|.*\b(require|import|__import__)\s*\(|.*\bimportlib\b|\s*\.\s+/"
)
_DANGEROUS: Final = tuple(
    (re.compile(pattern), what)
    for pattern, what in (
        (r"\b(eval|exec|execfile|compile|__import__)\s*\(", "a call that runs text as code"),
        (r"\bos\s*\.\s*(system|popen|exec\w*|spawn\w*|posix_spawn\w*)\b", "a command of the system"),
        (r"\b(subprocess|child_process|ProcessBuilder|Runtime\.getRuntime|pty)\b", "a command of the system"),
        (r"\bexec\.Command|\bsyscall\.Exec|\bstd::process|\bshell_exec|\bpassthru|\bproc_open", "a process"),
        (r"\b(curl|wget|fetch)\b[^\n|]*\|\s*(sudo\s+)?\w*sh\b", "a download piped into a shell"),
        (r"\bnew\s+Function\s*\(|\bvm\.(runIn|Script)", "a function made from text"),
        (r"\b(pickle|marshal|shelve|dill)\s*\.\s*(loads?|open)\b", "data that runs when it is read"),
        (r"\b(getattr|setattr)\s*\([^)\n]*__|\b__(globals|builtins|subclasses)__", "a way around names"),
        (
            r"\bverify\s*=\s*False|InsecureSkipVerify\s*:\s*true|rejectUnauthorized\s*:\s*false",
            "a check switched off",
        ),
        (r"\b(chmod\s+(-R\s+)?0?777|rm\s+-rf\s+[/~$])", "a command that opens or deletes files"),
        (r"\bdangerouslySetInnerHTML|\.innerHTML\s*=|\bdocument\.write\s*\(", "raw HTML"),
        (r"\bsocket\s*\.\s*(socket|create_connection)\s*\(", "a connection"),
    )
)
_URL: Final = re.compile(r"(?i)\b[a-z][a-z0-9+.-]*://(?:[^\s/@\"']*@)?([\w.-]+)")
_IP: Final = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
_MAIL: Final = re.compile(r"[\w.+-]+@([\w-]+(?:\.[\w-]+)+)")
_MANIFESTS: Final = frozenset(
    {"setup.cfg", "setup.py", "pom.xml", "build.gradle", "build.gradle.kts", "Pipfile", "Dockerfile"}
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the question said that no answer may repeat: its delimiters, and the words of its rules."""

    delimiters: tuple[str, ...] = ()
    rules: frozenset[tuple[str, ...]] = frozenset()


def runs_of(texts: Iterable[str]) -> frozenset[tuple[str, ...]]:
    """Every run of words in texts, by which a copied sentence is known however it is laid out."""
    found: set[tuple[str, ...]] = set()
    for text in texts:
        words = re.findall(r"\w+", text.lower())
        found.update(tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1))
    return frozenset(found)


def echo(entry: Entry, said: str, known: Known, asked: Asked) -> Problem | None:
    """The prompt itself in an answer: somebody wants it seen, or an order in the repository was obeyed."""
    if any(word in said for word in asked.delimiters):
        what = "the line between the question's parts"
    elif runs_of([said]) & (asked.rules - runs_of([known.text])):
        what = "words of the question's rules"
    else:
        return None
    return _problem(entry, Flaw.PROMPT_COPIED, f"repeats {what}")


def brought(entry: Entry, text: str, hunk: Hunk, known: Known) -> Problem | None:
    """All that this module looks for in the text of a hunk."""
    new = [line for line in text.splitlines() if line.strip() and line.strip() not in known.lines]
    return (
        _indented(entry, text, known)
        or _elsewhere(entry, text, hunk, known)
        or _secret(entry, new)
        or _dangerous(entry, new, hunk)
        or _imported(entry, new, known)
        or _addressed(entry, new, known)
        or _depends(entry, text, known)
    )


def _indented(entry: Entry, text: str, known: Known) -> Problem | None:
    """Tabs stay tabs: by the file's habit, and by each known line's own."""
    for line in text.splitlines():
        kind = indent(line)
        if not line.strip() or not kind:
            continue
        usual = (known.indents_of.get(line.strip(), set()) or known.indents) - {""}
        if usual and kind not in usual:
            return _problem(entry, Flaw.INDENTATION, f"indents a line with {kind}, which its file does not")
    return None


def _elsewhere(entry: Entry, text: str, hunk: Hunk, known: Known) -> Problem | None:
    """Text that belongs to another place of the file and would stand there twice."""
    mine = set(lines_of(hunk))
    lines = plain_lines(text)
    before, after = known.around(entry.id)
    if lines and before and lines[0] == before not in mine and len(before) >= TELLING:
        return _problem(entry, Flaw.OTHER_PLACE, "repeats the line that stands before it")
    if lines and after and lines[-1] == after not in mine and len(after) >= TELLING:
        return _problem(entry, Flaw.OTHER_PLACE, "repeats the line that stands after it")
    others = known.of_other_hunks(entry.id)
    if any(line in others for line in lines):
        return _problem(entry, Flaw.OTHER_PLACE, "holds text of another hunk")
    between = known.between()
    foreign = [line for line in lines if line not in mine]
    for at in range(len(foreign) - _COPIED + 1):
        run = foreign[at : at + _COPIED]
        if all(len(line) >= TELLING for line in run) and "\n" + "\n".join(run) + "\n" in between:
            return _problem(entry, Flaw.OTHER_PLACE, "copies lines that stand outside it")
    return None


def _secret(entry: Entry, new: Sequence[str]) -> Problem | None:
    if any(MARK in line for line in new):
        return _problem(entry, Flaw.SECRET, "brings the mark of a secret that was taken out of the question")
    found = next((shape for line in new if (shape := find_secret(line)) is not None), None)
    return _problem(entry, Flaw.SECRET, f"brings {found.name}, which no side has") if found else None


def _dangerous(entry: Entry, new: Sequence[str], hunk: Hunk) -> Problem | None:
    """More of it on new lines than any side of the hunk has: elsewhere in the file it is somebody else's call."""
    sides = [hunk.side(side).decode(errors="replace") for side in Side]
    for pattern, what in _DANGEROUS:
        if len(pattern.findall("\n".join(new))) > max(len(pattern.findall(side)) for side in sides):
            return _problem(entry, Flaw.DANGEROUS, f"brings {what}, which no side has")
    return None


def _imported(entry: Entry, new: Sequence[str], known: Known) -> Problem | None:
    for line in new:
        names = [token for token in TOKEN.findall(line) if token[0].isalpha() and token not in known.tokens]
        if names and _IMPORT.match(line):
            return _problem(entry, Flaw.NEW_IMPORT, f"imports {names[-1]!a}, which no side does")
    return None


def _addressed(entry: Entry, new: Sequence[str], known: Known) -> Problem | None:
    whole = "\n".join(new)
    hosts = (
        found[found.lastindex or 0] for pattern in (_URL, _IP, _MAIL) for found in pattern.finditer(whole)
    )
    strange = next((host for host in hosts if host not in known.text), "")
    if not strange:
        return None
    return _problem(entry, Flaw.NEW_ADDRESS, f"brings the address {strange[:80]!a}, which no side has")


def _depends(entry: Entry, text: str, known: Known) -> Problem | None:
    """In a manifest every new word is a package or a version that somebody else wrote."""
    name = PurePosixPath(known.path).name
    if not may_be_locked(known.path) and name not in _MANIFESTS:
        return None
    new = [token for token in TOKEN.findall(text) if token[0].isalnum() and token not in known.tokens]
    return _problem(entry, Flaw.NEW_DEPENDENCY, f"brings {new[0]!a}, which no side asks for") if new else None


def _problem(entry: Entry, flaw: Flaw, what: str) -> Problem:
    return Problem(flaw=flaw, sentence=f"hunk {entry.id} {what}", hunk=entry.id)
