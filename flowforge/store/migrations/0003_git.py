"""What was done to repositories: remote commands, pushes meant and made, conflicts answered."""

from typing import Any

SQL = """
CREATE TABLE git_operations (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization  uuid NOT NULL,
    repository    uuid NOT NULL,
    job           uuid,
    type          text NOT NULL,
    url           text NOT NULL CHECK (url !~ '^[a-z]+://[^/]*:[^/]*@'),  -- never a password
    branch        text NOT NULL DEFAULT '',
    target        text NOT NULL DEFAULT '',
    sha           text NOT NULL DEFAULT '' CHECK (length(sha) <= 64),
    status        text NOT NULL,
    duration_ms   bigint NOT NULL,
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (organization, repository) REFERENCES repositories (organization, id),
    FOREIGN KEY (organization, job) REFERENCES jobs (organization, id) ON DELETE CASCADE
);
CREATE INDEX git_operations_of_job ON git_operations (job, id);
CREATE INDEX git_operations_list ON git_operations (organization, repository, at DESC);

CREATE TABLE push_intents (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization  uuid NOT NULL,
    repository    uuid NOT NULL,
    job           uuid NOT NULL,
    fence         bigint NOT NULL,          -- of who wrote last: the one that meant it, or the one that settled it
    attempt       integer NOT NULL,
    kind          text NOT NULL DEFAULT 'push' CHECK (kind IN ('push', 'undo')),
    ref           text NOT NULL,
    old_sha       text NOT NULL,
    new_sha       text NOT NULL,
    outcome       text NOT NULL DEFAULT 'intended'
                      CHECK (outcome IN ('intended', 'pushed', 'already', 'moved', 'rejected', 'unknown')),
    detail        text NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at    timestamptz,
    FOREIGN KEY (organization, repository) REFERENCES repositories (organization, id),
    FOREIGN KEY (organization, job) REFERENCES jobs (organization, id) ON DELETE CASCADE
);
CREATE INDEX push_intents_of_job ON push_intents (job, ref, id);
CREATE INDEX push_intents_of_ref ON push_intents (repository, ref, id);

CREATE TABLE conflict_resolutions (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization   uuid NOT NULL,
    job            uuid NOT NULL,
    stage          text NOT NULL,
    attempt        integer NOT NULL DEFAULT 1,
    commit_id      text NOT NULL DEFAULT '',
    path           text NOT NULL,
    kind           text NOT NULL,                 -- of the conflict
    method         text NOT NULL,                 -- the rung, or several joined by a comma; '' = none
    hunks          jsonb NOT NULL DEFAULT '[]',   -- rung, rule and why of each
    model          text NOT NULL DEFAULT '',
    prompt_hash    text NOT NULL DEFAULT '',
    validation     jsonb NOT NULL DEFAULT '{}',
    outside_hash   text NOT NULL DEFAULT '',
    result_hash    text NOT NULL DEFAULT '',
    sealed_text    bytea,
    expires_at     timestamptz,                   -- when the sealed text is erased
    success        boolean NOT NULL,
    sentence       text NOT NULL DEFAULT '',
    at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (organization, job) REFERENCES jobs (organization, id) ON DELETE CASCADE
);
CREATE INDEX conflict_resolutions_of_job ON conflict_resolutions (job, id);
CREATE INDEX conflict_resolutions_expiry ON conflict_resolutions (expires_at) WHERE sealed_text IS NOT NULL;
"""


def up(_migrator: object, database: Any) -> None:
    database.execute_sql(SQL)
