"""What a repository's jobs remember, in Postgres: the service form of `resolve.memory.Memory`, and what persons say of it.

Every write is fenced and decided under the repository's lock by the rules of `resolve.memory`, so two jobs with one
key are one after the other, and a write that was made twice changes nothing. A worker that dies between an answer's use
and this write loses the memory of it and nothing else; so does whatever else keeps an answer from being kept.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any
from uuid import UUID

from flowforge.core.decision import QuestionKind, Verb
from flowforge.core.errors import FlowForgeError, Reason
from flowforge.core.job import Job
from flowforge.jobs.recorder import WORKER, FencedRecorder
from flowforge.resolve import memory as rules
from flowforge.resolve.memory import Confirmed, Found, Given, Kept, Person, Refused
from flowforge.store import answers as table
from flowforge.store import jobs, stages
from flowforge.store.answers import Shelf
from flowforge.store.scope import Scope
from flowforge.store.transaction import Row, Transaction
from flowforge.vault.envelope import Place, Vault

_log = logging.getLogger(__name__)

Rule = Callable[[Kept], Kept | None]
_OVER = {Reason.LEASE_LOST, Reason.CANCELLED, Reason.DRAINED}  # the job's end, not the memory's trouble


@dataclass(frozen=True, kw_only=True)
class StoredMemory:
    """Implements `resolve.memory.Memory` for one claimed job."""

    recorder: FencedRecorder
    vault: Vault

    def find(self, keys: Collection[str]) -> Mapping[str, Found]:
        found = self._safely("asked", lambda: self._rows(keys)) if keys else []
        opened = ((row["key"].hex(), _opened(row, self._shelf, self.vault)) for row in found or ())
        return {key: one for key, one in opened if one is not None}

    def keep(self, answers: Sequence[Given]) -> None:
        fit = {given.key: given for given in answers if not rules.poisoned(given.text) and self._shown(given)}
        if fit:
            self._write("written", partial(self._keep, fit))

    def tested(self, marks: Collection[str], *, passed: bool) -> None:
        self._judge(marks, partial(rules.after_tests, passed=passed))

    def take_back(self, marks: Collection[str]) -> None:
        self._judge(marks, rules.undone)

    @property
    def _shelf(self) -> Shelf:
        return shelf_of(self.recorder.job)

    def _shown(self, given: Given) -> bool:
        """Whether nothing in it is a secret that this job knows by value."""
        texts = (given.text.decode("utf-8", "replace"), given.why, given.path)
        return all(self.recorder.mask.text(text) == text for text in texts)

    def _rows(self, keys: Collection[str]) -> list[Row]:
        """One look for all of them, that sees this organization's rows only."""
        job, wanted = self.recorder.job, [bytes.fromhex(key) for key in keys]

        def look() -> list[Row]:
            scope = Scope.organization(job.organization)
            with self.recorder.database.transaction(scope, actor=WORKER, read_only=True) as transaction:
                return table.find(transaction, self._shelf, wanted)

        return self.recorder.patiently(look)

    def _keep(self, given: Mapping[str, Given], transaction: Transaction) -> None:
        job, shelf = self.recorder.job, self._shelf
        before = _locked(transaction, shelf, given)
        after = {key: rules.used(before.get(key), one, str(job.id)) for key, one in given.items()}
        changed = {key: kept for key, kept in after.items() if kept is not None and kept != before.get(key)}
        again = {key for key, kept in changed.items() if _same_text(before.get(key), kept)}
        rows = [
            _row(given[key], kept, shelf, self.vault) for key, kept in changed.items() if key not in again
        ]
        table.put(transaction, rows)
        ordered = sorted(again, key=lambda key: given[key].commit)
        for commit, keys in groupby(ordered, key=lambda key: given[key].commit):
            table.note_use(transaction, shelf, [bytes.fromhex(key) for key in keys], job.id, commit)

    def _judge(self, marks: Collection[str], rule: Rule) -> None:
        if marks:
            self._write("judged", lambda transaction: judge(transaction, self._shelf, marks, rule))

    def _write(self, what: str, write: Callable[[Transaction], None]) -> None:
        job = self.recorder.job

        def fenced(transaction: Transaction) -> int | None:
            if jobs.lock_mine(transaction, job.id, job.fence) is None:
                return None
            write(transaction)
            return 0  # it tells no event: made twice, it is as if made once

        self._safely(what, lambda: self.recorder.fenced(fenced))

    def _safely(self, what: str, doing: Callable[[], Any]) -> Any:
        """Memory never decides a job's end; None where it failed."""
        try:
            return doing()
        except FlowForgeError as error:
            if error.reason in _OVER:
                raise
            _log.warning(
                "the memory of job %s could not be %s: %s", self.recorder.job.id, what, error.sentence
            )
            return None


