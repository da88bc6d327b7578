"""What jobs ask persons and what they were told; and where the commits lie that a push replaced."""

from typing import Any

SQL = """
CREATE TABLE decisions (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    organization  uuid NOT NULL,
    job           uuid NOT NULL,
    number        integer NOT NULL,             -- of the asking: 1, 2, ...
    fence         bigint NOT NULL,              -- of the attempt that asked
    stage         text NOT NULL,                -- that asked
    again         text NOT NULL DEFAULT '',     -- from which an edited job runs again
    kind          text NOT NULL CHECK (kind IN ('approve', 'resolve')),
    sentence      text NOT NULL,
    tree          text NOT NULL DEFAULT '',     -- what an approval is for
    files         jsonb NOT NULL DEFAULT '[]',  -- without their texts
    sealed_texts  bytea,                        -- of all files and sides; erased a while after the job's end
    work          jsonb NOT NULL,               -- what was true when it asked
    checkpoint    text NOT NULL DEFAULT '',     -- name of the artifact with its commits
    asked_at      timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL,
    decision      text CHECK (decision IN ('approve', 'reject', 'edit')),
    sealed_edits  bytea,
    decided_by    uuid,
    decided_at    timestamptz,
    UNIQUE (job, number),
    FOREIGN KEY (organization, job) REFERENCES jobs (organization, id) ON DELETE CASCADE
);
CREATE INDEX decisions_expiry ON decisions (expires_at) WHERE decision IS NULL;
CREATE INDEX decisions_sealed ON decisions (asked_at) WHERE sealed_texts IS NOT NULL;

-- The artifact that holds what the ref pointed to before the push; '' = nothing had to be kept.
ALTER TABLE push_intents ADD COLUMN bundle text NOT NULL DEFAULT '';
"""


def up(_migrator: object, database: Any) -> None:
    database.execute_sql(SQL)
