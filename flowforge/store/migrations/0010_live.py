"""Where the logs of finished jobs went, and which transaction wrote an event: what a stream of many jobs resumes by.

The column comes without a value for the rows that stand, so that nothing is rewritten: streams begin in the present.
"""

from typing import Any

SQL = """
CREATE TABLE log_archives (
    organization  uuid NOT NULL,
    job           uuid PRIMARY KEY,
    reference     text NOT NULL,       -- the artifact; '' once its time was over
    index_at      bigint NOT NULL CHECK (index_at >= 0),      -- bytes before its index
    stored        bigint NOT NULL CHECK (stored >= index_at), -- bytes of the artifact
    size          bigint NOT NULL CHECK (size > 0),           -- bytes of the log
    at            timestamptz NOT NULL DEFAULT now(),
    removed_at    timestamptz,
    FOREIGN KEY (organization, job) REFERENCES jobs (organization, id) ON DELETE CASCADE
);
CREATE INDEX log_archives_age ON log_archives (at) WHERE reference <> '';

ALTER TABLE job_events ADD COLUMN tx xid8;
ALTER TABLE job_events ALTER COLUMN tx SET DEFAULT pg_current_xact_id();
CREATE INDEX job_events_feed ON job_events (organization, tx) WHERE tx IS NOT NULL;
"""


def up(_migrator: object, database: Any) -> None:
    database.execute_sql(SQL)
