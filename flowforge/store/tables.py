"""The tables by name and column, for queries that are put together by peewee; SQL text needs none of this.

`tests/integration/store/test_tables.py` compares them with the catalogue, so neither can change alone.
Columns are attributes that peewee makes from the names, which no type can say: hence `Any`.
"""

from typing import Any

from peewee import Table

ORGANIZATIONS: Any = Table("organizations", ("id", "name", "slug", "settings", "created_at"))

USERS: Any = Table(
    "users", ("id", "organization", "email", "name", "role", "settings", "is_active", "created_at")
)

TOKENS: Any = Table(
    "tokens",
    (
        *("id", "organization", "user_id", "name", "shown", "hash", "scopes"),
        *("expires_at", "last_used_at", "revoked_at", "created_at"),
    ),
)

REPOSITORIES: Any = Table(
    "repositories",
    (
        *("id", "organization", "name", "url", "host", "default_branch", "credentials", "settings"),
        *("is_active", "last_synced_at", "created_at", "updated_at", "groups"),
    ),
)

JOBS: Any = Table(
    "jobs",
    (
        *(
            "id",
            "organization",
            "repository",
            "user_id",
            "parent_job",
            "state",
            "priority",
            "branch",
            "target",
        ),
        *("task", "pipeline", "pipeline_source", "environment", "trigger", "retry_from", "attempts"),
        *("max_attempts", "fence", "owner", "lease_until", "cancel_requested", "run_after", "rung_at"),
        *("concurrency_group", "ref_key", "idempotency_key", "body_hash", "result", "reason", "sentence"),
        *("next_action", "evidence", "outputs", "last_seq", "created_at", "queued_at", "started_at"),
        "texts_erased_at",
        *("completed_at", "cancelled_at", "turn_at", "superseded_by", "concurrency_policy"),
        *("concurrency_template", "waits_since"),
    ),
)

JOB_EVENTS: Any = Table("job_events", ("organization", "job", "seq", "kind", "at", "data", "tx"))

LOG_CHUNKS: Any = Table(
    "log_chunks", ("organization", "job", "seq", "attempt", "stage", "start_byte", "bytes", "at")
)

LOG_ARCHIVES: Any = Table(
    "log_archives", ("organization", "job", "reference", "index_at", "stored", "size", "at", "removed_at")
)

OUTBOX: Any = Table(
    "outbox",
    (
        *("id", "organization", "job", "kind", "payload", "attempts", "run_after", "created_at", "done_at"),
        "error",
    ),
)

JOB_EXECUTIONS: Any = Table(
    "job_executions",
    (
        *("organization", "job", "attempt", "fence", "worker", "status", "duration_ms", "error", "logs"),
        *("started_at", "completed_at"),
    ),
)

STAGE_RUNS: Any = Table(
    "stage_runs",
    (
        *("organization", "job", "stage", "attempt", "ordinal", "fence", "input_hash", "result", "reason"),
        *("sentence", "next_action", "evidence", "outputs", "seconds", "work", "checkpoint"),
        *("started_at", "completed_at"),
    ),
)

GIT_OPERATIONS: Any = Table(
    "git_operations",
    (
        *("id", "organization", "repository", "job", "type", "url", "branch", "target", "sha", "status"),
        *("duration_ms", "at"),
    ),
)

PUSH_INTENTS: Any = Table(
    "push_intents",
    (
        *("id", "organization", "repository", "job", "fence", "attempt", "kind", "ref", "old_sha", "new_sha"),
        *("outcome", "detail", "created_at", "settled_at", "bundle"),
    ),
)

CONFLICT_RESOLUTIONS: Any = Table(
    "conflict_resolutions",
    (
        *("id", "organization", "job", "stage", "attempt", "commit_id", "path", "kind", "method", "hunks"),
        *("model", "prompt_hash", "validation", "outside_hash", "result_hash", "sealed_text", "expires_at"),
        *("success", "sentence", "at"),
    ),
)

MODEL_USAGE: Any = Table(
    "model_usage",
    (
        *("id", "organization", "user_id", "job", "provider", "model", "operation", "input_tokens"),
        *("output_tokens", "cache_write_tokens", "cache_read_tokens", "cost_usd", "response_time_ms"),
        *("cache_hit", "result", "request_id", "reservation", "at", "repository"),
    ),
)

