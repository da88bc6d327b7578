"""Cutting what is sent by meaning: whole files and whole changes of a diff, whole lines of a message, whole definitions.

Sizes are tokens, estimated at four bytes each. What is left out is said in a line.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_PER_TOKEN = 4  # bytes
_NAMED = 12  # files that are named among those left out
_MACHINE = re.compile(  # written by a tool: the first to be left out
    r"(?:^|/)(?:[^/]*[.-]lock(?:\.[a-z]+)?|[^/]*-lock\.(?:json|yaml)|go\.sum|[^/]*\.min\.[a-z]+|[^/]*\.(?:snap|map|svg|lock)|dist/.*|vendor/.*)$"
)
_NAME = re.compile(r"^(?:\+\+\+ b/|--- a/|rename to )(.*)$", re.MULTILINE)


def tokens(text: str) -> int:
    """How many tokens a text has, about."""
    return -(-len(text.encode(errors="replace")) // _PER_TOKEN)


@dataclass(frozen=True, kw_only=True)
class _File:
    """One file of a diff: what stands before its changes, and each of them from its `@@` on."""

    path: str
    head: str
    changes: tuple[str, ...]

    @property
    def text(self) -> str:
        return self.head + "".join(self.changes)

    @property
    def counts(self) -> str:
        lines = [line for change in self.changes for line in change.split("\n")[1:]]
        added, removed = (sum(line.startswith(sign) for line in lines) for sign in "+-")
        return f"+{added} -{removed}"


def cut_diff(diff: str, most: int, first: Sequence[str] = ()) -> str:
    """At most about so many tokens of a diff: files of the paths `first`, then small ones before large ones.

    A file that does not fit is told in part, by whole changes; what tools wrote comes last.
    """
    if tokens(diff) <= most:
        return diff.removesuffix("\n")
    files = list(_files(diff))
    ranked = sorted(range(len(files)), key=lambda at: _rank(files[at], first))
    kept: dict[int, str] = {}
    left = most - _PER_TOKEN * _NAMED
    for at in ranked:
        text = _fitting(files[at], left)
        if text:
            kept[at] = text
            left -= tokens(text)
    shown = [kept[at].removesuffix("\n") for at in sorted(kept)]
    return "\n".join([*shown, *_left_out([file for at, file in enumerate(files) if at not in kept])])


def _rank(file: _File, first: Sequence[str]) -> tuple[bool, bool, int]:
    return _MACHINE.search(file.path) is not None, file.path not in first, len(file.text)


def _fitting(file: _File, most: int) -> str:
    """The file's whole diff, or as many whole changes as there is room for; "" where there is none."""
    if tokens(file.text) <= most:
        return file.text
    kept: list[str] = []
    left = most - tokens(file.head) - 20
    for change in file.changes:
        if tokens(change) <= left:
            kept.append(change)
            left -= tokens(change)
    if not kept:
        return ""
    note = f"[left out: {len(file.changes) - len(kept)} of {len(file.changes)} changes of this file]\n"
    return file.head + "".join(kept) + note


def _left_out(files: Sequence[_File]) -> Iterator[str]:
    for file in files[:_NAMED]:
        yield f"[left out: {file.path} {file.counts}]"
    if len(files) > _NAMED:
        yield f"[left out: {len(files) - _NAMED} more files]"


def _files(diff: str) -> Iterator[_File]:
    for text in re.split(r"^(?=diff --git )", diff, flags=re.MULTILINE):
        if not text.strip():
            continue
        head, *changes = re.split(r"^(?=@@ )", text, flags=re.MULTILINE)
        named = _NAME.findall(head)
        path = named[-1] if named else head.split("\n", 1)[0].rpartition(" b/")[2]
        yield _File(path=path.strip(), head=head, changes=tuple(changes))


def cut_lines(text: str, most: int) -> str:
    """At most so many tokens, in whole lines, with a line that says how many were left out."""
    if tokens(text) <= most:
        return text.removesuffix("\n")
    lines = text.removesuffix("\n").split("\n")
    kept: list[str] = []
    left = most
    for line in lines:
        left -= tokens(line + "\n")
        if left < 0:
            break
        kept.append(line)
    return "\n".join([*kept, f"[left out: {len(lines) - len(kept)} lines]"])


def one_line(text: str) -> str:
    """Without line ends, and without what is no text: paths may be any bytes."""
    return " ".join(text.encode("utf-8", "replace").decode().split())