def judge(transaction: Transaction, shelf: Shelf, marks: Collection[str], rule: Rule) -> None:
    """Let a rule say what becomes of these answers, under the repository's lock."""
    before = _locked(transaction, shelf, rules.unmarked(marks))
    changed = rules.marked(before, marks, rule)
    table.drop(transaction, shelf, [bytes.fromhex(key) for key, kept in changed.items() if kept is None])
    said = {key: _said(kept) for key, kept in changed.items() if kept is not None}
    for one in set(said.values()):
        confirmed, refused, user, name = one
        keys = [bytes.fromhex(key) for key, words in said.items() if words == one]
        table.judge(
            transaction, shelf, keys, confirmed=confirmed, refused=refused, user=_uuid(user), name=name
        )


def decided(transaction: Transaction, job: Job, question: Row, verb: Verb, user: UUID | None) -> None:
    """A person said yes or no to a result; an edit is kept when it is put in."""
    if verb is Verb.EDIT or question["kind"] != QuestionKind.APPROVE:
        return
    marks = marks_of([question["work"]])
    if not marks:
        return
    rule: Rule = rules.rejected
    if verb is Verb.APPROVE:
        person = Person(user=str(user or ""), name=table.name_of(transaction, user))
        rule = partial(rules.approved, by=person)
    judge(transaction, shelf_of(job), marks, rule)


def answers_of(transaction: Transaction, job: UUID) -> frozenset[str]:
    """Marks of all answers in what a job left behind."""
    return marks_of([row["work"] for row in stages.last_runs(transaction, job)])


def marks_of(works: Sequence[Mapping[str, Any] | None]) -> frozenset[str]:
    """Out of works as they are stored; older ones have none."""
    resolved = (one for work in works if work for one in work.get("resolved", ()))
    return frozenset(mark for one in resolved for mark in one.get("marks", ()))


def shelf_of(job: Job) -> Shelf:
    return Shelf(organization=job.organization, repository=job.repository)


def place(shelf: Shelf, key: str) -> Place:
    """Where a sealed text lives: it opens for this organization, repository and key only."""
    return Place(organization=shelf.organization, record=shelf.repository, field=f"answer.{key}")


def _locked(transaction: Transaction, shelf: Shelf, keys: Collection[str]) -> Mapping[str, Kept]:
    table.lock(transaction, shelf.repository)
    rows = table.find(transaction, shelf, [bytes.fromhex(key) for key in keys])
    return {row["key"].hex(): kept_of(row) for row in rows}


def kept_of(row: Row) -> Kept:
    by = None if row["by_name"] is None else Person(user=str(row["by_user"] or ""), name=row["by_name"])
    return Kept(
        digest=row["digest"].hex(),
        rung=row["rung"],
        rule=row["rule"],
        why=row["why"],
        confirmed=Confirmed(row["confirmed"]),
        by=by,
        refused=Refused(row["refused"]),
        job=str(row["job"] or ""),
        commit=row["commit_id"],
        last=(str(row["last_job"] or ""), row["last_commit"]),
        uses=row["uses"],
    )


def _opened(row: Row, shelf: Shelf, vault: Vault) -> Found | None:
    """None where the text does not open, or is not the one that was kept: then it is as if never seen."""
    try:
        text = vault.open(row["sealed_text"], place(shelf, row["key"].hex()))
    except FlowForgeError as error:
        _log.warning("a kept answer of repository %s does not open: %s", shelf.repository, error.sentence)
        return None
    kept = kept_of(row)
    return Found(kept=kept, text=text) if rules.digest(text) == kept.digest else None


def _row(given: Given, kept: Kept, shelf: Shelf, vault: Vault) -> dict[str, object]:
    confirmed, refused, user, name = _said(kept)
    return {
        **vars(shelf),
        "key": bytes.fromhex(given.key),
        "path": given.path,
        "digest": bytes.fromhex(kept.digest),
        "sealed_text": vault.seal(given.text, place(shelf, given.key)),
        "size": len(given.text),
        "rung": kept.rung,
        "rule": kept.rule,
        "why": kept.why,
        "confirmed": confirmed,
        "by_user": _uuid(user),
        "by_name": name,
        "refused": refused,
        "job": _uuid(kept.job),
        "commit_id": kept.commit,
        "last_job": _uuid(kept.last[0]),
        "last_commit": kept.last[1],
        "uses": kept.uses,
    }


def _said(kept: Kept) -> tuple[str, str, str, str | None]:
    by = kept.by
    return kept.confirmed.value, kept.refused.value, by.user if by else "", by.name if by else None


def _uuid(text: str) -> UUID | None:
    return UUID(text) if text else None


def _same_text(before: Kept | None, after: Kept) -> bool:
    """Whether only a use was counted: the row stands as it is but for that."""
    return before is not None and (before.digest, before.job, _said(before)) == (
        after.digest,
        after.job,
        _said(after),
    )
