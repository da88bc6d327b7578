"""`flowforge job`: submit, list, show, watch, read logs, cancel, run again, undo, decide."""

import os
import sys
import textwrap
import uuid
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from flowforge.api.control_models import DecisionIn
from flowforge.api.models import MAX_PAGE, JobDetail, JobOut, StageOut
from flowforge.cli.app import AsJson, group
from flowforge.cli.client import Client
from flowforge.cli.conflicts import described_conflicts
from flowforge.cli.exits import Exit
from flowforge.cli.live import clock
from flowforge.cli.output import WIDTH, console, data, data_json, say, table
from flowforge.cli.question import described_question, write_text
from flowforge.cli.requests import invalid, job_in, listed, shaped, variables
from flowforge.cli.review import reviews_in
from flowforge.cli.server import find_server
from flowforge.cli.terminal import tame
from flowforge.cli.waiting import folded, spent, waiting
from flowforge.cli.watch import exit_of, watch
from flowforge.core.concurrency import Policy
from flowforge.core.decision import Verb
from flowforge.core.job import DEFAULT_PRIORITY, State

app = group("Submit jobs, watch them, read their logs, stop them, run them again, decide what they ask.")

JobId = Annotated[UUID, typer.Argument(metavar="JOB", help="Id of a job.")]
Timeout = Annotated[float | None, typer.Option(help="Stop watching after so many seconds (exit code 8).")]


_STAGE, _STAGE_MOST = 8, 24  # columns of a stage's name
_SENTENCE = 30  # columns that a sentence has at least
FOLLOWING = 60.0  # seconds that a server may be away while somebody watches: it may restart meanwhile


def connect(patience: float = 10.0) -> Client:
    """The client of the server that environment or file name."""
    return Client(find_server(os.environ), patience=patience)


@app.command()
def submit(
    repository: Annotated[str, typer.Argument(help="Name or id of a repository.")],
    branch: Annotated[str, typer.Argument(help="The branch to bring up to date.")],
    *,
    onto: Annotated[str, typer.Option(help="The branch to rebase onto. Default: the repository's.")] = "",
    task: Annotated[str, typer.Option(help='A pipeline by name; "" is the repository\'s own.')] = "",
    pipeline: Annotated[Path | None, typer.Option(help="File with a definition to run instead.")] = None,
    priority: Annotated[int, typer.Option(help="0-3 low, 4-6 normal, 7-9 high.")] = DEFAULT_PRIORITY,
    env: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, or NAME to take yours.")] = None,
    key: Annotated[str, typer.Option(help="Idempotency key: the same one makes the same job.")] = "",
    in_group: Annotated[
        str, typer.Option("--group", help="Concurrency group; default: the definition's.")
    ] = "",
    policy: Annotated[Policy | None, typer.Option(help="What it does that meets an open one of it.")] = None,
    follow: Annotated[bool, typer.Option("--watch", "-w", help="Watch it until it ends.")] = False,
    json: AsJson = False,
) -> int:
    """Submit a job; its id is written to stdout."""
    with connect() as client:
        wanted = job_in(
            repository=find_repository(client, repository),
            branch=branch,
            target=onto,
            task=task,
            pipeline=_text(pipeline),
            priority=priority,
            environment=variables(env or [], os.environ),
            concurrency=_group(in_group, policy),
        )
        job = client.submit(wanted, key or str(uuid.uuid4()))
        if not follow:
            data_json(job.model_dump(mode="json")) if json else data(str(job.id))
            return Exit.OK
        return _watched(client, job.id, None, as_json=json)


