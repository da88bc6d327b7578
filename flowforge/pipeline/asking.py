"""What a stage asks a person, and how what was answered is put where it belongs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from flowforge.core.account import NO_ACCOUNT, Account
from flowforge.core.conflict import (
    Conflict,
    HunkAnswer,
    Kind,
    Resolution,
    Side,
    Unresolved,
    Version,
    WholeAnswer,
    fit,
    resolve_whole,
    resolve_with,
)
from flowforge.core.decision import (
    AskedFile,
    AskedHunk,
    GivenText,
    Question,
    QuestionKind,
    RefMove,
    Told,
    editable,
    fingerprint,
)
from flowforge.core.markers import Markers, with_markers
from flowforge.core.pipeline import Pipeline
from flowforge.git.objects import SUBMODULE_MODE, SYMLINK_MODE, Objects
from flowforge.git.replay import Stopped
from flowforge.pipeline.context import ResolvedPath, Tools, Work
from flowforge.pipeline.outlook import outlook
from flowforge.resolve.ladder import Answers
from flowforge.resolve.policy import Paths, matches

PERSON = "person"  # the rung of an answer that a person wrote
_SHOWN = 1 << 18  # bytes of a text that is kept with a question
_TEXT_KINDS = {Kind.CONTENT, Kind.ADD_ADD, Kind.MODIFY_DELETE}  # that a text can answer
_NOT_TEXT = {SYMLINK_MODE, SUBMODULE_MODE}


# ---------------------------------------------------------------------------------------------------- questions


def open_question(
    sentence: str, answers: Answers, paths: Paths, again: str, *, last: bool = False
) -> Question | None:
    """Ask for the text of what no rung could answer; None where no text could answer all of it."""
    files = [_open_file(one, paths) for one in answers.unresolved]
    if not editable(files):
        return None
    known = [_answered_file(one, paths) for one in answers.resolutions]
    return Question(
        kind=QuestionKind.RESOLVE, sentence=sentence, files=(*files, *known), again=again, last=last
    )


def approval(sentence: str, work: Work, tools: Tools, moves: Sequence[RefMove]) -> Question:
    """Ask whether the result may go where `moves` say: the resolved files that need it first, then the others.

    A file that was answered in several commits is there once for each, in their order.
    """
    ordered = sorted(
        work.resolved, key=lambda one: (one.path not in work.approve, one.path not in work.unconfirmed)
    )
    with tools.mirror.git.objects() as objects:
        files = tuple(_resolved_file(one, work, objects, tools.policy.paths) for one in ordered)
    return Question(
        kind=QuestionKind.APPROVE,
        sentence=sentence,
        files=files,
        tree=work.tree,
        again=resolving_stage(tools.pipeline),
        outlook=outlook(work, tools, moves),
        last=bool(tools.pipeline.last),
    )


def resolving_stage(pipeline: Pipeline) -> str:
    """Id of the stage that puts edited texts in."""
    return next((stage.id for stage in pipeline.stages if stage.uses == "resolve"), "")


def _open_file(unresolved: Unresolved, paths: Paths) -> AskedFile:
    conflict = unresolved.conflict
    hunks = tuple(
        hunk for rung, why in unresolved.tried.items() for hunk in _tried(rung, why, unresolved.accounts)
    )
    return replace(
        _file(conflict, paths),
        open=True,
        sentence=unresolved.sentence,
        hunks=hunks,
        result=_short(merged_text(conflict)),
    )


def _tried(rung: str, why: str, accounts: Mapping[str, Account]) -> Iterator[AskedHunk]:
    """What a rung said, and the answers that it had and did not take."""
    yield AskedHunk(rung=rung, why=why)
    for number, text in enumerate(accounts.get(rung, NO_ACCOUNT).answers, start=1):
        yield AskedHunk(rung=rung, rule=f"answer {number}", why=text)


def _wanting(why: str, approval: str) -> str:
    return f"{why}; a person must agree: {approval}" if approval else why


def _answered_file(resolution: Resolution, paths: Paths) -> AskedFile:
    hunks = tuple(
        AskedHunk(rung=one.rung, rule=one.rule, why=_wanting(one.why, one.approval))
        for one in resolution.given
    )
    result = _short(resolution.result) if _is_text(resolution) else None
    return replace(_file(resolution.conflict, paths), hunks=hunks, result=result)


def _is_text(resolution: Resolution) -> bool:
    """Whether the answer is a text at the conflict's own path: no removed file, link or binary, no other name."""
    whole = resolution.whole
    if whole is None:
        return True
    read = whole.text is not None or (whole.version is not None and whole.version.content is not None)
    return read and whole.mode not in _NOT_TEXT and whole.path == resolution.conflict.path


def _file(conflict: Conflict, paths: Paths) -> AskedFile:
    return AskedFile(
        path=conflict.path,
        commit=conflict.commit_id,
        kind=conflict.kind.value,
        fingerprint=fingerprint(conflict),
        open=False,
        protected=_protected(conflict.path, paths),
        base=_short(conflict.text(Side.BASE)),
        upstream=_short(conflict.text(Side.UPSTREAM)),
        commit_text=_short(conflict.text(Side.COMMIT)),
    )


