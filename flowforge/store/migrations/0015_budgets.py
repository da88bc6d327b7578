"""What the model cost, by day; which repository a call was for; when a budget was told of. Old code fills what it knows.

`usage_days` is written by a trigger beside each call, so that a list over a million calls reads thousands of rows.
"""

from typing import Any

SQL = """
ALTER TABLE model_usage ADD COLUMN repository uuid;
UPDATE model_usage u SET repository = j.repository FROM jobs j WHERE j.id = u.job;
ALTER TABLE model_usage ADD FOREIGN KEY (organization, repository) REFERENCES repositories (organization, id);
CREATE INDEX model_usage_of_answer ON model_usage (organization, request_id) WHERE request_id <> '' AND NOT cache_hit;

CREATE TABLE usage_days (
    organization        uuid NOT NULL REFERENCES organizations,
    kind                text NOT NULL CHECK (kind IN ('repository', 'model', 'operation', 'user')),
    day                 date NOT NULL,             -- UTC
    key                 text NOT NULL,             -- id of a repository or user, provider/model, word; '' = none
    calls               bigint NOT NULL,
    cached              bigint NOT NULL,           -- of these, answered from our own store
    input_tokens        bigint NOT NULL,
    output_tokens       bigint NOT NULL,
    cache_write_tokens  bigint NOT NULL,
    cache_read_tokens   bigint NOT NULL,
    cost_usd            numeric(16, 6) NOT NULL,
    PRIMARY KEY (organization, kind, day, key)
) WITH (fillfactor = 70);

-- A call counts once under each kind; the kinds have one order, so that two calls cannot wait for each other.
CREATE FUNCTION ff_kinds_of_usage(model_usage) RETURNS TABLE (kind text, key text)
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, public, pg_temp AS $$
    VALUES ('repository', coalesce($1.repository::text, '')), ('model', $1.provider || '/' || $1.model),
           ('operation', $1.operation), ('user', coalesce($1.user_id::text, ''))
$$;
INSERT INTO usage_days
SELECT u.organization, k.kind, (u.at AT TIME ZONE 'UTC')::date, k.key, count(*), count(*) FILTER (WHERE u.cache_hit),
       sum(u.input_tokens), sum(u.output_tokens), sum(u.cache_write_tokens), sum(u.cache_read_tokens), sum(u.cost_usd)
FROM model_usage u CROSS JOIN LATERAL ff_kinds_of_usage(u) AS k GROUP BY 1, 2, 3, 4;

CREATE FUNCTION ff_count_usage() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO usage_days AS d
    SELECT NEW.organization, k.kind, (NEW.at AT TIME ZONE 'UTC')::date, k.key, 1, NEW.cache_hit::int, NEW.input_tokens,
           NEW.output_tokens, NEW.cache_write_tokens, NEW.cache_read_tokens, NEW.cost_usd
    FROM ff_kinds_of_usage(NEW) AS k
    ON CONFLICT (organization, kind, day, key) DO UPDATE
    SET calls = d.calls + 1, cached = d.cached + excluded.cached,
        input_tokens = d.input_tokens + excluded.input_tokens,
        output_tokens = d.output_tokens + excluded.output_tokens,
        cache_write_tokens = d.cache_write_tokens + excluded.cache_write_tokens,
        cache_read_tokens = d.cache_read_tokens + excluded.cache_read_tokens,
        cost_usd = d.cost_usd + excluded.cost_usd;
    RETURN NULL;
END $$;
CREATE TRIGGER ff_count_usage AFTER INSERT ON model_usage FOR EACH ROW EXECUTE FUNCTION ff_count_usage();

ALTER TABLE budgets ADD COLUMN set_by text NOT NULL DEFAULT 'person' CHECK (set_by IN ('person', 'setting'));
UPDATE budgets SET set_by = 'setting' WHERE organization IS NULL AND user_id IS NULL AND period = 'monthly';
ALTER TABLE budget_totals ADD COLUMN alerted_at timestamptz, ADD COLUMN exhausted_at timestamptz;
-- To Postgres NaN is greater than every number, so that "at least 0" lets it in.
ALTER TABLE budgets ADD CHECK (amount_usd <> 'NaN');
ALTER TABLE budget_totals ADD CHECK (spent_usd <> 'NaN' AND reserved_usd <> 'NaN');
ALTER TABLE budget_reservations ADD CHECK (amount_usd <> 'NaN' AND cost_usd >= 0 AND cost_usd <> 'NaN');
ALTER TABLE model_usage ADD CHECK (cost_usd <> 'NaN');
ALTER TABLE outbox ALTER COLUMN organization DROP NOT NULL;  -- a letter may be about the installation
"""


def up(_migrator: object, database: Any) -> None:
    database.execute_sql(SQL)
