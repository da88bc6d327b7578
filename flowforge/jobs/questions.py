"""Questions as they are stored, and what was told as the pipeline needs it. Nothing here reads or writes.

What anybody of the organization may know (paths, rungs, whys) is a row; texts of the repository are one sealed blob.
"""

import base64
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from flowforge.core.access import Role
from flowforge.core.decision import (
    AskedFile,
    AskedHunk,
    Check,
    GivenText,
    Outlook,
    Question,
    QuestionKind,
    RefMove,
    Told,
    Verb,
)
from flowforge.core.job import Ending, Job
from flowforge.jobs.ending import rejected, unanswered
from flowforge.jobs.resume import Asked
from flowforge.store.decisions import Asking
from flowforge.store.stages import StageRow
from flowforge.store.transaction import Row
from flowforge.vault.envelope import Place, Vault

_SIDES = ("base", "upstream", "commit_text", "result")


def place(organization: UUID, job: UUID, what: str, number: int) -> Place:
    """Where a sealed blob of a question lives: it opens for this asking only."""
    return Place(organization=organization, record=job, field=f"{what}.{number}")


def seal_texts(question: Question, at: Place, vault: Vault) -> bytes:
    texts = [{side: _packed(getattr(file, side)) for side in _SIDES} for file in question.files]
    return vault.seal(_squeezed(texts), at)


def seal_edits(files: Mapping[str, str], row: Row, vault: Vault) -> bytes:
    return vault.seal(_squeezed(dict(files)), place(row["organization"], row["job"], "edits", row["fence"]))


def asking_of(
    question: Question,
    row: StageRow,
    job: Job,
    vault: Vault,
    patience: float,
    hidden: Callable[[Mapping[str, object]], dict[str, object]],
) -> Asking:
    """The question of a stage as it will be stored; `hidden` masks what must not be read."""
    return Asking(
        stage=row.stage,
        again=question.again,
        kind=question.kind,
        sentence=row.sentence,
        tree=question.tree,
        files=[hidden(file) for file in file_rows(question)],
        sealed_texts=seal_texts(question, place(job.organization, job.id, "texts", job.fence), vault),
        work=row.work,
        checkpoint=row.checkpoint,
        outlook=hidden(asdict(question.outlook)) if question.outlook else None,
        who=question.who.name.lower(),
        last=question.last,
        patience=patience if question.within is None else min(patience, question.within),
    )


def file_rows(question: Question) -> list[dict[str, object]]:
    """The files without their texts."""
    return [
        {
            "path": file.path,
            "commit": file.commit,
            "kind": file.kind,
            "fingerprint": file.fingerprint,
            "open": file.open,
            "sentence": file.sentence,
            "protected": file.protected,
            "editable": file.result is not None,
            "hunks": [vars(hunk) for hunk in file.hunks],
        }
        for file in question.files
    ]


def question_of(row: Row, vault: Vault | None = None) -> Question:
    """The question of a row; with its texts where a vault is given and they are still kept."""
    texts: Sequence[Mapping[str, Any]] = ()
    if vault is not None and row["sealed_texts"] is not None:
        at = place(row["organization"], row["job"], "texts", row["fence"])
        texts = _unsqueezed(vault.open(row["sealed_texts"], at))
    files = [_file(file, texts[n] if n < len(texts) else {}) for n, file in enumerate(row["files"])]
    return Question(
        kind=QuestionKind(row["kind"]),
        sentence=row["sentence"],
        files=tuple(files),
        tree=row["tree"],
        again=row["again"],
        outlook=_outlook(row["outlook"]),
        who=Role[row["who"].upper()],
        last=row["last"],
    )


def end_of(row: Row | None) -> Ending | None:
    """The end that the last question of a job has brought about: by a no, or by nobody's answer in time."""
    if row is None:
        return None
    if row["expired"]:
        return unanswered()
    return rejected() if row["decision"] == Verb.REJECT else None


def told_of(rows: Sequence[Row], vault: Vault) -> Told:
    """All that was decided, the later over the earlier. An edit keeps the other files as the person saw them."""
    texts: dict[str, GivenText] = {}
    approved, agreed = set(), set()
    for row in rows:
        if row["decision"] == Verb.APPROVE:
            approved.add(row["tree"])
            agreed.add((row["stage"], row["tree"]))
        elif row["sealed_edits"] is not None:
            at = place(row["organization"], row["job"], "edits", row["fence"])
            edits = _unsqueezed(vault.open(row["sealed_edits"], at))
            who = str(row["decided_by"] or ""), row["decided_name"] or ""
            texts.update(_given(question_of(row, vault), edits, who))
    return Told(texts=texts, approved=frozenset(approved), agreed=frozenset(agreed))


def asked_of(rows: Sequence[Row]) -> Asked | None:
    """Where the last edit lets a job go on; None where nothing was edited, or it was approved as it stood."""
    if not rows or rows[-1]["decision"] != Verb.EDIT:
        return None
    row = rows[-1]
    if row["kind"] == QuestionKind.APPROVE and row["again"]:
        return Asked(stage=row["again"], fence=row["fence"])
    return Asked(stage=row["stage"], fence=row["fence"], work=row["work"], checkpoint=row["checkpoint"])


def _outlook(data: Mapping[str, Any] | None) -> Outlook | None:
    if data is None:
        return None
    same = ("target", "upstream", "head", "commits", "changed_count")
    return Outlook(
        **{name: data[name] for name in same},
        moves=tuple(RefMove(**move) for move in data["moves"]),
        changed=tuple(data["changed"]),
        checks=tuple(Check(**check) for check in data["checks"]),
    )


def _given(question: Question, edits: Mapping[str, str], who: tuple[str, str]) -> dict[str, GivenText]:
    """By fingerprint. Where a file was answered in several commits, the edit is for the last of them."""
    last = {file.path: file.fingerprint for file in question.files}
    given = {}
    for file in question.files:
        if file.path in edits and last[file.path] == file.fingerprint:
            text, (user, name) = edits[file.path].encode(), who
            given[file.fingerprint] = GivenText(text=text, by_person=True, user=user, name=name)
        elif not file.open and file.result is not None:
            given[file.fingerprint] = GivenText(text=file.result, by_person=False, hunks=file.hunks)
    return given


def _file(row: Mapping[str, Any], texts: Mapping[str, Any]) -> AskedFile:
    same = ("path", "commit", "kind", "fingerprint", "open", "sentence", "protected")
    sides: dict[str, Any] = {side: _unpacked(texts.get(side)) for side in _SIDES}
    return AskedFile(
        **{name: row[name] for name in same},
        hunks=tuple(AskedHunk(**hunk) for hunk in row["hunks"]),
        **sides,
    )


def _packed(text: bytes | None) -> str | None:
    return None if text is None else base64.b64encode(text).decode()


def _unpacked(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def _squeezed(value: object) -> bytes:
    return zlib.compress(json.dumps(value).encode())


def _unsqueezed(sealed: bytes) -> Any:
    return json.loads(zlib.decompress(sealed))