@app.command("list")
def list_(
    *,
    state: Annotated[State | None, typer.Option(help="Only jobs in this state.")] = None,
    repository: Annotated[str, typer.Option(help="Only jobs of this repository (name or id).")] = "",
    branch: Annotated[str, typer.Option(help="Only jobs of this branch.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    with connect() as client:
        wanted = {
            "state": state.value if state else "",
            "repository": str(find_repository(client, repository)) if repository else "",
            "branch": branch,
            "limit": min(limit, MAX_PAGE),
        }
        filters = {name: value for name, value in wanted.items() if value}
        jobs = listed(lambda cursor: _page(client, filters, cursor), limit)
    if json:
        data_json([job.model_dump(mode="json") for job in jobs])
        return
    table({"JOB": "left", "STATE": "left", "CREATED (UTC)": "left", "BRANCH": "left"}, list(map(_line, jobs)))


@app.command()
def show(
    job: JobId,
    *,
    conflicts: Annotated[bool, typer.Option(help="Show its conflicts and how each was answered.")] = False,
    json: AsJson = False,
) -> None:
    """Show a job, its stages, and why it waits; of one that waits for a person, what it asks."""
    with connect() as client:
        if conflicts:
            _conflicts(client, job, as_json=json)
            return
        found = client.job(job)
        asked = client.question(job) if found.state is State.WAITING else None
        receipt = client.receipt(job) if json and found.cost else None
    if json:
        more = {"question": asked, "receipt": receipt}
        shown = {name: one.model_dump(mode="json") for name, one in more.items() if one}
        data_json({**found.model_dump(mode="json"), **shown})
        return
    question = described_question(job, asked, checks=False) if asked else []
    data("\n".join([*_described(found, asked.stage if asked else ""), *question]))


def _conflicts(client: Client, job: UUID, *, as_json: bool) -> None:
    found = client.conflicts(job)
    if as_json:
        data_json(found.model_dump(mode="json"))
        return
    data("\n".join(described_conflicts(found.conflicts)))


@app.command("watch")
def watch_(job: JobId, *, timeout: Timeout = None, json: AsJson = False) -> int:
    """Watch a job until it ends or a person must decide.

    The exit code says how: 0 success, 1 failed, 5 a person must decide, 8 not ended in time.
    """
    with connect(patience=FOLLOWING) as client:
        return _watched(client, job, timeout, as_json=json)


@app.command()
def logs(
    job: JobId,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")] = False,
    offset: Annotated[int, typer.Option(min=0, help="Byte to begin at.")] = 0,
    json: AsJson = False,
) -> None:
    """Write a job's log to stdout."""
    if follow:
        with connect(patience=FOLLOWING) as client:
            for piece in client.log_pieces(job, offset):
                data_json(piece.model_dump(mode="json")) if json else _out(piece.text)
        return
    with connect() as client:
        behind = -1
        while offset != behind:
            page, behind = client.log(job, offset), offset
            offset = page.next_offset
            data_json(page.model_dump(mode="json")) if json else _out(page.text)
    if page.removed:
        say(f"the log of job {job} was kept for its time, and is gone")


@app.command()
def cancel(job: JobId, *, json: AsJson = False) -> None:
    """Cancel a job. What has no worker stops at once, what runs when its worker has stopped."""
    with connect() as client:
        stopped = client.cancel(job)
    if json:
        data_json(stopped.model_dump(mode="json"))
    elif stopped.final:
        say(f"job {job} is {stopped.state}{_because(stopped)}")
    else:
        say(f"job {job} is {stopped.state} and was asked to stop")


@app.command()
def retry(
    job: JobId,
    *,
    start: Annotated[str, typer.Option("--from", help="Stage to begin at. Default: the whole job.")] = "",
    follow: Annotated[bool, typer.Option("--watch", "-w", help="Watch it until it ends.")] = False,
    json: AsJson = False,
) -> int:
    """Run a finished job again; the new job's id is written to stdout."""
    with connect() as client:
        child = client.retry(job, start or None)
        if follow:
            return _watched(client, child.id, None, as_json=json)
    data_json(child.model_dump(mode="json")) if json else data(str(child.id))
    return Exit.OK


@app.command()
def undo(
    job: JobId,
    *,
    ref: Annotated[str, typer.Option(help="Which branch, where the job pushed to several.")] = "",
    follow: Annotated[bool, typer.Option("--watch", "-w", help="Watch it until it ends.")] = False,
    json: AsJson = False,
) -> int:
    """Take back what a job pushed, if nobody has gone on from it; the undo job's id is written to stdout."""
    with connect() as client:
        child = client.undo(job, ref)
        if follow:
            return _watched(client, child.id, None, as_json=json)
    data_json(child.model_dump(mode="json")) if json else data(str(child.id))
    return Exit.OK


@app.command()
def approve(job: JobId, *, json: AsJson = False) -> None:
    """Let a waiting job go on with what it shows."""
    _decide(job, DecisionIn(decision=Verb.APPROVE), as_json=json)


@app.command()
def reject(job: JobId, *, json: AsJson = False) -> None:
    """End a waiting job: what it shows is not wanted."""
    _decide(job, DecisionIn(decision=Verb.REJECT), as_json=json)


@app.command()
def edit(
    job: JobId,
    files: Annotated[
        list[str], typer.Argument(metavar="PATH=FILE...", help="A path of the repository, and your text.")
    ],
    *,
    json: AsJson = False,
) -> None:
    """Let a waiting job go on with your text of files; it is validated and tested as any other answer."""
    texts = {path: _text(Path(file)) for path, file in map(_pair, files)}
    _decide(job, shaped(DecisionIn, {"decision": Verb.EDIT, "files": texts}), as_json=json)


@app.command()
def question(
    job: JobId,
    *,
    out: Annotated[Path | None, typer.Option(help="Write the texts into this folder.")] = None,
    json: AsJson = False,
) -> None:
    """Show what a job asks, with the texts: where a file is open, git's merge with markers."""
    with connect() as client:
        asked = client.question(job)
    if json:
        data_json(asked.model_dump(mode="json"))
        return
    data("\n".join(described_question(job, asked)))
    for file in asked.files if out else ():
        write_text(out or Path(), file)


def _decide(job: UUID, decision: DecisionIn, *, as_json: bool) -> None:
    with connect() as client:
        decided = client.decide(job, decision)
    if as_json:
        data_json(decided.model_dump(mode="json"))
    else:
        say(_outcome(decided, decision.decision))


def _outcome(job: JobOut, verb: Verb) -> str:
    """What a decision has come to, and what happens now."""
    if verb is not Verb.REJECT:
        return f"job {job.id} goes on; follow it: flowforge job watch {job.id}"
    if job.final:
        return f"job {job.id} was rejected and has ended"
    return f"job {job.id} was rejected; its `finally` stages run, then it ends"


def _pair(word: str) -> tuple[str, str]:
    path, equals, file = word.rpartition("=")
    if not equals or not path or not file:
        raise invalid(f"{word!r} is no PATH=FILE", "name the path in the repository, =, and a file of yours")
    return path, file


def _watched(client: Client, job: UUID, timeout: float | None, *, as_json: bool) -> int:
    ended = watch(client, job, console(), timeout=timeout)
    if as_json:
        data_json(ended.model_dump(mode="json"))
    elif ended.ending and ended.ending.next_action:
        say(f"next: {ended.ending.next_action}")
    elif ended.state is State.WAITING:
        say(f"a person must decide: flowforge job show {job}")
    return exit_of(ended)


def find_repository(client: Client, name: str) -> UUID:
    """An id as it is, or the id of the repository of that name."""
    try:
        return UUID(name)
    except ValueError:
        found = client.repositories(name=name).repositories
    if not found:
        raise invalid(f"there is no repository named {name!r}", "list yours: flowforge repo list")
    return found[0].id


def _page(
    client: Client, filters: dict[str, str | int], cursor: str | None
) -> tuple[list[JobOut], str | None]:
    page = client.jobs(filters, cursor)
    return page.jobs, page.next_cursor


def _group(group: str, policy: Policy | None) -> dict[str, str] | None:
    """What was asked for about the concurrency group; the rest is the format's own default."""
    named = {"group": group, "policy": policy.value if policy else ""}
    return {name: value for name, value in named.items() if value} or None


def _text(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise invalid(f"{str(path)!r} cannot be read: {why}", "name a file of UTF-8 text") from None


def _out(text: str) -> None:
    """A log as it was written, so that colours of tests stay; but not to a terminal that it could take over."""
    sys.stdout.write(text if not sys.stdout.isatty() else tame(text))
    sys.stdout.flush()


def _line(job: JobOut) -> list[str]:
    return [str(job.id), job.state, f"{job.created_at:%m-%d %H:%M:%S}", job.branch]


def _because(job: JobOut) -> str:
    """Why it ended, where that is not what was asked for."""
    return f": {job.ending.sentence}" if job.ending and job.state is not State.CANCELLED else ""


def _described(job: JobDetail, asks: str = "") -> list[str]:
    """A job and its stages; `asks` is the one whose question a person must decide."""
    took = (job.completed_at or job.created_at) - (job.started_at or job.created_at)
    facts = {
        "job": str(job.id),
        "state": f"{job.state}{' (asked to stop)' if job.cancel_requested and not job.final else ''}",
        "branch": f"{job.branch} onto {job.target or 'the default branch'}",
        "task": job.task,
        "pipeline": job.pipeline_source,
        "attempt": f"{job.attempts} of {job.max_attempts}",
        "parent": str(job.parent_job or ""),
        "worker": job.worker,
        "took": clock(took.total_seconds()) if job.completed_at and job.started_at else "",
        "model": spent(job.cost) if job.cost else "",
        "group": f"{job.concurrency.group} ({job.concurrency.policy})" if job.concurrency else "",
        "replaced": f"by {job.superseded_by}" if job.superseded_by else "",
        "reason": job.ending.reason if job.ending else "",
        "because": job.ending.sentence if job.ending else "",
        "next": job.ending.next_action if job.ending else "",
    }
    lines = [line for name, value in facts.items() if value for line in folded(name, value)]
    lines += waiting(job.why, job.estimated_start)
    if job.ending and job.ending.evidence:
        lines.append(f"evidence  {job.ending.evidence}")
    wide = max([_STAGE, *(len(stage.stage) for stage in job.stages)])
    stages = [line for stage in job.stages for line in _stage(stage, wide, asks)]
    return [*lines, *(["stages", *stages] if stages else []), *reviews_in(job.outputs)]


def _stage(stage: StageOut, wide: int, asks: str) -> list[str]:
    """A stage's name, result and time, with its sentence beside them, folded."""
    result, sentence = stage.result or "running", stage.sentence
    if stage.stage == asks:
        result, sentence = "asks", "see the question below"
    head = f"  {stage.stage:<{min(wide, _STAGE_MOST)}}  {result:<12} {clock(stage.seconds or 0):>7}  "
    return textwrap.wrap(
        sentence or "-",
        width=max(WIDTH, len(head) + _SENTENCE),
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
