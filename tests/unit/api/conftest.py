from datetime import UTC, datetime
from uuid import UUID

import pytest

from flowforge.core.job import Job, State

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def queued() -> Job:
    """A job that waits for a worker."""
    return Job(
        id=UUID(int=7),
        organization=UUID(int=1),
        repository=UUID(int=2),
        user=None,
        parent_job=None,
        state=State.QUEUED,
        priority=5,
        branch="feature",
        target="main",
        task="rebase",
        pipeline="",
        pipeline_source="",
        environment={"TOKEN": "hunter2"},
        trigger="api",
        retry_from="",
        attempts=0,
        max_attempts=3,
        fence=0,
        owner="",
        lease_until=None,
        cancel_requested=False,
        run_after=None,
        created_at=NOON,
        queued_at=NOON,
        started_at=None,
        completed_at=None,
        cancelled_at=None,
        ending=None,
        outputs={},
    )
