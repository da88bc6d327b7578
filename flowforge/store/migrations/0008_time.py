"""Schedules, what was done for the database and when, and how soon hot tables are vacuumed.

Postgres vacuums a table when a fifth of it is dead; of a table of millions that is late, and of a small one whose few
rows are written all day it is never soon enough.
"""

from typing import Any

SQL = """
CREATE TABLE schedules (
    id            uuid PRIMARY KEY,
    organization  uuid NOT NULL REFERENCES organizations,
    user_id       uuid NOT NULL,              -- in whose name its jobs are submitted
    repository    uuid NOT NULL,
    name          text NOT NULL CHECK (name <> ''),
    branch        text NOT NULL,
    target        text NOT NULL DEFAULT '',   -- '' = the repository's default branch when it is due
    task          text NOT NULL DEFAULT '',
    cron          text NOT NULL CHECK (cron <> ''),
    timezone      text NOT NULL DEFAULT 'UTC',
    priority      smallint NOT NULL DEFAULT 5 CHECK (priority BETWEEN 0 AND 9),
    environment   jsonb NOT NULL DEFAULT '{}',
    max_attempts  integer NOT NULL DEFAULT 3 CHECK (max_attempts > 0),
    is_active     boolean NOT NULL DEFAULT true,
    next_at       timestamptz,                -- NULL: it is paused, or cannot be due any more
    last_due_at   timestamptz,                -- the last time that was acted on
    last_job      uuid,                       -- the last job that it started
    last_reason   text NOT NULL DEFAULT '',   -- why the last time started no job
    last_error    text NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization, id),
    UNIQUE (organization, name),
    CHECK (is_active OR next_at IS NULL),
    FOREIGN KEY (organization, user_id) REFERENCES users (organization, id),
    FOREIGN KEY (organization, repository) REFERENCES repositories (organization, id),
    FOREIGN KEY (organization, last_job) REFERENCES jobs (organization, id) ON DELETE SET NULL (last_job)
);
CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL;

-- What any relay does once in a while for all of them: when it was done last, and what came of it.
CREATE TABLE chores (
    name      text PRIMARY KEY,
    began_at  timestamptz NOT NULL DEFAULT now(),
    ended_at  timestamptz,                   -- NULL: it runs, or whoever ran it died
    did       jsonb NOT NULL DEFAULT '{}',
    error     text NOT NULL DEFAULT ''
);
GRANT SELECT, INSERT, UPDATE, DELETE ON chores TO ff_system;

-- When its texts were erased: the definition, the variables and what stages handed on. NULL: they are there.
ALTER TABLE jobs ADD COLUMN texts_erased_at timestamptz;
CREATE INDEX jobs_with_texts ON jobs (completed_at) WHERE completed_at IS NOT NULL AND texts_erased_at IS NULL;

-- Updated many times a row, or emptied as fast as they are filled.
ALTER TABLE jobs SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE stage_runs SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
ALTER TABLE push_intents SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
ALTER TABLE log_chunks SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_scale_factor = 0.1);
ALTER TABLE job_events SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_scale_factor = 0.1);
-- A few rows, each written every few seconds: what is dead in them is worth more than the rows.
ALTER TABLE workers SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200, fillfactor = 50);
ALTER TABLE schedules SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 200, fillfactor = 80);
ALTER TABLE budget_totals SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200, fillfactor = 70);
ALTER TABLE budget_reservations SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);
"""


def up(_migrator: object, database: Any) -> None:
    database.execute_sql(SQL)
