"""Who did what: written by triggers and by the doors, changed by nobody."""

from typing import Any

SQL = """
CREATE SEQUENCE audit_logs_id AS bigint;
CREATE TABLE audit_logs (
    id            bigint NOT NULL DEFAULT nextval('audit_logs_id'),
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    organization  uuid,                      -- NULL: the installation itself
    actor         text NOT NULL,             -- user | token | worker | relay | system
    user_id       uuid,
    token         text NOT NULL DEFAULT '',  -- its id
    action        text NOT NULL,             -- job.claim, repository.add, ...
    resource      text NOT NULL,
    resource_id   text NOT NULL DEFAULT '',
    details       jsonb NOT NULL DEFAULT '{}',
    address       text NOT NULL DEFAULT '',
    user_agent    text NOT NULL DEFAULT '',
    request_id    text NOT NULL DEFAULT '',
    PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
ALTER SEQUENCE audit_logs_id OWNED BY audit_logs.id;
CREATE INDEX audit_logs_list ON audit_logs (organization, at DESC, id DESC);
CREATE INDEX audit_logs_of_resource ON audit_logs (resource, resource_id, at DESC);
CREATE TABLE audit_logs_rest PARTITION OF audit_logs DEFAULT;
"""


def up(_migrator: object, database: Any) -> None:
    database.execute_sql(SQL)
