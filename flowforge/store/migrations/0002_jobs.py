"""Jobs and what they leave behind while they run.

References between tenants' tables name the organization too, so that none can point across.
"""

from typing import Any

SQL = """
CREATE TABLE jobs (
    id                 uuid PRIMARY KEY,
    organization       uuid NOT NULL REFERENCES organizations,
    repository         uuid NOT NULL,
    user_id            uuid,
    parent_job         uuid,
    state              text NOT NULL DEFAULT 'pending',
    priority           smallint NOT NULL DEFAULT 5 CHECK (priority BETWEEN 0 AND 9),
    branch             text NOT NULL,
    target             text NOT NULL,
    task               text NOT NULL,
    pipeline           text NOT NULL DEFAULT '',
    pipeline_source    text NOT NULL DEFAULT '',
    environment        jsonb NOT NULL DEFAULT '{}',
    trigger            text NOT NULL DEFAULT 'api',
    retry_from         text NOT NULL DEFAULT '',
    attempts           integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    max_attempts       integer NOT NULL DEFAULT 3 CHECK (max_attempts > 0),
    fence              bigint NOT NULL DEFAULT 0,      -- grows with every claim; a lower one writes nothing
    owner              text NOT NULL DEFAULT '',       -- the worker that has, or last had, the job
    lease_until        timestamptz,
    cancel_requested   boolean NOT NULL DEFAULT false,
    run_after          timestamptz,
    rung_at            timestamptz,                    -- its doorbell was rung; cleared by the sweep
    concurrency_group  text NOT NULL DEFAULT '',
    ref_key            text NOT NULL DEFAULT '',       -- the ref it will write; '' = it writes none
    idempotency_key    text CHECK (idempotency_key <> ''),
    body_hash          bytea,                          -- of the request that came with the key
    result             text CHECK (result IN
                           ('success', 'failure', 'error', 'timeout', 'cancellation', 'skip')),
    reason             text,
    sentence           text NOT NULL DEFAULT '',
    next_action        text NOT NULL DEFAULT '',
    evidence           text NOT NULL DEFAULT '',
    outputs            jsonb NOT NULL DEFAULT '{}',
    last_seq           bigint NOT NULL DEFAULT 0,      -- highest seq given to an event or a log chunk
    created_at         timestamptz NOT NULL DEFAULT now(),
    queued_at          timestamptz,
    started_at         timestamptz,
    completed_at       timestamptz,
    cancelled_at       timestamptz,
    UNIQUE (organization, id),
    FOREIGN KEY (organization, repository) REFERENCES repositories (organization, id),
    FOREIGN KEY (organization, user_id) REFERENCES users (organization, id),
    FOREIGN KEY (organization, parent_job) REFERENCES jobs (organization, id)
) WITH (fillfactor = 80);  -- most updates touch no index and stay on their page

CREATE UNIQUE INDEX jobs_idempotency ON jobs (organization, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
-- Promise G5, kept by the database itself: one running job for each ref that is written.
CREATE UNIQUE INDEX jobs_one_writer ON jobs (repository, ref_key) WHERE state = 'running' AND ref_key <> '';
CREATE INDEX jobs_queue ON jobs (priority DESC, queued_at, id) WHERE state = 'queued';
CREATE INDEX jobs_rung ON jobs (rung_at) WHERE state = 'queued' AND rung_at IS NOT NULL;
CREATE INDEX jobs_leases ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_running ON jobs (organization) WHERE state = 'running';
CREATE INDEX jobs_waiting ON jobs (run_after) WHERE state = 'waiting';
CREATE INDEX jobs_groups ON jobs (organization, concurrency_group)
    WHERE state IN ('pending', 'queued', 'running', 'waiting');
CREATE INDEX jobs_refs ON jobs (repository, ref_key) WHERE state IN ('pending', 'queued', 'running', 'waiting');
CREATE INDEX jobs_list ON jobs (organization, created_at DESC, id DESC);
CREATE INDEX jobs_list_of_state ON jobs (organization, state, created_at DESC, id DESC);
CREATE INDEX jobs_list_of_repository ON jobs (organization, repository, created_at DESC, id DESC);
CREATE INDEX jobs_list_of_branch ON jobs (organization, repository, branch, created_at DESC, id DESC);
CREATE INDEX jobs_children ON jobs (organization, parent_job) WHERE parent_job IS NOT NULL;
CREATE INDEX jobs_of_user ON jobs (organization, user_id, created_at DESC, id DESC) WHERE user_id IS NOT NULL;

CREATE TABLE job_events (
    organization  uuid NOT NULL,
    job           uuid NOT NULL,
    seq           bigint NOT NULL,
    kind          text NOT NULL,
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    data          jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (job, seq),
    FOREIGN KEY (organization, job) REFERENCES jobs (organization, id) ON DELETE CASCADE
);

CREATE TABLE log_chunks (
    organization  uuid NOT NULL,
    job           uuid NOT NULL,
    seq           bigint NOT NULL,          -- from the same row of numbers as the events
    attempt       integer NOT NULL,
    stage         text NOT NULL,
    start_byte    bigint NOT NULL CHECK (start_byte >= 0),  -- within the stage's output of this attempt
    bytes         bytea NOT NULL CHECK (octet_length(bytes) BETWEEN 1 AND 65536),
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job, seq),
    UNIQUE (job, attempt, stage, start_byte),
    FOREIGN KEY (organization, job) REFERENCES jobs (organization, id) ON DELETE CASCADE
);

CREATE TABLE outbox (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization  uuid NOT NULL REFERENCES organizations,
    job           uuid,
    kind          text NOT NULL,
    payload       jsonb NOT NULL DEFAULT '{}',
    attempts      integer NOT NULL DEFAULT 0,
    run_after     timestamptz NOT NULL DEFAULT now(),
    created_at    timestamptz NOT NULL DEFAULT now(),
    done_at       timestamptz,
    error         text NOT NULL DEFAULT '',
    FOREIGN KEY (organization, job) REFERENCES jobs (organization, id) ON DELETE CASCADE
);
CREATE INDEX outbox_open ON outbox (run_after, id) WHERE done_at IS NULL;
CREATE INDEX outbox_done ON outbox (done_at) WHERE done_at IS NOT NULL;
CREATE INDEX outbox_of_job ON outbox (job) WHERE job IS NOT NULL;

CREATE TABLE job_executions (
    organization  uuid NOT NULL,
    job           uuid NOT NULL,
    attempt       integer NOT NULL,
    fence         bigint NOT NULL,
    worker        text NOT NULL,
    status        text NOT NULL DEFAULT 'running',
    duration_ms   bigint,
    error         text NOT NULL DEFAULT '',
    logs          text NOT NULL DEFAULT '',  -- name of the artifact, once the chunks were moved there
    started_at    timestamptz NOT NULL DEFAULT now(),
    completed_at  timestamptz,
    PRIMARY KEY (job, fence, started_at),
    FOREIGN KEY (organization, job) REFERENCES jobs (organization, id) ON DELETE CASCADE
) PARTITION BY RANGE (started_at);
CREATE INDEX job_executions_list ON job_executions (organization, started_at DESC);
CREATE TABLE job_executions_rest PARTITION OF job_executions DEFAULT;

CREATE TABLE stage_runs (
    organization  uuid NOT NULL,
    job           uuid NOT NULL,
    stage         text NOT NULL,
    attempt       integer NOT NULL,
    ordinal       integer NOT NULL DEFAULT 0,  -- place in the plan
    fence         bigint NOT NULL,
    input_hash    text NOT NULL DEFAULT '',
    result        text,                        -- NULL while it runs
    reason        text,
    sentence      text NOT NULL DEFAULT '',
    next_action   text NOT NULL DEFAULT '',
    evidence      text NOT NULL DEFAULT '',
    outputs       jsonb NOT NULL DEFAULT '{}',
    seconds       double precision,
    work          jsonb,                       -- what is true after the stage
    checkpoint    text NOT NULL DEFAULT '',    -- name of the artifact from which another worker goes on
    started_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    completed_at  timestamptz,
    PRIMARY KEY (job, stage, attempt),
    FOREIGN KEY (organization, job) REFERENCES jobs (organization, id) ON DELETE CASCADE
);
"""


def up(_migrator: object, database: Any) -> None:
    database.execute_sql(SQL)
