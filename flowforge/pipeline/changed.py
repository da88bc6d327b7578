"""The change that a review looks at, read from the mirror: its files with their new lines, and what is left out."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from flowforge.core.errors import Reason, Refused
from flowforge.git.changes import Change as TreeChange
from flowforge.git.changes import changes
from flowforge.git.hiding import secrets_in
from flowforge.git.linediff import removed_lines
from flowforge.git.objects import SUBMODULE_MODE, SYMLINK_MODE, Entry, Objects
from flowforge.git.renames import renamed
from flowforge.pipeline.context import Tools, Work
from flowforge.pipeline.options import ReviewOptions
from flowforge.resolve.policy import matches
from flowforge.resolve.rungs import language_of
from flowforge.review.change import MAX_BYTES, Change, ChangedFile, Unseen, looked_at
from flowforge.validate.introduced import added_lines

MAX_FILES = 200  # of a change that are looked at; a larger one is no longer one thought
MAX_TOTAL = 4 << 20  # bytes of them together; no budget of a review goes further
MOST_RANKED = 3000  # files of a change that are told apart before any is read
MAX_COMMITS = 50  # whose messages are shown


def span(work: Work) -> tuple[str, str]:
    """The commits between which the change lies.

    The result against the target where it stands on it; else the branch as it was pushed, from where it left the target.
    """
    if work.pending or work.head == work.old_head:
        return work.merge_base, work.old_head
    return work.upstream, work.head


def read_change(work: Work, tools: Tools, options: ReviewOptions) -> Change:
    """The files that the change touches, and which of them are not looked at."""
    old, new = span(work)
    shown: list[ChangedFile] = []
    unseen: list[Unseen] = []
    left = MAX_TOTAL
    with tools.mirror.git.objects() as objects:
        trees = objects.commit(old).tree, objects.commit(new).tree
        moved = renamed(tools.mirror.git, *trees)
        for change in _source_first(changes(objects, *trees), tools):
            if tools.cancelled():
                raise Refused(Reason.CANCELLED, "the job was cancelled while its change was read")
            before = objects.entry(trees[0], moved[change.path]) if change.path in moved else change.old
            one = _read(
                replace(change, old=before),
                objects,
                tools,
                options,
                full=len(shown) >= MAX_FILES or left <= 0,
            )
            if isinstance(one, ChangedFile):
                shown.append(one)
                left -= sum(map(len, one.lines))
            elif one is not None:
                unseen.append(one)
    return Change(messages=_messages(tools, old, new), files=tuple(shown), unseen=tuple(unseen))


def _source_first(touched: Iterable[TreeChange], tools: Tools) -> Sequence[TreeChange]:
    """Source before documents and what has no language, since money and time may end; of a huge change as it comes."""
    found = [change for change in touched if change.new is not None]
    languages = tools.registry.languages.values()

    def later(change: TreeChange) -> bool:
        language = language_of(change.path.decode("utf-8", "surrogateescape"), languages)
        return language is None or language.document

    return sorted(found, key=later) if len(found) <= MOST_RANKED else found


def _read(
    change: TreeChange, objects: Objects, tools: Tools, options: ReviewOptions, *, full: bool
) -> ChangedFile | Unseen | None:
    """One file; None where its text did not change."""
    assert change.new is not None  # noqa: S101 (the caller's case; for the type checker)
    path = change.path.decode("utf-8", "surrogateescape")
    why = _why_not(path, change.new, options) or ("beyond the first files of a large change" if full else "")
    if why:
        return Unseen(path=path, why=why)
    if change.old is not None and change.old.oid == change.new.oid:
        return None
    text, base = _text(objects, change.new), _text(objects, change.old)
    if text is None or (base is None and change.old is not None):
        return Unseen(path=path, why=f"more than {MAX_BYTES >> 10} KiB")
    old, new = (change.old.oid if base and change.old else ""), change.new.oid
    language = language_of(path, tools.registry.languages.values())
    return looked_at(
        path,
        language.id if language else "",
        text,
        added_lines(text, base),
        lambda: removed_lines(tools.mirror.git, old, new) if old else {},
        secret_kinds,
    )


def _why_not(path: str, entry: Entry, options: ReviewOptions) -> str:
    if entry.mode == SYMLINK_MODE:
        return "a link"
    if entry.mode == SUBMODULE_MODE:
        return "a submodule"
    if matches(options.never, path):
        return "named in the pipeline's `never`"
    return "not among the pipeline's `paths`" if options.paths and not matches(options.paths, path) else ""


def _text(objects: Objects, entry: Entry | None) -> bytes | None:
    """A regular file's bytes; b"" where a link stood; None where there is none, or it is too large to be shown."""
    if entry is None:
        return None
    if entry.mode in {SYMLINK_MODE, SUBMODULE_MODE}:
        return b""
    info = objects.info(entry.oid)
    if info is None or info.kind != "blob" or info.size > MAX_BYTES:
        return None
    return objects.read(entry.oid, "blob")


def secret_kinds(text: str) -> Sequence[str]:
    """Names of the kinds of secret that stand in a text; never the secret."""
    return [found.kind for found in secrets_in(text)]


def _messages(tools: Tools, old: str, new: str) -> tuple[str, ...]:
    argv = ("log", f"-{MAX_COMMITS}", "-z", "--reverse", "--no-merges", "--format=%B", f"{old}..{new}")
    said = tools.mirror.git.run(*argv).decode("utf-8", "replace")
    return tuple(text.strip() for text in said.split("\0") if text.strip())