def _protected(path: str, paths: Paths) -> bool:
    return matches(paths.protected, path) and not matches(paths.allowed, path)


def merged_text(conflict: Conflict) -> bytes | None:
    """What a person starts from: git's merge with markers; for a file that one side deleted, the other side's."""
    if conflict.kind not in _TEXT_KINDS:
        return None
    if conflict.hunks:
        return with_markers(conflict.segments, Markers())
    kept = (conflict.upstream, conflict.commit)
    texts = [one.content for one in kept if one is not None and one.mode not in _NOT_TEXT]
    return next((text for text in texts if text is not None), None)


def _resolved_file(resolved: ResolvedPath, work: Work, objects: Objects, paths: Paths) -> AskedFile:
    """A file as it was answered, with the sides as git has them."""
    new = next((step["new"] for step in work.steps if step["original"] == resolved.commit), "")
    approvals = resolved.approvals or ("",) * len(resolved.rungs)  # an older checkpoint has none
    rows = zip(resolved.rungs, map(_wanting, resolved.why, approvals), strict=True)
    at_base, at_upstream, at_commit = (path or resolved.path for path in resolved.sides)
    upstream, result = _before_and_after(new, at_upstream, resolved.stands_at or resolved.path, objects)
    base, commit = _before_and_after(resolved.commit, at_base, at_commit, objects)
    return AskedFile(
        path=resolved.path,
        commit=resolved.commit,
        kind=resolved.kind,
        fingerprint=resolved.conflict,
        open=False,
        protected=_protected(resolved.path, paths),
        hunks=tuple(AskedHunk(rung=rung, why=why) for rung, why in rows),
        base=base,
        upstream=upstream,
        commit_text=commit,
        result=result,
    )


def _before_and_after(
    commit: str, old: str, path: str, objects: Objects
) -> tuple[bytes | None, bytes | None]:
    """A file in a commit's first parent, where its path is `old`, and in the commit."""
    if not commit:
        return None, None
    found = objects.commit(commit)
    before = objects.commit(found.parents[0]).tree if found.parents else ""
    return _blob(before, old, objects), _blob(found.tree, path, objects)


def _blob(tree: str, path: str, objects: Objects) -> bytes | None:
    entry = objects.entry(tree, path.encode("utf-8", "surrogateescape")) if tree else None
    if entry is None or entry.mode in _NOT_TEXT:
        return None
    info = objects.info(entry.oid)
    if info is None or info.kind != "blob" or info.size > _SHOWN:
        return None
    return objects.read(entry.oid, "blob")


def _short(text: bytes | None) -> bytes | None:
    return text if text is not None and len(text) <= _SHOWN else None


# ------------------------------------------------------------------------------------------------------ answers


def with_told(stopped: Stopped, told: Told) -> tuple[Resolution, ...]:
    """The conflicts that a person has decided."""
    known = ((conflict, told.texts.get(fingerprint(conflict))) for conflict in stopped.asked)
    return tuple(_as_resolution(conflict, given) for conflict, given in known if given is not None)


def _as_resolution(conflict: Conflict, given: GivenText) -> Resolution:
    """Where a person kept what lies outside the hunks, the proof of it stands; else the whole file is theirs."""
    texts = fit(conflict.segments, given.text) if conflict.hunks else None
    if texts is None:
        return resolve_whole(conflict, _whole(conflict, given))
    if given.by_person or len(given.hunks) != len(texts):
        answers = [
            _by_person(hunk.index, text, "edited") for hunk, text in zip(conflict.hunks, texts, strict=True)
        ]
        return resolve_with(conflict, answers)
    return resolve_with(conflict, list(_as_seen(conflict, texts, given.hunks)))


def _as_seen(conflict: Conflict, texts: Sequence[bytes], hunks: Sequence[AskedHunk]) -> Iterator[HunkAnswer]:
    for hunk, text, said in zip(conflict.hunks, texts, hunks, strict=True):
        yield HunkAnswer(index=hunk.index, text=text, rung=said.rung, rule=said.rule, why=said.why)


def _by_person(index: int, text: bytes, rule: str) -> HunkAnswer:
    return HunkAnswer(index=index, text=text, rung=PERSON, rule=rule, why="a person wrote it")


def _whole(conflict: Conflict, given: GivenText) -> WholeAnswer:
    """The whole file as a person wrote it, or as a rung answered and they saw it."""
    seen = AskedHunk(rung=PERSON, rule="whole file", why="a person wrote it")
    if not given.by_person and len(given.hunks) == 1:
        (seen,) = given.hunks
    return WholeAnswer(
        path=conflict.path,
        text=given.text,
        mode=mode_of(conflict),
        rung=seen.rung,
        rule=seen.rule,
        why=seen.why,
    )


def mode_of(conflict: Conflict) -> str:
    """Of a file that one side deleted, the mode of what is left of it; else what git decided."""
    if conflict.kind is not Kind.MODIFY_DELETE:
        return conflict.mode
    kept: Version | None = conflict.upstream or conflict.commit
    return kept.mode if kept is not None else conflict.mode
