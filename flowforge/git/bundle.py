"""Thin bundles: a checkpoint or an old tip as one file that any worker can read into its mirror.

The format is git's own (`git bundle verify` takes these files). The header is written and read here, because
`git bundle create` wants refs and `git bundle unbundle` wants its prerequisites reachable from refs; a mirror
has neither for a half-done rebase.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused
from flowforge.git.mirror import Mirror
from flowforge.git.names import check_id
from flowforge.git.objects import disk

_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHA256_ID = 64
_HEADERS = {b"# v2 git bundle", b"# v3 git bundle"}


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a bundle promises (`tips`: ref -> commit id) and what it takes for granted."""

    tips: Mapping[str, str]
    prerequisites: tuple[str, ...]


def write_bundle(mirror: Mirror, tips: Mapping[str, str], exclude: Sequence[str], path: Path) -> None:
    """Write the commits behind `tips` (ref name -> id), less what `exclude` reaches, to `path` (whole or not at all).

    Raises:
        Broken: no_space, infrastructure.
    """
    wants = [*tips.values(), *(f"^{oid}" for oid in exclude)]
    for oid in (*tips.values(), *exclude):
        check_id(oid)
    pack = mirror.git.run(
        "pack-objects",
        "--revs",
        "--thin",
        "--stdout",
        "--delta-base-offset",
        "--quiet",
        stdin="\n".join(wants).encode() + b"\n",
    )
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(format_header(Header(tips=tips, prerequisites=tuple(exclude))) + pack)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise disk(error) from error


def read_bundle(mirror: Mirror, path: Path) -> Mapping[str, str]:
    """Put the objects of a bundle into the mirror; its tips, ref name -> commit id.

    Raises:
        Refused: not_found, when it builds on commits that the mirror does not hold.
        Broken: infrastructure, when the file is not a whole bundle.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from error
    head, end, pack = data.partition(b"\n\n")
    if not end:
        raise _unreadable(path, "it has no header")
    header = parse_header(head, path)
    lacking = [oid for oid in header.prerequisites if not mirror.has(oid)]
    if lacking:
        raise Refused(
            Reason.NOT_FOUND,
            f"the bundle builds on commit {lacking[0]}, which the mirror does not hold",
            next_action="start the job again from its first stage",
        )
    try:
        with mirror.writing():
            mirror.git.run("index-pack", "--stdin", "--fix-thin", stdin=pack)
    except FlowForgeError as error:
        if error.reason is Reason.NO_SPACE:
            raise
        raise _unreadable(path, error.sentence) from error
    if not all(mirror.has(oid) for oid in header.tips.values()):
        raise _unreadable(path, "it does not hold what it promises")
    return header.tips


def format_header(header: Header) -> bytes:
    """The text before the pack, with the empty line that ends it."""
    ids = (*header.tips.values(), *header.prerequisites)
    wide = any(len(oid) == _SHA256_ID for oid in ids)
    lines = ["# v3 git bundle", "@object-format=sha256"] if wide else ["# v2 git bundle"]
    lines += [f"-{oid} " for oid in header.prerequisites]
    lines += [f"{oid} {ref}" for ref, oid in sorted(header.tips.items())]
    return "\n".join([*lines, "", ""]).encode()


def parse_header(head: bytes, path: Path) -> Header:
    first, *lines = head.split(b"\n")
    if first not in _HEADERS:
        raise _unreadable(path, "it does not begin like one")
    tips: dict[str, str] = {}
    needed: list[str] = []
    for line in _text(lines):
        if line.startswith("@"):
            continue
        needs, (oid, _, name) = line.startswith("-"), line.removeprefix("-").partition(" ")
        if not _ID.fullmatch(oid):
            raise _unreadable(path, "its header is broken")
        if needs:
            needed.append(oid)
        else:
            tips[name] = oid
    return Header(tips=tips, prerequisites=tuple(needed))


def _text(lines: Sequence[bytes]) -> Iterator[str]:
    yield from (line.decode("utf-8", "surrogateescape") for line in lines)


def _unreadable(path: Path, why: str) -> Broken:
    return Broken(
        Reason.INFRASTRUCTURE,
        f"the bundle {path.name!r} cannot be read: {why}",
        next_action="check the artifact storage; start the job again from its first stage",
    )
