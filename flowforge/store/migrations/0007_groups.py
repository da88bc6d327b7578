"""Concurrency groups and pauses: which queued jobs must wait although a slot is free.

Code of the version before runs on this: every new column has a default, and no statement of it names what went.
"""

from typing import Any

SQL = """
ALTER TABLE jobs
    ADD COLUMN superseded_by         uuid,                        -- the newer job for which it makes way
    ADD COLUMN concurrency_policy    text NOT NULL DEFAULT '' CHECK
                                         (concurrency_policy IN ('', 'supersede', 'queue', 'reject')),
    ADD COLUMN concurrency_template  text NOT NULL DEFAULT '';    -- as the request asked; '' = by the definition

-- One running job for each group, kept by the database itself. A group is of one repository.
CREATE UNIQUE INDEX jobs_one_in_group ON jobs (repository, concurrency_group)
    WHERE state = 'running' AND concurrency_group <> '';
-- Most jobs have no group and are in no index of groups; the one before held them all.
DROP INDEX jobs_groups;
CREATE INDEX jobs_groups ON jobs (repository, concurrency_group, turn_at, id)
    WHERE state IN ('pending', 'queued', 'running', 'waiting') AND concurrency_group <> '';
-- A repository's own durations, for the estimate of a start.
CREATE INDEX jobs_durations ON jobs (repository, completed_at DESC)
    WHERE state IN ('success', 'failed') AND started_at IS NOT NULL;

-- Target branch -> {"group", "policy"} that the repository's own definition last said there.
ALTER TABLE repositories ADD COLUMN groups jsonb NOT NULL DEFAULT '{}';

CREATE TABLE pauses (
    id            uuid PRIMARY KEY,
    organization  uuid NOT NULL REFERENCES organizations,
    repository    uuid,                       -- NULL: all of the organization's
    target        text CHECK (target <> ''),  -- NULL: all of the repository's
    reason        text NOT NULL CHECK (reason <> ''),
    user_id       uuid,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CHECK (target IS NULL OR repository IS NOT NULL),
    UNIQUE NULLS NOT DISTINCT (organization, repository, target),
    FOREIGN KEY (organization, repository) REFERENCES repositories (organization, id),
    FOREIGN KEY (organization, user_id) REFERENCES users (organization, id)
);
"""


def up(_migrator: object, database: Any) -> None:
    database.execute_sql(SQL)
