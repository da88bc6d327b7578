"""Functions and triggers that stand over the tables; made anew by every upgrade, so they always fit the code.

`ff_guard_job` is the table of moves inside the database: it is generated from `core.job.TABLE`, lets no state
change any other way, keeps the counters honest (a claim raises fence and attempts by one, nothing lowers a
fence) and sets the timestamps. `ff_record_move` writes the event and the audit row of every move *in the same
statement*, so no writer can forget them. `ff_check_fence` refuses rows of a job's past owner in the tables that
carry a fence. None of them notifies: a NOTIFY takes one lock of the whole server until its transaction is on disk,
so that all moves of all jobs would be committed one after the other. The relay is woken over Redis, by who moved a job.
"""

from collections.abc import Mapping

from flowforge.core.job import FINAL, TABLE, Event, State
from flowforge.store.errors import ILLEGAL_MOVE, STALE_FENCE

FENCED = ("job_executions", "push_intents", "stage_runs")


def text_list(states: frozenset[State]) -> str:
    return ", ".join(f"'{state}'" for state in sorted(states))


def moves(table: Mapping[tuple[State, Event], State] = TABLE) -> str:
    """The table as rows of a VALUES list: state before, state after, the event's name."""
    rows = [f"('{before}', '{after}', '{event}')" for (before, event), after in table.items()]
    return ",\n        ".join(sorted(rows))


def machine(table: Mapping[tuple[State, Event], State] = TABLE) -> str:
    """The functions and triggers of a job's life, as one SQL script."""
    return "".join((_move(table), _GUARD, _RECORD, _FENCE, _TRIGGERS, *map(_fenced, FENCED)))


def _move(table: Mapping[tuple[State, Event], State]) -> str:
    return f"""
CREATE OR REPLACE FUNCTION ff_move(before text, after text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT event FROM (VALUES
        {moves(table)}
    ) AS moves (before, after, event) WHERE moves.before = $1 AND moves.after = $2
$$;
"""  # noqa: S608 (our own constants)


def _fenced(table: str) -> str:
    return (
        f"CREATE OR REPLACE TRIGGER ff_fence BEFORE INSERT OR UPDATE ON {table}\n"
        "    FOR EACH ROW EXECUTE FUNCTION ff_check_fence();\n"
    )


_GUARD = f"""
CREATE OR REPLACE FUNCTION ff_guard_job() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE event text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'pending' OR NEW.fence <> 0 OR NEW.attempts <> 0 THEN
            RAISE EXCEPTION 'a job begins as pending, not as %', NEW.state USING ERRCODE = '{ILLEGAL_MOVE}';
        END IF;
        NEW.last_seq := 1;
        RETURN NEW;
    END IF;
    IF NEW.fence < OLD.fence THEN
        RAISE EXCEPTION 'fence % of job % is older than %', NEW.fence, NEW.id, OLD.fence
            USING ERRCODE = '{STALE_FENCE}';
    END IF;
    IF NEW.last_seq < OLD.last_seq OR (NEW.id, NEW.organization) IS DISTINCT FROM (OLD.id, OLD.organization)
    THEN
        RAISE EXCEPTION 'job %: its id, organization and numbers of events stay', OLD.id
            USING ERRCODE = '{ILLEGAL_MOVE}';
    END IF;
    IF NEW.state = OLD.state THEN
        IF (NEW.attempts, NEW.fence) IS DISTINCT FROM (OLD.attempts, OLD.fence) THEN
            RAISE EXCEPTION 'job %: attempts and fence change with a move only', OLD.id
                USING ERRCODE = '{ILLEGAL_MOVE}';
        END IF;
        RETURN NEW;
    END IF;
    event := ff_move(OLD.state, NEW.state);
    IF event IS NULL THEN
        RAISE EXCEPTION 'a job that is % cannot become %', OLD.state, NEW.state
            USING ERRCODE = '{ILLEGAL_MOVE}';
    END IF;
    IF event = 'claim' AND (NEW.fence <> OLD.fence + 1 OR NEW.attempts <> OLD.attempts + 1
                            OR NEW.owner = '' OR NEW.lease_until IS NULL)
       OR event IN ('hand_back', 'ask')
          AND (NEW.fence <> OLD.fence OR NEW.attempts NOT IN (OLD.attempts, OLD.attempts - 1))
       OR event <> ALL (ARRAY['claim', 'hand_back', 'ask'])
          AND (NEW.fence, NEW.attempts) IS DISTINCT FROM (OLD.fence, OLD.attempts) THEN
        RAISE EXCEPTION 'job %: % with attempts % and fence %, before % and %', OLD.id, event,
            NEW.attempts, NEW.fence, OLD.attempts, OLD.fence USING ERRCODE = '{ILLEGAL_MOVE}';
    END IF;
    NEW.last_seq := NEW.last_seq + 1;
    NEW.rung_at := NULL;
    IF NEW.state = 'running' THEN
        NEW.started_at := coalesce(OLD.started_at, now());
    ELSE
        NEW.lease_until := NULL;
    END IF;
    IF NEW.state = 'queued' THEN
        NEW.queued_at := now();
        NEW.owner := '';
    ELSIF NEW.state IN ({text_list(FINAL)}) THEN
        IF NEW.result IS NULL OR NEW.reason IS NULL THEN
            RAISE EXCEPTION 'job %: an end needs a result and a reason', OLD.id
                USING ERRCODE = '{ILLEGAL_MOVE}';
        END IF;
        NEW.completed_at := now();
        IF NEW.state = 'cancelled' THEN
            NEW.cancelled_at := now();
        END IF;
    END IF;
    RETURN NEW;
END $$;
"""

