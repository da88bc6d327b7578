"""What can go wrong, said so that the caller knows what to do next.

An exception's *class* says who acts: `Refused` (tell the caller, never retry), `Temporary` (try again after
`delay`), `Broken` (stop, tell the operator). Its *reason* is a typed word that programs may match, documented
in `flowforge/docs/reasons.md`. Anything else that is raised is a bug and keeps its traceback.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why something ended as it did. Public: stored with every job and stage, matched by programs."""

    # ended well
    DONE = "done"
    PUSHED = "pushed"
    UP_TO_DATE = "up_to_date"
    NOTHING_TO_PUSH = "nothing_to_push"
    SKIPPED = "skipped"
    CANCEL_TOO_LATE = "cancel_too_late"
    UNDONE = "undone"
    # the change, not FlowForge, is why
    UNRESOLVED_CONFLICTS = "unresolved_conflicts"
    VALIDATION_FAILED = "validation_failed"
    HOSTILE_CONTENT = "hostile_content"
    TESTS_FAILED = "tests_failed"
    BASE_ALREADY_RED = "base_already_red"
    COMMAND_FAILED = "command_failed"
    TOOL_MISSING = "tool_missing"
    NOT_TESTED = "not_tested"
    NOT_VALIDATED = "not_validated"
    VETOED = "vetoed"
    # the remote, not FlowForge, is why
    REMOTE_MOVED = "remote_moved"
    PUSH_REJECTED = "push_rejected"
    REPOSITORY_UNREACHABLE = "repository_unreachable"
    REPOSITORY_MISSING = "repository_missing"
    REPOSITORY_EMPTY = "repository_empty"
    REPOSITORY_SHALLOW = "repository_shallow"
    TOO_FEW_MERGES = "too_few_merges"
    REPOSITORY_DAMAGED = "repository_damaged"
    AUTHENTICATION_FAILED = "authentication_failed"
    BRANCH_MISSING = "branch_missing"
    TARGET_MISSING = "target_missing"
    BRANCH_IS_TARGET = "branch_is_target"
    UNRELATED_HISTORIES = "unrelated_histories"
    # the request is why
    INVALID_REF = "invalid_ref"
    INVALID_URL = "invalid_url"
    INVALID_REQUEST = "invalid_request"
    INVALID_SCHEDULE = "invalid_schedule"
    NEVER_DUE = "never_due"
    UNKNOWN_TIMEZONE = "unknown_timezone"
    MALFORMED = "malformed"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    MEDIA_TYPE = "media_type"
    PIPELINE_INVALID = "pipeline_invalid"
    PIPELINE_MISSING = "pipeline_missing"
    POLICY_INVALID = "policy_invalid"
    NOT_FOUND = "not_found"
    NOT_ALLOWED = "not_allowed"
    NOT_SIGNED_IN = "not_signed_in"
    CONFLICT_OF_STATE = "conflict_of_state"
    GROUP_BUSY = "group_busy"
    TOO_LARGE = "too_large"
    BUSY = "busy"
    # limits
    TIMEOUT = "timeout"
    OUTPUT_LIMIT = "output_limit"
    MEMORY_LIMIT = "memory_limit"
    BUDGET_EXHAUSTED = "budget_exhausted"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    # FlowForge or its machine is why
    NO_SPACE = "no_space"
    MIRROR_DAMAGED = "mirror_damaged"
    BACKUP_MISSING = "backup_missing"
    SANDBOX_UNAVAILABLE = "sandbox_unavailable"
    PLUGIN_FAILED = "plugin_failed"
    MODEL_UNAVAILABLE = "model_unavailable"
    MODEL_LIMIT = "model_limit"
    BATCH_PENDING = "batch_pending"
    SERVICE_UNAVAILABLE = "service_unavailable"
    CONFIGURATION = "configuration"
    LEASE_LOST = "lease_lost"
    LEASE_EXPIRED = "lease_expired"
    DRAINED = "drained"
    INFRASTRUCTURE = "infrastructure"
    INTERNAL_ERROR = "internal_error"
    # somebody decided
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    DECISION_NEEDED = "decision_needed"
    DECISION_EXPIRED = "decision_expired"
    REJECTED = "rejected"


class FlowForgeError(Exception):
    """An error with a typed reason, one plain sentence and the next thing to do.

    The sentence names what was tried, with which value, and what was found; it is shown to people as it is,
    so a secret must be cut before it is built.
    """

    def __init__(self, reason: Reason, sentence: str, *, next_action: str = "", evidence: str = "") -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence
        self.next_action = next_action
        self.evidence = evidence

    def __reduce__(self) -> tuple[object, ...]:
        """Cross a process border whole (pool children raise these too)."""
        return _rebuild, (type(self), self.__dict__)


class Refused(FlowForgeError):
    """Tell the caller; trying again changes nothing."""


class Temporary(FlowForgeError):
    """Try again after `delay` seconds; nothing was changed."""

    def __init__(
        self,
        reason: Reason,
        sentence: str,
        *,
        delay: float = 5.0,
        next_action: str = "",
        evidence: str = "",
    ) -> None:
        super().__init__(reason, sentence, next_action=next_action, evidence=evidence)
        self.delay = delay


class Broken(FlowForgeError):
    """Stop and tell the operator: FlowForge, its machine or its settings are not as they must be."""


def _rebuild(kind: type[FlowForgeError], state: dict[str, object]) -> FlowForgeError:
    error = kind.__new__(kind)
    error.args = (state["sentence"],)
    error.__dict__.update(state)
    return error
