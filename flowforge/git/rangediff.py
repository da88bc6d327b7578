"""What a rebase did to each commit, in git's own words: its range-diff, as pairs and as text."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flowforge.git.command import Git
from flowforge.git.mirror import Mirror
from flowforge.git.names import check_id

_SIDE = r"(?:-|\d+):\s+(?P<{0}>[0-9a-f]{{40,64}}|-+)"
_HEAD = re.compile(
    rf"^\s*{_SIDE.format('old')} (?P<status>[=!<>])\s+{_SIDE.format('new')}(?: (?P<subject>.*))?$"
)
MAX_TEXT = 1 << 20  # characters of the text that are kept


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One commit before and after. `status`: "=" same patch, "!" changed, "<" gone, ">" new."""

    old: str  # commit id, "" = none
    new: str
    status: str
    subject: str
    paths: tuple[str, ...] = ()  # whose patch differs, for "!"


@dataclass(frozen=True, kw_only=True)
class RangeDiff:
    pairs: tuple[Pair, ...]
    text: str


def range_diff(mirror: Mirror, old_base: str, old_head: str, new_base: str, new_head: str) -> RangeDiff:
    """Compare the commits of `old_base..old_head` with those of `new_base..new_head`."""
    for oid in (old_base, old_head, new_base, new_head):
        check_id(oid)  # this command knows no --end-of-options
    if old_base == old_head or new_base == new_head:  # git takes no empty range
        gone, come = _alone(mirror.git, old_base, old_head), _alone(mirror.git, new_base, new_head)
        alone = [Pair(old=oid, new="", status="<", subject=subject) for oid, subject in gone]
        alone += [Pair(old="", new=oid, status=">", subject=subject) for oid, subject in come]
        return RangeDiff(
            pairs=tuple(alone), text="".join(f"{p.status} {p.old or p.new} {p.subject}\n" for p in alone)
        )
    out = mirror.git.run(
        "range-diff",
        "--no-color",
        "--no-notes",
        "--no-ext-diff",
        "--no-textconv",
        f"{old_base}..{old_head}",
        f"{new_base}..{new_head}",
    )
    text = out.decode("utf-8", "replace")
    blocks = tuple(_blocks(text.splitlines()))
    changed = [block[0]["new"] for block in blocks if block[0]["status"] == "!"]
    touched = _touched(mirror.git, changed)
    pairs = tuple(_pair(head, body, touched) for head, body in blocks)
    return RangeDiff(pairs=pairs, text=text[:MAX_TEXT])


def _alone(git: Git, base: str, head: str) -> list[tuple[str, str]]:
    """Commits (id, subject) of a range that is compared with nothing, oldest first."""
    out = git.run("rev-list", "--reverse", "--no-commit-header", "--format=%H %s", f"{base}..{head}")
    rows = (line.partition(" ") for line in out.decode("utf-8", "replace").splitlines())
    return [(oid, subject) for oid, _, subject in rows]


def _blocks(lines: Sequence[str]) -> Iterator[tuple[re.Match[str], list[str]]]:
    """Each pair's head line with the lines of its body."""
    head: re.Match[str] | None = None
    body: list[str] = []
    for line in lines:
        found = _HEAD.match(line)
        if found is None:
            body.append(line)
            continue
        if head is not None:
            yield head, body
        head, body = found, []
    if head is not None:
        yield head, body


def _pair(head: re.Match[str], body: Sequence[str], touched: Mapping[str, Sequence[str]]) -> Pair:
    new = head["new"].strip("-")
    names = [line.strip()[2:].strip() for line in body if line.startswith("    @@")]
    names += [line.strip(" +-#") for line in body if re.match(r"^    [ +-]{1,2}## ", line)]
    paths = [path for path in touched.get(new, ()) if any(_about(name, path) for name in names)]
    return Pair(
        old=head["old"].strip("-"),
        new=new,
        status=head["status"],
        subject=(head["subject"] or "").strip(),
        paths=tuple(paths),
    )


def _about(name: str, path: str) -> bool:
    """Whether the title of a part of the range-diff is about `path`."""
    return name == path or name.startswith((f"{path}:", f"{path} (", f"{path} =>"))


def _touched(git: Git, commits: Sequence[str]) -> dict[str, list[str]]:
    """Commit id -> paths that it changes."""
    if not commits:
        return {}
    out = git.run(
        "diff-tree",
        "--stdin",
        "-r",
        "-z",
        "--root",
        "--name-only",
        "-M",
        stdin="\n".join(commits).encode() + b"\n",
    )
    found: dict[str, list[str]] = {}
    current = ""
    for field in out.split(b"\0"):
        word = field.decode("utf-8", "surrogateescape").lstrip("\n")
        first, line_end, rest = word.partition("\n")
        if first in commits:
            current = first
            word = rest if line_end else ""
        if word and current:
            found.setdefault(current, []).append(word)
    return found
