"""A person decides on a waiting job. The job's row lock orders two who decide at once: the first one has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from flowforge.core.access import Operation, Principal, Role, may
from flowforge.core.decision import AskedFile, Question, QuestionKind, Verb, answers
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Ending, Event, Job, State
from flowforge.jobs import memory
from flowforge.jobs.cancel import not_found
from flowforge.jobs.ending import Next, rejected, unanswered
from flowforge.jobs.questions import question_of, seal_edits
from flowforge.jobs.run import move
from flowforge.jobs.tell import SILENT, Teller
from flowforge.store import decisions
from flowforge.store import jobs as table
from flowforge.store.jobs import Moved, job_of
from flowforge.store.transaction import Row, Transaction
from flowforge.vault.envelope import Vault

_NAMED = 5  # paths in a sentence
_MARKS = (
    "<<<<<<< ",
    ">>>>>>> ",
    "||||||| ",
)  # a line that begins so was left by git, not written by a person


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a person says. `files` are whole texts by path; `number` is the question it is for, where they said."""

    verb: Verb
    files: Mapping[str, str] = field(default_factory=dict)
    number: int | None = None


def decide(
    transaction: Transaction,
    principal: Principal,
    identity: UUID,
    decision: Decision,
    vault: Vault,
    teller: Teller = SILENT,
) -> Job:
    """Approve, edit or reject what a job asks; approved and edited jobs go back to the queue, from their checkpoint.

    A rejected one ends; where its pipeline has `finally` stages, it goes back to the queue for these only.

    Raises:
        Refused: not_allowed, not_found, conflict_of_state (the job waits for no decision, or for another one),
            invalid_request (an approval where files have no answer, texts where a yes or a no is asked for, or for
            other files, markers left in them).
    """
    if not may(principal, Operation.CONTROL):
        raise Refused(
            Reason.NOT_ALLOWED,
            "this token may not decide on jobs",
            next_action="use a token with the scope control, or ask for the role user",
        )
    job = table.lock(transaction, identity)
    if job is None:
        raise not_found(identity)
    row = _open_question(transaction, job, decision.number)
    question = question_of(row)
    edits = None
    if decision.verb is Verb.APPROVE:
        refuse_approval(question, principal)
    if decision.verb is Verb.EDIT:
        refuse_text(question, row["stage"])
        refuse_edits(question, decision.files, principal)
        edits = seal_edits(decision.files, row, vault)
    elif decision.files:
        raise _invalid(f"{decision.verb} takes no files", "send them with the decision `edit`")
    decisions.decide(transaction, job.id, row["number"], decision.verb, edits)
    memory.decided(transaction, job, row, decision.verb, principal.user)
    decisions.tell(transaction, job.id, "decision.made", _said(decision, row, principal))
    if decision.verb is Verb.REJECT:
        return _ended(transaction, job, rejected(), teller, last=question.last).job
    return _queued(transaction, job, teller).job


def expire(transaction: Transaction, job: Job, teller: Teller = SILENT) -> None:
    """Nobody has decided in time: the waiting job, locked by the caller, ends as by a no."""
    row = decisions.last(transaction, job.id)
    if row is None:
        return
    decisions.expire(transaction, job.id, row["number"])
    said = {"question": row["number"], "decision": "expired", "by": "", "files": []}
    decisions.tell(transaction, job.id, "decision.made", said)
    _ended(transaction, job, unanswered(), teller, last=row["last"])


def last_question(transaction: Transaction, identity: UUID) -> Row:
    """The last question of a job, decided or not.

    Raises:
        Refused: not_found, also where the job never asked anything.
    """
    if table.get(transaction, identity) is None:
        raise not_found(identity)
    row = decisions.last(transaction, identity)
    if row is None:
        raise Refused(
            Reason.NOT_FOUND,
            f"job {identity} has asked nothing",
            next_action="look at the job: flowforge job show JOB",
        )
    return row


def _open_question(transaction: Transaction, job: Job, number: int | None) -> Row:
    row = decisions.last(transaction, job.id)
    if job.state is not State.WAITING or row is None or row["decision"] is not None:
        stands = f"has ended as {job.state}" if job.final else f"is {job.state}"
        raise _state(f"job {job.id} waits for no decision: it {stands}")
    if number is not None and number != row["number"]:
        raise _state(f"job {job.id} asks question {row['number']} now, not {number}")
    return row


