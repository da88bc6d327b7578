"""Organizations and what they own: people, tokens, repositories."""

from typing import Any

SQL = """
CREATE TABLE organizations (
    id          uuid PRIMARY KEY,
    name        text NOT NULL CHECK (name <> ''),
    slug        text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    settings    jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    id            uuid PRIMARY KEY,
    organization  uuid NOT NULL REFERENCES organizations,
    email         text NOT NULL CHECK (email <> ''),
    name          text NOT NULL DEFAULT '',
    role          text NOT NULL CHECK (role IN ('viewer', 'user', 'maintainer', 'admin', 'operator')),
    settings      jsonb NOT NULL DEFAULT '{}',
    is_active     boolean NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization, id)  -- so that a reference cannot leave the organization
);
CREATE UNIQUE INDEX users_email ON users (organization, lower(email));

CREATE TABLE tokens (
    id            uuid PRIMARY KEY,
    organization  uuid NOT NULL REFERENCES organizations,
    user_id       uuid NOT NULL,
    name          text NOT NULL DEFAULT '',
    shown         text NOT NULL,            -- its first characters, to tell tokens apart in a list
    hash          bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    scopes        text[] NOT NULL,
    expires_at    timestamptz,
    last_used_at  timestamptz,
    revoked_at    timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (organization, user_id) REFERENCES users (organization, id)
);
CREATE INDEX tokens_list ON tokens (organization, user_id, created_at);

CREATE TABLE repositories (
    id              uuid PRIMARY KEY,
    organization    uuid NOT NULL REFERENCES organizations,
    name            text NOT NULL CHECK (name <> ''),
    url             text NOT NULL CHECK (url <> ''),
    host            text NOT NULL DEFAULT '',  -- id of the git host's plugin
    default_branch  text NOT NULL DEFAULT '',
    credentials     bytea,                     -- sealed by the vault; never in a list
    settings        jsonb NOT NULL DEFAULT '{}',
    is_active       boolean NOT NULL DEFAULT true,
    last_synced_at  timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization, id),
    UNIQUE (organization, name)
);
"""


def up(_migrator: object, database: Any) -> None:
    database.execute_sql(SQL)
