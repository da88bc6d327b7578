"""Questions that a model's provider answers later. Old code neither reads nor writes them: it asks at once."""

from typing import Any

SQL = """
CREATE TABLE model_batches (
    organization  uuid NOT NULL REFERENCES organizations,
    key           bytea NOT NULL CHECK (octet_length(key) = 32),  -- of the question, as in model_answers
    provider      text NOT NULL,
    batch         text NOT NULL,                   -- the provider's id of it
    reservation   uuid NOT NULL,                   -- of budget_reservations: while that stands, so does this
    job           uuid,                            -- that asked first
    submitted_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization, key)
);
CREATE INDEX model_batches_age ON model_batches (submitted_at);
"""


def up(_migrator: object, database: Any) -> None:
    database.execute_sql(SQL)