def refuse_approval(question: Question, principal: Principal) -> None:
    """Raises:
    Refused: invalid_request, where files have no answer that could be approved; not_allowed, where the question
        wants a higher role.
    """
    open_ = [file.path for file in question.files if file.open]
    if question.kind is QuestionKind.RESOLVE:
        raise _invalid(
            f"there is nothing to approve yet: {_names(open_)} {'has' if len(open_) == 1 else 'have'} no answer",
            "send the whole text of each with the decision `edit`, or reject it",
        )
    if principal.role < question.who:
        who = question.who.name.lower()
        raise Refused(
            Reason.NOT_ALLOWED,
            f"this takes the role {who}, and yours is {principal.role.name.lower()}",
            next_action=f"ask one with the role {who}, or reject it",
        )


def refuse_text(question: Question, stage: str) -> None:
    """Raises:
    Refused: invalid_request, where a yes or a no is asked for.
    """
    if Verb.EDIT not in answers(question):
        raise _invalid(
            f"stage {stage!r} asks for a yes or a no, so text is no answer to it",
            "approve or reject it; to change the result, push to the branch and submit it again",
        )


def refuse_edits(question: Question, files: Mapping[str, str], principal: Principal) -> None:
    """Refuse texts that cannot be put in, or whose person may not write there; syntax and tests are checked later.

    Raises:
        Refused: invalid_request, not_allowed.
    """
    asked = {file.path: file for file in question.files}
    if not files:
        raise _invalid(
            "an edit without files changes nothing", "send the whole text of each file by its path"
        )
    strange = sorted(set(files) - set(asked))
    if strange:
        raise _invalid(
            f"{_names(strange)} did not conflict, so it is not asked about",
            f"edit only {_names(sorted(asked))}",
        )
    missing = sorted(path for path, file in asked.items() if file.open and path not in files)
    if missing:
        raise _invalid(f"{_names(missing)} has no answer yet", "send a text for every open file")
    for path, text in sorted(files.items()):
        _refuse_text(asked[path], text, principal)


def _refuse_text(file: AskedFile, text: str, principal: Principal) -> None:
    if file.protected and principal.role < Role.MAINTAINER:
        raise Refused(
            Reason.NOT_ALLOWED,
            f"{file.path!r} is a protected path: only a maintainer may write it",
            next_action="ask a maintainer, or resolve it by hand",
        )
    marked = next((n for n, line in enumerate(text.split("\n"), 1) if line.startswith(_MARKS)), 0)
    if marked:
        raise _invalid(
            f"line {marked} of {file.path!r} is a conflict marker", "take it out, and decide what stays"
        )


def _queued(transaction: Transaction, job: Job, teller: Teller, ending: Ending | None = None) -> Moved:
    """Waiting -> queued, under the lock that the caller holds; with `ending`, for its `finally` stages only."""
    row = decisions.queue(transaction, job, ending)
    if row is None:
        raise _state(f"job {job.id} has just moved")
    moved = Moved(job=job_of(row), seq=row["last_seq"])
    teller.moved(transaction, moved)
    return moved


def _ended(transaction: Transaction, job: Job, ending: Ending, teller: Teller, *, last: bool) -> Moved:
    if last:
        return _queued(transaction, job, teller, ending)
    moved = move(transaction, job, Next(event=Event.EXPIRE, ending=ending), teller)
    if moved is None:
        raise _state(f"job {job.id} has just moved")
    return moved


def _said(decision: Decision, row: Row, principal: Principal) -> dict[str, object]:
    return {
        "question": row["number"],
        "decision": decision.verb.value,
        "by": str(principal.user) if principal.user else principal.token,
        "files": sorted(decision.files),
    }


def _names(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(repr(path) for path in paths[:_NAMED]) + more


def _state(sentence: str) -> Refused:
    return Refused(
        Reason.CONFLICT_OF_STATE, sentence, next_action="look at the job first: flowforge job show JOB"
    )


def _invalid(sentence: str, next_action: str) -> Refused:
    return Refused(Reason.INVALID_REQUEST, sentence, next_action=next_action)
