"""A new version arrives while jobs run: workers and relays are replaced one by one, and the schema moves under all."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest

from flowforge.api.models import JobOut
from flowforge.store.admin import upgrade
from tests.acceptance.house import PATIENCE, Project, ending, eventually
from tests.faults.branches import PIPELINE, branch_off
from tests.faults.site import Process, Site
from tests.faults.table import ROOT, proves
from tests.faults.wired import JOBS

OTHER = Path(os.environ.get("FLOWFORGE_FAULTS_OTHER", ROOT))  # the folder of another version's code
CODE = {"PYTHONSAFEPATH": "1", "PYTHONPATH": f"{OTHER}:{OTHER / 'plugins'}"}
GENERATIONS = 3
PATIENT = {"FLOWFORGE_LEASE_SECONDS": "15", "FLOWFORGE_RENEW_SECONDS": "5"}  # what is handed over is not lost

# What a release may do before the code that uses it arrives: old code must not mind.
EXPAND = """
ALTER TABLE jobs ADD COLUMN of_the_next_release text NOT NULL DEFAULT 'x';
ALTER TABLE push_intents ADD COLUMN of_the_next_release bigint;
ALTER TABLE stage_runs ADD COLUMN of_the_next_release jsonb NOT NULL DEFAULT '{}';
CREATE TABLE of_the_next_release (job uuid PRIMARY KEY REFERENCES jobs, note text NOT NULL);
CREATE INDEX of_the_next_release_jobs ON jobs (of_the_next_release) WHERE state = 'queued';
"""
CONTRACT = """
DROP INDEX of_the_next_release_jobs;
DROP TABLE of_the_next_release;
ALTER TABLE stage_runs DROP COLUMN of_the_next_release;
ALTER TABLE push_intents DROP COLUMN of_the_next_release;
ALTER TABLE jobs DROP COLUMN of_the_next_release;
"""

# A submit of version 0.1.0, as its code says it, with the columns that there were then.
SUBMIT = """
INSERT INTO jobs (id, organization, repository, user_id, parent_job, priority, branch, target, task, pipeline,
                  environment, trigger, retry_from, max_attempts, ref_key, idempotency_key, body_hash, pipeline_source,
                  turn_at)
SELECT %(id)s, organization, id, NULL, NULL, 5, 'topic', 'main', '', %(pipeline)s, '{}', 'api', '', 3,
       'refs/heads/topic', NULL, '', 'the request', now() - make_interval(secs => 300) FROM repositories
WHERE id = %(repository)s;
UPDATE jobs SET state = 'queued' WHERE id = %(id)s RETURNING *
"""


def many(site: Site, count: int) -> list[tuple[Project, str]]:
    project = site.house.project()
    names = [f"b{number}" for number in range(count)]
    branch_off(project, names)
    return [(project, name) for name in names]


def ended_well(site: Site, jobs: list[JobOut]) -> None:
    """Each pushed, in one attempt: whoever left gave its attempt back."""
    ended = [site.house.ended(job) for job in jobs]
    assert {(*ending(job), job.attempts) for job in ended} == {("success", "pushed", 1)}
    site.keeps_its_promises(*jobs)


def leaves(process: Process) -> None:
    process.send(signal.SIGTERM)
    assert process.dies(PATIENCE) == os.EX_OK, process.said()[-2000:]
    assert "Traceback" not in process.said()


@proves("F65")
@pytest.mark.timeout(300)
def test_a_rolling_deploy_hands_every_job_over(site: Site) -> None:
    todo = many(site, JOBS)
    share = -(-JOBS // GENERATIONS)
    jobs: list[JobOut] = []
    with ExitStack() as undo:
        old = generation(site, undo)
        for first in range(0, JOBS, share):
            jobs += [project.submit(branch) for project, branch in todo[first : first + share]]
            eventually(partial(runs_one_of, site, jobs), "jobs run")
            new = generation(site, undo)
            for process in old:
                leaves(process)
            old = new
        ended_well(site, jobs)


def generation(site: Site, undo: ExitStack) -> list[Process]:
    """A relay beside the site's own, and two workers, all of them there: who still imports knows no SIGTERM."""
    more = {**PATIENT, "FLOWFORGE_WORKER_THREADS": "2"}
    made = [undo.enter_context(site.process(name, **more)) for name in ("relay", "worker", "worker")]
    for process in made:
        eventually(partial(minds_signals, process), f"{process.name} is there: {process.said()[-500:]}")
    return made


def minds_signals(process: Process) -> bool:
    """Whether it has a handler of its own for SIGTERM."""
    status = Path(f"/proc/{process.popen.pid}/status").read_text(encoding="ascii")
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def runs_one_of(site: Site, jobs: list[JobOut]) -> bool:
    rows = site.house.truth.jobs([job.id for job in jobs])
    states = {row["state"] for row in rows}
    return "running" in states or "success" in states


@contextmanager
def expanded(site: Site) -> Iterator[None]:
    run(site, EXPAND)
    try:
        yield
    finally:
        run(site, CONTRACT)


def run(site: Site, script: str, **values: object) -> None:
    with psycopg2.connect(site.house.truth.database) as connection, connection.cursor() as cursor:
        cursor.execute(script, values)
    connection.close()


@proves("F66")
@pytest.mark.timeout(300)
def test_old_and_new_code_work_side_by_side_while_the_schema_moves_under_them(site: Site) -> None:
    todo = many(site, JOBS)
    half = JOBS // 2
    with site.process("worker", **PATIENT, **CODE), site.process("relay", **PATIENT, **CODE):
        jobs = [project.submit(branch) for project, branch in todo[:half]]
        eventually(lambda: runs_one_of(site, jobs), "the other version's worker runs jobs")
        with expanded(site), site.process("worker", **PATIENT):
            upgrade(site.house.truth.database)
            jobs += [project.submit(branch) for project, branch in todo[half:]]
            ended_well(site, jobs)


@proves("F66")
def test_a_job_that_an_older_version_submitted_is_run_by_this_one(site: Site) -> None:
    project = site.house.project()
    branch_off(project, ["topic"])
    identity = uuid4()
    run(site, SUBMIT, id=str(identity), repository=str(project.id), pipeline=PIPELINE)
    with site.worker():
        eventually(lambda: site.house.job(identity).final, "the job ends")
    assert ending(site.house.job(identity)) == ("success", "pushed")
    site.keeps_its_promises(site.house.job(identity))
