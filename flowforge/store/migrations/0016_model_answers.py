"""Answers of models, kept until they are used again; and whether the call of a reservation was ever sent.

Texts are an organization's own, so they are sealed, each for its place. Old code neither reads nor writes the table. It
does not say of its reservations whether their calls were sent, so those are NULL, and count as sent when they expire.
"""

from typing import Any

SQL = """
CREATE TABLE model_answers (
    organization        uuid NOT NULL REFERENCES organizations,
    key                 bytea NOT NULL CHECK (octet_length(key) = 32),  -- of provider, model, prompts and question
    provider            text NOT NULL,
    model               text NOT NULL,
    operation           text NOT NULL,
    prompt_version      text NOT NULL DEFAULT '',
    sealed_text         bytea NOT NULL CHECK (octet_length(sealed_text) <= 1114112),
    stop                text NOT NULL,
    request_id          text NOT NULL DEFAULT '',
    input_tokens        bigint NOT NULL DEFAULT 0,
    output_tokens       bigint NOT NULL DEFAULT 0,
    cache_write_tokens  bigint NOT NULL DEFAULT 0,
    cache_read_tokens   bigint NOT NULL DEFAULT 0,
    repository          uuid,                      -- for whose job it was asked first
    job                 uuid,
    created_at          timestamptz NOT NULL DEFAULT now(),
    expires_at          timestamptz,               -- NULL: never
    PRIMARY KEY (organization, key)
);
CREATE INDEX model_answers_age ON model_answers (expires_at) WHERE expires_at IS NOT NULL;

ALTER TABLE budget_reservations
    ADD COLUMN sent       boolean,                 -- NULL: made by code that does not say
    ADD COLUMN provider   text NOT NULL DEFAULT '',
    ADD COLUMN model      text NOT NULL DEFAULT '',
    ADD COLUMN operation  text NOT NULL DEFAULT '';
"""


def up(_migrator: object, database: Any) -> None:
    database.execute_sql(SQL)
