"""Answers to hunks that jobs have used: what the memory of a repository is made of.

Texts are the repository's own, so they are sealed, each for its place. Old code neither reads nor writes the table.
"""

from typing import Any

SQL = """
CREATE TABLE kept_answers (
    organization  uuid NOT NULL,
    repository    uuid NOT NULL,
    key           bytea NOT NULL CHECK (octet_length(key) = 32),     -- of path, three sides, context and form
    path          text NOT NULL,
    digest        bytea NOT NULL CHECK (octet_length(digest) = 32),  -- of the text
    sealed_text   bytea NOT NULL CHECK (octet_length(sealed_text) <= 270336),
    size          integer NOT NULL CHECK (size BETWEEN 0 AND 262144),
    rung          text NOT NULL,                   -- that first gave it; person: somebody wrote it
    rule          text NOT NULL DEFAULT '',
    why           text NOT NULL DEFAULT '',
    confirmed     text NOT NULL DEFAULT '' CHECK (confirmed IN ('', 'tests', 'person')),  -- '' = a proposal
    by_user       uuid,                            -- who wrote it, or approved it
    by_name       text,                            -- as they were called then; NULL = nobody did
    refused       text NOT NULL DEFAULT '' CHECK (refused IN ('', 'rejected', 'undone')), -- it is not offered
    job           uuid,                            -- in which it was given
    commit_id     text NOT NULL DEFAULT '',
    last_job      uuid,                            -- in which it was used last
    last_commit   text NOT NULL DEFAULT '',
    uses          integer NOT NULL DEFAULT 1 CHECK (uses > 0),
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_used_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization, repository, key),
    FOREIGN KEY (organization, repository) REFERENCES repositories (organization, id)
);
CREATE INDEX kept_answers_list ON kept_answers (organization, repository, created_at DESC, key DESC);
CREATE INDEX kept_answers_age ON kept_answers (last_used_at);
"""


def up(_migrator: object, database: Any) -> None:
    database.execute_sql(SQL)