BUDGETS: Any = Table(
    "budgets",
    (
        *("id", "organization", "user_id", "period", "amount_usd", "alert_threshold_percent"),
        *("created_at", "updated_at", "set_by"),
    ),
)

BUDGET_TOTALS: Any = Table(
    "budget_totals",
    (
        *("kind", "subject", "starts_at", "organization", "spent_usd", "reserved_usd", "alerted_at"),
        "exhausted_at",
    ),
)

USAGE_DAYS: Any = Table(
    "usage_days",
    (
        *("organization", "kind", "day", "key", "calls", "cached", "input_tokens", "output_tokens"),
        *("cache_write_tokens", "cache_read_tokens", "cost_usd"),
    ),
)

BUDGET_RESERVATIONS: Any = Table(
    "budget_reservations",
    (
        *("id", "organization", "user_id", "job", "amount_usd", "cost_usd", "state", "totals"),
        *("created_at", "expires_at", "ended_at", "sent", "provider", "model", "operation"),
    ),
)

MODEL_ANSWERS: Any = Table(
    "model_answers",
    (
        *("organization", "key", "provider", "model", "operation", "prompt_version", "sealed_text", "stop"),
        *("request_id", "input_tokens", "output_tokens", "cache_write_tokens", "cache_read_tokens"),
        *("repository", "job", "created_at", "expires_at"),
    ),
)

MODEL_BATCHES: Any = Table(
    "model_batches", ("organization", "key", "provider", "batch", "reservation", "job", "submitted_at")
)

DECISIONS: Any = Table(
    "decisions",
    (
        *(
            "id",
            "organization",
            "job",
            "number",
            "fence",
            "stage",
            "again",
            "kind",
            "sentence",
            "tree",
            "files",
        ),
        *("sealed_texts", "work", "checkpoint", "asked_at", "expires_at", "decision", "sealed_edits"),
        *("decided_by", "decided_at", "outlook", "who", "last", "expired"),
    ),
)

AUDIT_LOGS: Any = Table(
    "audit_logs",
    (
        *("id", "at", "organization", "actor", "user_id", "token", "action", "resource", "resource_id"),
        *("details", "address", "user_agent", "request_id"),
    ),
)

PAUSES: Any = Table(
    "pauses", ("id", "organization", "repository", "target", "reason", "user_id", "created_at")
)

WORKERS: Any = Table("workers", ("id", "host", "version", "slots", "draining", "started_at", "seen_at"))

SCHEDULES: Any = Table(
    "schedules",
    (
        *("id", "organization", "user_id", "repository", "name", "branch", "target", "task", "cron"),
        *("timezone", "priority", "environment", "max_attempts", "is_active", "next_at", "last_due_at"),
        *("last_job", "last_reason", "last_error", "created_at", "updated_at"),
    ),
)

KEPT_ANSWERS: Any = Table(
    "kept_answers",
    (
        *("organization", "repository", "key", "path", "digest", "sealed_text", "size", "rung", "rule"),
        *("why", "confirmed", "by_user", "by_name", "refused", "job", "commit_id", "last_job"),
        *("last_commit", "uses", "created_at", "last_used_at"),
    ),
)

CHORES: Any = Table("chores", ("name", "began_at", "ended_at", "did", "error"))

ALL: tuple[Any, ...] = (
    *(SCHEDULES, CHORES, KEPT_ANSWERS, MODEL_ANSWERS, MODEL_BATCHES),
    *(
        ORGANIZATIONS,
        USERS,
        TOKENS,
        REPOSITORIES,
        JOBS,
        JOB_EVENTS,
        LOG_CHUNKS,
        LOG_ARCHIVES,
        OUTBOX,
        JOB_EXECUTIONS,
    ),
    *(STAGE_RUNS, GIT_OPERATIONS, PUSH_INTENTS, CONFLICT_RESOLUTIONS, MODEL_USAGE, BUDGETS, BUDGET_TOTALS),
    USAGE_DAYS,
    *(BUDGET_RESERVATIONS, AUDIT_LOGS, DECISIONS, WORKERS, PAUSES),
)
