"""`flowforge simulate`: the mirror, definition and plugins of `flowforge run`, and nothing that acts."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from flowforge.cli.runner import Asked
from flowforge.cli.simulate import Question, Simulation
from flowforge.core.errors import Reason, Refused
from flowforge.core.telemetry import Silent
from flowforge.git.branches import ahead_of
from flowforge.git.command import Door
from flowforge.git.mirror import Mirror, Tips, check_ref, open_mirror
from flowforge.hooks.manager import Registry, discover, load_plugins
from flowforge.pipeline.context import Tools, Work
from flowforge.pipeline.forecast import Forecast, State, Unasked, Unrecorded, forecast
from flowforge.resolve.memory import Memory, Remembered
from flowforge.resolve.policy import Policy
from flowforge.sandbox.pool import Pool
from flowforge.settings import Settings, read_settings
from flowforge.wiring.local import committer, definition_for, local_protocols, local_url, memory_of
from flowforge.wiring.policies import policy_in
from flowforge.wiring.sandbox import Unrun

_AT_ONCE = 500  # branches that one fetch is asked for


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The branches of the remote as they were fetched; every branch is looked at against one target."""

    target: str
    tip: str  # the target's commit
    tips: dict[str, str]  # of the branches to look at, in order
    left_out: int = 0  # branches beyond the limit
    unusable: tuple[str, ...] = ()  # names that FlowForge refuses


def simulate_asked(question: Question, tell: Callable[[str], None]) -> Simulation:
    """The simulator that `flowforge simulate` is handed: settings from the environment."""
    return simulate_here(question, read_settings(), tell)


def simulate_here(
    question: Question, settings: Settings, tell: Callable[[str], None], registry: Registry | None = None
) -> Simulation:
    """Look at branches; `tell` hears which one it is at.

    Raises:
        FlowForgeError: what the repository, a named branch or the definition is refused for.
    """
    registry = registry or load_plugins(discover())
    policy = policy_in(question.policy, registry)
    url = local_url(question.repository)
    door = Door(
        protocols=frozenset({*settings.git_protocols, *local_protocols(url)}),
        remote_deadline=settings.git_timeout,
    )
    with (
        open_mirror(settings.folder / "mirrors", url, door) as mirror,
        Pool() as pool,
        tempfile.TemporaryDirectory(prefix="flowforge-simulate-") as workspace,
    ):
        target = check_ref(question.onto) if question.onto else mirror.default_branch()
        seen = _named(mirror, question, target) if question.branches else _all(mirror, question, target)
        if not seen.tips:
            return _simulation(seen, ())
        tools = _tools(question, settings, seen, mirror, pool, registry, Path(workspace), policy)
        memory = partial(memory_of, question.repository, settings, tell, frozen=True)
        return _simulation(seen, tuple(_each(seen, tools, memory, tell)))


def _simulation(seen: Seen, forecasts: tuple[Forecast, ...]) -> Simulation:
    return Simulation(
        target=seen.target,
        target_tip=seen.tip,
        forecasts=forecasts,
        left_out=seen.left_out,
        unusable=seen.unusable,
    )


def _named(mirror: Mirror, question: Question, target: str) -> Seen:
    """The branches that were named; one that is not there is the caller's mistake."""
    tips = {}
    tip = ""
    for branch in dict.fromkeys(question.branches):
        found = mirror.fetch(branch, target)
        tips[branch], tip = found.branch, found.target
    return Seen(target=target, tip=tip, tips=tips)


def _all(mirror: Mirror, question: Question, target: str) -> Seen:
    """Every branch with something to rebase, newest first, up to the limit."""
    heads = mirror.heads()
    usable = [name for name in heads if _usable(name)]
    if target not in usable:
        mirror.fetch(f"{target}-", target)  # refuses with the words for an empty or missing target
    tips: dict[str, str] = {}
    for start in range(0, len(usable), _AT_ONCE):
        tips |= mirror.fetch_all(usable[start : start + _AT_ONCE])
    ahead = ahead_of(mirror, tips[target], usable)
    return Seen(
        target=target,
        tip=tips[target],
        tips={name: tips[name] for name in ahead[: question.limit]},
        left_out=max(0, len(ahead) - question.limit),
        unusable=tuple(name for name in heads if name not in usable),
    )


def _usable(name: str) -> bool:
    try:
        check_ref(name)
    except Refused:
        return False
    return True


def _tools(
    question: Question,
    settings: Settings,
    seen: Seen,
    mirror: Mirror,
    pool: Pool,
    registry: Registry,
    workspace: Path,
    policy: Policy,
) -> Tools:
    first = next(iter(seen.tips))
    asked = Asked(repository=question.repository, pipeline=question.pipeline)
    return Tools(
        mirror=mirror,
        sandbox=Unrun(),
        pool=pool,
        registry=registry,
        recorder=Unrecorded(),
        committer=committer(settings),
        telemetry=Silent(),
        pipeline=definition_for(asked, mirror, first, seen.target, registry).pipeline,
        workspace=workspace,
        policy=policy,
        memory=Remembered(),
        models=Unasked(provider=settings.model_provider) if settings.model_provider else None,
    )


def _each(
    seen: Seen, tools: Tools, memory: Callable[[], Memory], tell: Callable[[str], None]
) -> Sequence[Forecast]:
    """Each branch knows what runs have kept, and nothing of the branches before it."""
    found = []
    for number, (branch, tip) in enumerate(seen.tips.items(), start=1):
        tell(f"{branch} ({number} of {len(seen.tips)})")
        fetched = replace(tools, fetched=Tips(branch=tip, target=seen.tip), memory=memory())
        found.append(_one(Work(branch=branch, target=seen.target), fetched))
    return found


def _one(work: Work, tools: Tools) -> Forecast:
    """A branch that cannot be rebased at all is a row of the table, not the end of it."""
    try:
        return forecast(work, tools)
    except Refused as error:
        if error.reason not in {Reason.UNRELATED_HISTORIES, Reason.OUTPUT_LIMIT, Reason.TOO_LARGE}:
            raise
        return Forecast(
            branch=work.branch,
            target=work.target,
            state=State.PERSON,
            person=(error.sentence,),
            validation="not reached",
        )
