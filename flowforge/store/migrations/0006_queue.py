"""What the relay picks by: each job's turn, and which workers are alive with how many slots."""

from typing import Any

SQL = """
-- Arrival moved forward by priority: the order of the queue, ageing included, as one number that never changes.
ALTER TABLE jobs ADD COLUMN turn_at timestamptz NOT NULL DEFAULT now();
DROP INDEX jobs_queue;
CREATE INDEX jobs_turns ON jobs (organization, turn_at, id) WHERE state = 'queued' AND rung_at IS NULL;

CREATE TABLE workers (
    id          text PRIMARY KEY,
    host        text NOT NULL,
    version     text NOT NULL,
    slots       integer NOT NULL CHECK (slots >= 0),
    draining    boolean NOT NULL DEFAULT false,
    started_at  timestamptz NOT NULL DEFAULT now(),
    seen_at     timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON workers TO ff_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON workers TO ff_system;
"""


def up(_migrator: object, database: Any) -> None:
    database.execute_sql(SQL)
