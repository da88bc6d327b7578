"""No secret that the worker knows is kept with a job: not in its log, its story, its stages or its end."""

import base64
from collections.abc import Callable

import pytest

from flowforge.core.conflict import Conflict, HunkAnswer, Kind, Unresolved, parse_segments, resolve_with
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Result
from flowforge.core.masking import Mask
from flowforge.core.pipeline import StageResult
from flowforge.core.verdict import Finding, Level
from flowforge.jobs import read
from flowforge.jobs.recorder import FencedRecorder
from flowforge.jobs.run import Outcome
from flowforge.jobs.session import JobSession
from tests.conftest import TestDatabase
from tests.integration.jobs.world import SmallPipeline, World, bench, make_world, session_of

pytestmark = pytest.mark.services

SECRET = "canary-5d1e-of-the-bot"
TEXT = b"a\n<<<<<<< up\nu\n||||||| base\nb\n=======\nc\n>>>>>>> commit\nz\n"
CONFLICT = Conflict(
    path="a.py", kind=Kind.CONTENT, base=None, upstream=None, commit=None, segments=parse_segments(TEXT, 7)
)
Stage = Callable[[FencedRecorder, JobSession], StageResult | None]


@pytest.fixture
def world(database: TestDatabase) -> World:
    return make_world(database)


def ran(world: World, stage: Stage, *secrets: str) -> tuple[str, str]:
    """Run one stage under a mask; the log, and every row that the job left as one text."""
    job = world.claim(world.submit())
    assert job is not None

    def masked(recorder: FencedRecorder, session: JobSession) -> StageResult | None:
        recorder.mask = Mask(secrets or (SECRET,))
        return stage(recorder, session)

    bench(world, SmallPipeline({"test": masked})).run(job, session_of(job))
    with world.transaction() as transaction:
        log = read.log(transaction, job.id).text.decode()
    tables = ("jobs", "job_events", "stage_runs", "conflict_resolutions", "job_executions")
    rows = [world.column(f"SELECT t::text FROM {table} t") for table in tables]  # noqa: S608 (named above)
    return log, "\n".join(str(row) for found in rows for row in found)


def done(**told: object) -> StageResult:
    return StageResult(stage="test", result=Result.SUCCESS, **told)  # type: ignore[arg-type]  # its own fields


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_a_secret_in_pieces_is_cut_from_the_log(world: World, size: int) -> None:
    text = f"before {SECRET} between {base64.b64encode(f'bot:{SECRET}'.encode()).decode()} after\n".encode()

    def stage(recorder: FencedRecorder, _session: JobSession) -> None:
        for start in range(0, len(text), size):
            recorder.log("test", text[start : start + size])

    log, rows = ran(world, stage)
    assert log.startswith("before *** between ")
    assert log.endswith(" after\n")
    assert "***" in log.partition("between")[2]
    assert SECRET not in log + rows


def test_what_only_began_like_a_secret_is_shown_when_the_stage_ends(world: World) -> None:
    log, _ = ran(world, lambda recorder, _session: recorder.log("test", SECRET[:-1].encode()))
    assert log == SECRET[:-1]


def test_a_stage_that_never_ended_loses_none_of_its_log(world: World) -> None:
    def stage(recorder: FencedRecorder, _session: JobSession) -> None:
        recorder.log("test", SECRET[:-1].encode())
        raise Refused(Reason.CONFIGURATION, "it broke off")

    assert ran(world, stage)[0] == SECRET[:-1]


def test_two_stages_that_talk_at_once_have_a_stream_each(world: World) -> None:
    half = len(SECRET) // 2

    def stage(recorder: FencedRecorder, _session: JobSession) -> None:
        recorder.log("test", SECRET[:half].encode())
        recorder.log("sandbox", b"a warning\n")
        recorder.log("test", SECRET[half:].encode())

    log, _ = ran(world, stage)
    assert log == "a warning\n***"


def test_sentences_outputs_and_events_are_masked(world: World) -> None:
    def stage(recorder: FencedRecorder, _session: JobSession) -> StageResult:
        recorder.event("mirror.noted", {"sentence": f"it said {SECRET}", SECRET: [SECRET]})
        recorder.scanned([Finding(rule="r", level=Level.NOTE, message=SECRET, path="a")])
        return done(
            reason=Reason.PUSHED,
            sentence=f"pushed with {SECRET}",
            next_action=f"change {SECRET}",
            evidence=SECRET,
            outputs={"text": {"inner": [f"<{SECRET}>"]}},
        )

    _, rows = ran(world, stage)
    assert SECRET not in rows
    for words in ("it said ***", "pushed with ***", "change ***", "<***>"):
        assert words in rows


def test_what_a_rung_said_is_masked_in_its_row_and_in_the_story(world: World) -> None:
    def stage(recorder: FencedRecorder, _session: JobSession) -> None:
        answer = HunkAnswer(index=0, text=b"x\n", rung="mechanical", rule="r", why=f"because of {SECRET}")
        open_ = Unresolved(conflict=CONFLICT, sentence=f"nobody knows {SECRET}", tried={"model": SECRET})
        recorder.resolved("test", [resolve_with(CONFLICT, [answer])], [open_])

    _, rows = ran(world, stage)
    assert SECRET not in rows
    assert rows.count("because of ***") == 2
    assert rows.count("nobody knows ***") == 2


def test_the_end_of_a_job_is_masked_also_where_no_stage_told_it(world: World) -> None:
    def stage(recorder: FencedRecorder, _session: JobSession) -> None:
        raise Refused(
            Reason.REPOSITORY_UNREACHABLE, f"https://bot:{SECRET}@host", next_action=f"try {SECRET} again"
        )

    _, rows = ran(world, stage)
    assert SECRET not in rows
    assert "https://bot:***@host" in rows


def test_without_secrets_everything_is_as_it_was_said(world: World) -> None:
    job = world.claim(world.submit())
    assert job is not None

    def pipeline(job: object, recorder: FencedRecorder, session: JobSession) -> Outcome:
        recorder.log("test", b"\xff\x00raw")
        return Outcome(ending=done(sentence="plain").ending(), outputs={"a": 1})

    bench(world, pipeline).run(job, session_of(job))  # type: ignore[arg-type]  # it has the shape
    with world.transaction() as transaction:
        assert read.log(transaction, job.id).text == b"\xff\x00raw"
    assert world.job(job).outputs == {"a": 1}
