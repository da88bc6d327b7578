"""Every git command that reached over the network for a job, as it went."""

from uuid import UUID

from flowforge.store.transaction import Transaction


def add_operation(
    transaction: Transaction,
    *,
    organization: UUID,
    repository: UUID,
    job: UUID,
    type_: str,
    url: str,
    branch: str,
    sha: str,
    status: str,
    duration_ms: int,
) -> None:
    """Append one; `url` must come without userinfo."""
    transaction.insert(
        "git_operations",
        {
            "organization": organization,
            "repository": repository,
            "job": job,
            "type": type_,
            "url": url,
            "branch": branch,
            "sha": sha,
            "status": status,
            "duration_ms": duration_ms,
        },
    )
