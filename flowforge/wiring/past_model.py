"""The model as a rung over merges of the past: one cap for all that it may cost, and each merge as one commit.

A merge is asked about as a rebase would ask: what its branch did since the merge base is one commit, onto the other
parent. Once an answer cannot be paid or had, nothing more is asked, and the merge of that moment is not counted.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

from flowforge.core.conflict import Abstain, Candidate, Conflict
from flowforge.core.errors import FlowForgeError, Reason, Refused
from flowforge.core.pipeline import Limits
from flowforge.git.command import Git
from flowforge.git.history import PastMerge, merge_base
from flowforge.hooks.manager import Registry
from flowforge.llm.context import Context
from flowforge.llm.ports import Asker
from flowforge.pipeline.looking import FileLook
from flowforge.pipeline.options import ModelOptions
from flowforge.pipeline.rungs import MODEL
from flowforge.report.facts import ModelCost
from flowforge.resolve.ladder import Rung
from flowforge.sandbox.pool import Pool
from flowforge.settings import Settings, read_settings
from flowforge.wiring.local import HERE, model_ports, word
from flowforge.wiring.models import JobModels, Services
from flowforge.wiring.past import Player

T = TypeVar("T")
_ENOUGH = 1_000_000  # calls; the money is the cap
_NO_LIMITS = ()  # the money is what limits a person's own replay; a provider's own limits are waited out
_KEPT = 100_000  # answers, so that a second policy is judged without paying twice
_NOBODY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "FlowForge"), ("EMAIL", "flowforge@localhost"), ("DATE", "@0 +0000"))
}
_ASIDE = frozenset({Reason.TOO_LARGE})  # of one question, and no reason to ask no other


@dataclass(kw_only=True)
class PastModel:
    """Makes the rung for each merge. `unasked` are merges that cannot be counted."""

    models: JobModels
    pool: Pool
    registry: Registry
    unasked: set[str] = field(default_factory=set)
    stopped: FlowForgeError | None = None
    answered: bool = False  # any question at all

    def rung(self, git: Git, merge: PastMerge, conflicts: Sequence[Conflict]) -> Rung:
        asking = _Asking(model=self, git=git, merge=merge, paths=tuple(one.path for one in conflicts))
        return Rung(name=MODEL, resolver=self.models.provider, ask=asking)

    def cost(self) -> ModelCost | None:
        return self.models.cost()

    def stop(self, merge: PastMerge, error: FlowForgeError) -> None:
        self.unasked.add(merge.oid)
        self.stopped = self.stopped or error


@dataclass(kw_only=True)
class _Asking:
    """About the conflicts of one merge, the first of which makes what they share."""

    model: PastModel
    git: Git
    merge: PastMerge
    paths: Sequence[str]

    def __call__(self, conflict: Conflict) -> Candidate | Abstain:
        if self.model.stopped is not None:
            self.model.stop(self.merge, self.model.stopped)
            return _unasked(self.model.stopped)
        try:
            said = self._rung(conflict, self._context.facts(conflict))
        except FlowForgeError as error:
            if error.reason not in _ASIDE:
                self.model.stop(self.merge, error)
            return _unasked(error)
        self.model.answered = True
        return said

    def __post_init__(self) -> None:
        look = FileLook(registry=self.model.registry, call=self.model.pool.call)
        self._rung = self.model.models.rung(ModelOptions(), look)
        start = merge_base(self.git, self.merge)
        self._context = Context(
            git=self.git,
            commit=_as_one_commit(self.git, self.merge, start),
            upstream=self.merge.upstream,
            merge_base=start,
            languages=tuple(self.model.registry.languages.values()),
            paths=self.paths,
            call=self.model.pool.call,
        )


def _as_one_commit(git: Git, merge: PastMerge, start: str) -> str:
    """All that a branch did since `start` under the message of its last commit, in our own folder."""
    message = git.run("show", "--no-patch", "--format=%B", merge.commit)
    parent = ("-p", start) if start else ()
    made = git.run("commit-tree", f"{merge.commit}^{{tree}}", *parent, stdin=message, env=_NOBODY)
    return made.decode().strip()


def _unasked(error: FlowForgeError) -> Abstain:
    return Abstain(why=error.reason.value, sentence=f"the model was not asked: {error.sentence}")


@contextmanager
def past_model(registry: Registry, settings: Settings, spend: Decimal, pool: Pool) -> Iterator[PastModel]:
    """The model that the settings name, for at most `spend` US dollars.

    Raises:
        Refused: configuration, where they name none.
        Broken: configuration, where there is none of that name.
    """
    limits = Limits(model_usd=spend, model_calls=_ENOUGH)
    services = Services(registry, settings, model_ports(_NO_LIMITS, _KEPT))
    with services.job(Asker(organization=HERE), limits, word) as models:
        if models is None:
            raise Refused(
                Reason.CONFIGURATION,
                "no model is configured, so none can be asked",
                next_action="set FLOWFORGE_MODEL_PROVIDER and its key (flowforge help model), or leave out --model",
            )
        yield PastModel(models=models, pool=pool, registry=registry)


@contextmanager
def asked(playing: Player[T], spend: Decimal | None) -> Iterator[PastModel | None]:
    """Let a player ask the settings' model too, for at most `spend` US dollars; None: it asks none."""
    if spend is None:
        yield None
        return
    with past_model(playing.registry, read_settings(), spend, playing.pool) as model:
        playing.model = model.rung
        yield model


def why_stopped(model: PastModel | None) -> str:
    """In a sentence, why no more was asked; "" where all was.

    Raises:
        FlowForgeError: the first question could not be asked, so there is nothing to count.
    """
    if model is None or model.stopped is None:
        return ""
    if not model.answered:
        raise model.stopped
    return model.stopped.sentence