_RECORD = """
CREATE OR REPLACE FUNCTION ff_record_move() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    event text := 'submit';
    said jsonb := jsonb_build_object('to', NEW.state);
BEGIN
    IF TG_OP = 'UPDATE' THEN
        event := ff_move(OLD.state, NEW.state);
        said := jsonb_strip_nulls(jsonb_build_object('from', OLD.state, 'to', NEW.state, 'event', event,
            'attempt', NEW.attempts, 'result', NEW.result, 'reason', NEW.reason,
            'sentence', nullif(NEW.sentence, ''), 'worker', nullif(NEW.owner, '')));
    END IF;
    INSERT INTO job_events (organization, job, seq, kind, data)
    VALUES (NEW.organization, NEW.id, NEW.last_seq, 'job.' || event, said);
    INSERT INTO audit_logs (organization, actor, user_id, token, action, resource, resource_id, details,
                            address, user_agent, request_id)
    VALUES (NEW.organization, coalesce(nullif(current_setting('ff.actor', true), ''), 'system'),
            nullif(current_setting('ff.user_id', true), '')::uuid,
            coalesce(current_setting('ff.token', true), ''), 'job.' || event, 'job', NEW.id::text, said,
            coalesce(current_setting('ff.address', true), ''),
            coalesce(current_setting('ff.user_agent', true), ''),
            coalesce(current_setting('ff.request_id', true), ''));
    RETURN NULL;
END $$;
"""

_FENCE = f"""
CREATE OR REPLACE FUNCTION ff_check_fence() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE current bigint;
BEGIN
    -- No claim between check and commit; and no shared lock, which two writers of one job could not both raise.
    SELECT fence INTO current FROM jobs WHERE id = NEW.job FOR NO KEY UPDATE;
    IF NEW.fence IS DISTINCT FROM current THEN
        RAISE EXCEPTION 'fence % of job % is not its current one, %', NEW.fence, NEW.job, current
            USING ERRCODE = '{STALE_FENCE}';
    END IF;
    RETURN NEW;
END $$;
"""  # noqa: S608 (our own constants)

_TRIGGERS = """
CREATE OR REPLACE TRIGGER ff_guard BEFORE INSERT OR UPDATE ON jobs
    FOR EACH ROW EXECUTE FUNCTION ff_guard_job();
CREATE OR REPLACE TRIGGER ff_record_insert AFTER INSERT ON jobs
    FOR EACH ROW EXECUTE FUNCTION ff_record_move();
CREATE OR REPLACE TRIGGER ff_record_update AFTER UPDATE ON jobs
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION ff_record_move();
"""
