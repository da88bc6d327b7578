"""What model calls cost, what they may cost, and what is reserved while they run. US dollars, six places."""

from typing import Any

SQL = """
CREATE TABLE model_usage (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization        uuid NOT NULL REFERENCES organizations,
    user_id             uuid,
    job                 uuid,
    provider            text NOT NULL,
    model               text NOT NULL,
    operation           text NOT NULL,
    input_tokens        bigint NOT NULL DEFAULT 0,
    output_tokens       bigint NOT NULL DEFAULT 0,
    cache_write_tokens  bigint NOT NULL DEFAULT 0,
    cache_read_tokens   bigint NOT NULL DEFAULT 0,
    cost_usd            numeric(14, 6) NOT NULL CHECK (cost_usd >= 0),
    response_time_ms    bigint NOT NULL DEFAULT 0,
    cache_hit           boolean NOT NULL DEFAULT false,
    result              text NOT NULL DEFAULT 'success',
    request_id          text NOT NULL DEFAULT '',
    reservation         uuid UNIQUE,               -- a call is booked once
    at                  timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (organization, user_id) REFERENCES users (organization, id),
    FOREIGN KEY (organization, job) REFERENCES jobs (organization, id)
);
CREATE INDEX model_usage_list ON model_usage (organization, at DESC);
CREATE INDEX model_usage_of_job ON model_usage (job, id) WHERE job IS NOT NULL;

CREATE TABLE budgets (
    id                       uuid PRIMARY KEY,
    organization             uuid REFERENCES organizations,  -- NULL: the whole installation
    user_id                  uuid,                           -- NULL: everybody in it
    period                   text NOT NULL CHECK (period IN ('daily', 'weekly', 'monthly')),
    amount_usd               numeric(14, 6) NOT NULL CHECK (amount_usd >= 0),
    alert_threshold_percent  smallint NOT NULL DEFAULT 80 CHECK (alert_threshold_percent BETWEEN 1 AND 100),
    created_at               timestamptz NOT NULL DEFAULT now(),
    updated_at               timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (organization, user_id, period),
    FOREIGN KEY (organization, user_id) REFERENCES users (organization, id)
);

-- One row for each cap that anything was spent under: its lock is what makes overspending impossible.
CREATE TABLE budget_totals (
    kind          text NOT NULL CHECK (kind IN ('budget', 'job')),
    subject       uuid NOT NULL,             -- id of the budget or job
    starts_at     timestamptz NOT NULL,      -- of the period; -infinity for a job
    organization  uuid REFERENCES organizations,
    spent_usd     numeric(14, 6) NOT NULL DEFAULT 0 CHECK (spent_usd >= 0),
    reserved_usd  numeric(14, 6) NOT NULL DEFAULT 0 CHECK (reserved_usd >= 0),
    PRIMARY KEY (kind, subject, starts_at)
);

CREATE TABLE budget_reservations (
    id            uuid PRIMARY KEY,
    organization  uuid NOT NULL REFERENCES organizations,
    user_id       uuid,
    job           uuid,
    amount_usd    numeric(14, 6) NOT NULL CHECK (amount_usd >= 0),
    cost_usd      numeric(14, 6),
    state         text NOT NULL DEFAULT 'reserved' CHECK (state IN ('reserved', 'settled', 'released', 'expired')),
    totals        jsonb NOT NULL,            -- keys of the budget_totals it counts under
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL,
    ended_at      timestamptz,
    FOREIGN KEY (organization, user_id) REFERENCES users (organization, id),
    FOREIGN KEY (organization, job) REFERENCES jobs (organization, id)
);
CREATE INDEX budget_reservations_open ON budget_reservations (expires_at) WHERE state = 'reserved';
CREATE INDEX budget_reservations_of_job ON budget_reservations (job) WHERE job IS NOT NULL;
"""


def up(_migrator: object, database: Any) -> None:
    database.execute_sql(SQL)
