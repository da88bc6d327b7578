"""The hooks. A plugin implements any of them with `@flowforge.plugin.hookimpl`.

Registering hooks return descriptors (see `contracts`) and are called once, at start. Notifications tell what
happened and can change nothing: what they raise is logged with the plugin's name and dropped.
"""

from collections.abc import Sequence

import pluggy

from flowforge.hooks.contracts import GitHost, Keys, Language, Model, PushPlan, Resolver, Stage, Validator

PROJECT = "flowforge"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_languages() -> Sequence[Language]:  # type: ignore[empty-body]
    """Return languages. A later plugin's language with an id already known is refused and named."""


@hookspec
def register_validators() -> Sequence[Validator]:  # type: ignore[empty-body]
    """Return validators."""


@hookspec
def register_git_hosts() -> Sequence[GitHost]:  # type: ignore[empty-body]
    """Return git hosts."""


@hookspec
def register_model_providers() -> Sequence[Model]:  # type: ignore[empty-body]
    """Return model providers."""


@hookspec
def register_resolvers() -> Sequence[Resolver]:  # type: ignore[empty-body]
    """Return resolvers."""


@hookspec
def register_stages() -> Sequence[Stage]:  # type: ignore[empty-body]
    """Return stages that pipelines may use."""


@hookspec
def register_key_providers() -> Sequence[Keys]:  # type: ignore[empty-body]
    """Return key providers."""


@hookspec(firstresult=True)
def before_push(plan: PushPlan) -> str | None:
    """Return a sentence to veto this push, or None to let it pass. The first veto wins.

    A hook that raises is a veto too: a gate that cannot answer stays shut.
    """


@hookspec
def job_changed(job_id: str, state: str, reason: str) -> None:
    """Called after a job moved to another state."""


@hookspec
def stage_finished(job_id: str, stage: str, result: str, seconds: float) -> None:
    """Called after a stage ended."""


@hookspec
def conflict_resolved(path: str, rung: str, rule: str) -> None:
    """Called after a hunk got its answer."""


@hookspec
def model_called(provider: str, model: str, cost_usd: str, result: str) -> None:
    """Called after a model call was settled."""


@hookspec
def budget_alert(
    alert_id: str,
    alert: str,
    whose: str,
    organization: str,
    user: str,
    period: str,
    amount_usd: str,
    spent_usd: str,
    ends_at: str,
    sentence: str,
    recipients: Sequence[str],
) -> None:
    """Called by the relay after a budget's threshold was reached (`alert` is "threshold") or a call did not fit under
    it (`exhausted`), once a budget, period and kind: for mail, chat and the like.

    `whose`: user, organization or installation; `organization` and `user` are ids, "" where it is nobody's;
    `recipients` are addresses of whom it concerns: the user and the organization's admins, or the operators. One that
    raises is called again later, with all others: the same `alert_id` may come twice.
    """
