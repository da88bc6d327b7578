"""Rules for conflicts about a path as a whole: who deleted, renamed, linked, or made executable what.

An answer is given only where nothing that a person wrote can get lost by it:

- one side deleted a file in which the other changed whitespace only;
- both sides added one file, alike but for whitespace, or for the executable bit;
- both sides point a link at one place and spell it differently, or one of them only spelled it anew;
- one side renamed a folder into which the other put a file: where git would put it, as a proposal.

Everything else is handed back with a word and what the sides did.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from flowforge.plugin import (
    Abstain,
    Candidate,
    Conflict,
    Kind,
    Language,
    ResolveContext,
    Resolver,
    Version,
    WholeAnswer,
    hookimpl,
    split_lines,
)

_RUNG = "mechanical"
_REGULAR = frozenset({"100644", "100755"})
_EXECUTABLE, _LINK = "100755", "120000"
_MANY_LINES = re.compile(rb"`|\"\"\"|'''|<<")  # may begin a string in which a line's beginning is text
_WORD = re.compile(rb"[\w\x80-\xff]+|\s+|[^\w\s]")
_QUOTES = re.compile(rb"[\"'`]")
_HERE = re.compile(rb"(?:^|(?<=/))(?:\./+)+|(?<=/)/+")  # parts of a link's target that lead nowhere

_Rule = Callable[[Conflict, Language | None], WholeAnswer | Abstain]


@hookimpl
def register_resolvers() -> Sequence[Resolver]:
    return [Resolver(name="paths", rung=_RUNG, load=f"{__name__}:resolve", whole=True, hunks=False)]


def resolve(conflict: Conflict, context: ResolveContext) -> Candidate | Abstain:
    """Answer the whole path where one rule is sure of it.

    Abstains with a typed word: changed, renamed_and_deleted, two_names, two_files, two_contents, no_one_place,
    file_and_folder, two_targets, link_and_file, two_commits, not_text, not_read.
    """
    rule = _RULES.get(conflict.kind)
    if rule is None:
        why, sentence = _NEVER.get(conflict.kind, _NOT_READ)
        return Abstain(why=why, sentence=sentence)
    said = rule(conflict, context.language)
    return said if isinstance(said, Abstain) else Candidate(whole=said)


def _answer(conflict: Conflict, rule: str, why: str, version: Version | None, mode: str = "") -> WholeAnswer:
    return WholeAnswer(
        path=conflict.path,
        rung=_RUNG,
        rule=rule,
        why=why,
        version=version,
        mode=mode or (version.mode if version is not None else "100644"),
    )


# ---------------------------------------------------------------------------------------------------- deleted


def _modify_delete(conflict: Conflict, language: Language | None) -> WholeAnswer | Abstain:
    base, kept = conflict.base, conflict.upstream or conflict.commit
    deleter, keeper = _who(conflict)
    if base is None or kept is None or not _both_text(base, kept):
        return Abstain(why="changed", sentence=f"{keeper} changed what {deleter} deleted, and it is no text")
    if kept.mode != base.mode:
        return Abstain(why="changed", sentence=f"{keeper} changed the mode of what {deleter} deleted")
    if _same(base, kept, language):
        why = f"{deleter} deleted the file and {keeper} changed only whitespace in it: it stays deleted"
        return _answer(conflict, "deleted, else only whitespace", why, None)
    return Abstain(why="changed", sentence=f"{keeper} changed more than whitespace in what {deleter} deleted")


def _rename_delete(conflict: Conflict, language: Language | None) -> Abstain:
    """A new name is a reason to keep the file, whether its text changed or not: never answered."""
    base, kept = conflict.base, conflict.upstream or conflict.commit
    deleter, keeper = _who(conflict)
    same = base is not None and kept is not None and _both_text(base, kept) and _same(base, kept, language)
    and_ = "changed nothing else" if same else "changed it"
    return Abstain(
        why="renamed_and_deleted", sentence=f"{keeper} renamed the file and {and_}; {deleter} deleted it"
    )


def _who(conflict: Conflict) -> tuple[str, str]:
    """Who deleted, and who kept."""
    return ("upstream", "the commit") if conflict.upstream is None else ("the commit", "upstream")


# ------------------------------------------------------------------------------------------------ added twice


def _mode(conflict: Conflict, language: Language | None) -> WholeAnswer | Abstain:
    """Both sides added the file, one of them executable: from no file at all, only that side changed the bit."""
    upstream, commit = conflict.upstream, conflict.commit
    if upstream is None or commit is None or {upstream.mode, commit.mode} != _REGULAR:
        return Abstain(why="not_read", sentence="the sides disagree about more than the executable bit")
    if upstream.oid != commit.oid and not (
        _both_text(upstream, commit) and _same(upstream, commit, language)
    ):
        return Abstain(why="two_contents", sentence="the texts that both sides added differ too")
    who = "upstream" if upstream.mode == _EXECUTABLE else "the commit"
    why = f"both sides added the same file, and {who} made it executable: it is executable"
    return _answer(conflict, "executable on one side", why, upstream, _EXECUTABLE)


# ------------------------------------------------------------------------------------------------------ names


def _directory_rename(conflict: Conflict, _language: Language | None) -> WholeAnswer | Abstain:
    """Git suggests one place, and put the file there because nothing else is: as it suggests, if a person agrees."""
    found = [one for one in (conflict.upstream, conflict.commit) if one is not None]
    if conflict.base is not None or len(found) != 1 or conflict.places != (conflict.path,):
        return Abstain(why="no_one_place", sentence="there is no one place where the file would belong now")
    (version,) = found
    if version.path == conflict.path:
        return Abstain(why="no_one_place", sentence="it is not known from which folder the file came")
    putter, renamer = (
        ("upstream", "the commit") if version is conflict.upstream else ("the commit", "upstream")
    )
    why = f"{putter} put {version.path!r} into a folder that {renamer} renamed: it moves to {conflict.path!r}"
    answer = _answer(conflict, "folder renamed", why, version)
    return WholeAnswer(**{**vars(answer), "confirmed": False})


# ------------------------------------------------------------------------------------- links and other types


def _symlink(conflict: Conflict, _language: Language | None) -> WholeAnswer | Abstain:
    upstream, commit, base = (_target(one) for one in (conflict.upstream, conflict.commit, conflict.base))
    if upstream is None or commit is None or conflict.upstream is None or conflict.commit is None:
        return Abstain(
            why="link_and_file", sentence="it is a link on one side and something else on the other"
        )
    if upstream == commit:
        why = "both sides point the link at the same place, spelled differently; upstream's is kept"
        return _answer(conflict, "link spelled differently", why, conflict.upstream)
    if base is None or base not in {upstream, commit}:
        return Abstain(why="two_targets", sentence="each side points the link at a place of its own")
    who, taken = ("upstream", conflict.commit) if base == upstream else ("the commit", conflict.upstream)
    why = f"{who} only spelled the link's target differently: the other side's target is taken"
    return _answer(conflict, "link spelled differently", why, taken)


def _target(version: Version | None) -> bytes | None:
    """Where a link leads, without the parts that lead nowhere ("./", "//"); None where it is no link."""
    if version is None or version.mode != _LINK or version.content is None:
        return None
    return _HERE.sub(b"", version.content)


# ------------------------------------------------------------------------------------------------------- text


def _both_text(one: Version, other: Version) -> bool:
    contents = (one.content, other.content)
    return (
        all(text is not None and b"\0" not in text for text in contents)
        and {one.mode, other.mode} <= _REGULAR
    )


def _same(one: Version, other: Version, language: Language | None) -> bool:
    """Whether two texts differ in whitespace only. Indentation counts, unless the language says that it does not."""
    texts = [one.content or b"", other.content or b""]
    free = language is not None and bool(language.entities) and not language.indentation
    if free and not any(_MANY_LINES.search(text) for text in texts):
        texts = [b"\n".join(line.strip() for line in text.split(b"\n")) for text in texts]
    return _tokens(texts[0]) == _tokens(texts[1])


_RULES: Mapping[Kind, _Rule] = {
    Kind.MODIFY_DELETE: _modify_delete,
    Kind.RENAME_DELETE: _rename_delete,
    Kind.DIRECTORY_RENAME: _directory_rename,
    Kind.MODE: _mode,
    Kind.SYMLINK: _symlink,
}
_NEVER = {  # kinds that no rule answers: a typed word and why
    Kind.RENAME_RENAME: ("two_names", "each side gave the file a name of its own"),
    Kind.RENAME_ADD: ("two_files", "two different files want the same name"),
    Kind.FILE_DIRECTORY: ("file_and_folder", "a file and a folder cannot both have the name"),
    Kind.SUBMODULE: (
        "two_commits",
        "which commit is the later one is told by the submodule's own history, not here",
    ),
    Kind.BINARY: ("not_text", "what is no text cannot be merged by places"),
}
_NOT_READ = ("not_read", "there are no places in it that could be filled")


def _tokens(text: bytes) -> list[bytes]:
    """The text without whitespace that has no meaning.

    Lines with a quote are compared whole but for their ends: whitespace may stand inside a string.
    """
    found: list[bytes] = []
    for line in split_lines(text):
        bare = line.strip()
        if not bare:
            continue
        found.append(b"\n" + line[: len(line) - len(line.lstrip())])
        if _QUOTES.search(bare):
            found.append(bare)
        else:
            found.extend(word for word in _WORD.findall(bare) if not word.isspace())
    return found
