"""Who sees what: row policies, grants, the functions that may do more than their caller, partitions.

Like `standing`, made anew by every upgrade. The policies follow from the catalogue, not from a list: a table
with an `organization` column is protected because it has one; one without is granted to nobody.
"""

APP, SYSTEM, OWNER = "ff_app", "ff_system", "ff_owner"

APPEND_ONLY = ("audit_logs", "git_operations", "job_events", "model_usage")

_SCOPE = "(SELECT nullif(current_setting(''ff.organization'', true), '''')::uuid)"

# A scope shows one organization to every role; without a scope ff_system sees all and ff_app nothing.
POLICIES = f"""
DO $$
DECLARE t record;
BEGIN
    FOR t IN
        SELECT c.oid::regclass AS name, c.relname,
               CASE c.relname WHEN 'organizations' THEN 'id' ELSE 'organization' END AS key
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND (c.relname = 'organizations' OR EXISTS
            (SELECT FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attname = 'organization' AND NOT a.attisdropped))
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t.name);
        EXECUTE format('DROP POLICY IF EXISTS ff_tenant ON %s', t.name);
        EXECUTE format('CREATE POLICY ff_tenant ON %s TO {APP} USING (%I = {_SCOPE})', t.name, t.key);
        EXECUTE format('DROP POLICY IF EXISTS ff_everywhere ON %s', t.name);
        EXECUTE format('CREATE POLICY ff_everywhere ON %s TO {SYSTEM} '
            'USING ({_SCOPE} IS NULL OR %I = {_SCOPE})', t.name, t.key);
        EXECUTE format('REVOKE ALL ON %s FROM {APP}, {SYSTEM}', t.name);
        EXECUTE format('GRANT SELECT, INSERT ON %s TO {APP}, {SYSTEM}', t.name);
        IF t.relname <> ALL ('{{{",".join(APPEND_ONLY)}}}'::text[]) THEN
            EXECUTE format('GRANT UPDATE, DELETE ON %s TO {APP}, {SYSTEM}', t.name);
        END IF;
    END LOOP;
END $$;
GRANT USAGE ON SCHEMA public TO {APP}, {SYSTEM};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {APP}, {SYSTEM};
GRANT SELECT ON schema_migration TO {APP}, {SYSTEM};
"""  # noqa: S608 (our own constants)

# A token must be found before its organization is known, so this one reads across; it answers only who already
# holds the token's hash. `last_used_at` is written at most once a minute: a token is used on every request.
TOKENS = f"""
CREATE OR REPLACE FUNCTION ff_use_token(wanted bytea)
RETURNS TABLE (id uuid, organization uuid, user_id uuid, role text, scopes text[], hash bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT current_setting('transaction_read_only')::boolean THEN
        UPDATE tokens t SET last_used_at = now()
        WHERE t.hash = wanted AND (t.last_used_at IS NULL OR t.last_used_at < now() - interval '1 minute');
    END IF;
    RETURN QUERY
        SELECT t.id, t.organization, t.user_id, u.role, t.scopes, t.hash
        FROM tokens t JOIN users u ON u.id = t.user_id
        WHERE t.hash = wanted AND u.is_active AND t.revoked_at IS NULL
          AND (t.expires_at IS NULL OR t.expires_at > now());
END $$;
REVOKE ALL ON FUNCTION ff_use_token(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ff_use_token(bytea) TO {APP}, {SYSTEM};
"""  # noqa: S608 (our own constants)

# The DEFAULT partitions are a net for the day on which nobody maintained: rows that fell into one move out when
# the partition they belong to is made.
PARTITIONS = f"""
CREATE OR REPLACE FUNCTION ff_make_partition(parent text, key text, low timestamptz, high timestamptz)
RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE name text := format('%s_%s', parent, to_char(low AT TIME ZONE 'UTC', 'YYYYMMDD'));
BEGIN
    IF to_regclass('public.' || quote_ident(name)) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING ALL)', name, parent);
    EXECUTE format('WITH moved AS (DELETE FROM public.%I WHERE %I >= $1 AND %I < $2 RETURNING *) '
        'INSERT INTO public.%I SELECT * FROM moved', parent || '_rest', key, key, name) USING low, high;
    EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
        parent, name, low, high);
    RETURN name;
END $$;

CREATE OR REPLACE FUNCTION ff_make_partitions(first timestamptz, last timestamptz) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    kind record;
    low timestamptz;
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ff_make_partitions'));
    FOR kind IN SELECT * FROM (VALUES ('audit_logs', 'at', 'week'), ('job_executions', 'started_at', 'month'))
        AS kinds (parent, key, unit)
    LOOP
        FOR low IN SELECT generate_series(date_trunc(kind.unit, first), last, ('1 ' || kind.unit)::interval)
        LOOP
            name := ff_make_partition(kind.parent, kind.key, low, low + ('1 ' || kind.unit)::interval);
            IF name IS NOT NULL THEN
                RETURN NEXT name;
            END IF;
        END LOOP;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION ff_drop_partitions(parent text, before timestamptz) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE p record;
BEGIN
    IF parent NOT IN ('audit_logs', 'job_executions') THEN
        RAISE EXCEPTION '% is not kept in partitions of time', parent;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('ff_make_partitions'));  -- or two would drop the same one
    FOR p IN SELECT c.relname,
                 (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''([^'']+)''\\)'))[1]::timestamptz AS high
             FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent = to_regclass('public.' || quote_ident(parent))
    LOOP
        IF p.high <= before THEN
            EXECUTE format('DROP TABLE public.%I', p.relname);
            RETURN NEXT p.relname;
        END IF;
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION ff_make_partition(text, text, timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION ff_make_partitions(timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION ff_drop_partitions(text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ff_make_partitions(timestamptz, timestamptz) TO {SYSTEM};
GRANT EXECUTE ON FUNCTION ff_drop_partitions(text, timestamptz) TO {SYSTEM};
"""  # noqa: S608 (our own constants)
