"""From the words of a pipeline (`rungs: [mechanical, structural, model]`) to functions the ladder can call.

Resolvers are plugins' code: each runs in a child process under its deadline. What the model is told around a
conflict is read from the mirror only when the ladder gets as far as the model.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from flowforge.core.conflict import Abstain, Candidate, Conflict
from flowforge.core.errors import Reason, Refused
from flowforge.git.replay import Stopped
from flowforge.hooks.contracts import ResolveContext, Resolver
from flowforge.llm.context import Context
from flowforge.pipeline.apart import call_apart
from flowforge.pipeline.context import ModelRung, Tools, Work
from flowforge.pipeline.looking import FileLook
from flowforge.pipeline.options import ModelOptions
from flowforge.pipeline.remembering import Recollection
from flowforge.resolve.ladder import Rung
from flowforge.resolve.memory import RUNG as MEMORY
from flowforge.resolve.prompt import Facts
from flowforge.resolve.rungs import ASK, plan_rungs

MODEL = "model"
_DEADLINE = 5.0  # seconds a resolver may take for one file
_MARGIN = 1.0  # on top of it, for starting its process


@dataclass(frozen=True, kw_only=True)
class Climber:
    """Makes the rungs for the conflicts of one commit."""

    work: Work
    tools: Tools
    stopped: Stopped
    model: ModelOptions
    recollection: Recollection

    def rungs(self, words: Sequence[str]) -> tuple[Rung, ...]:
        own = {MODEL: self._model(), MEMORY: self._memory()}
        return plan_rungs(self.tools.registry, words, self._in_child, own=own, deadline=_DEADLINE)

    def _memory(self) -> Rung:
        policy = self.tools.policy
        return Rung(
            name=MEMORY,
            resolver=MEMORY,
            ask=lambda conflict: self.recollection.recall(conflict, policy),
            whole=True,
        )

    def _in_child(
        self, resolver: Resolver, conflict: Conflict, context: ResolveContext
    ) -> Candidate | Abstain:
        answer: Candidate | Abstain = self.tools.pool.call(  # type: ignore[assignment]  # the ladder checks its shape
            ASK,
            resolver.load,
            conflict,
            context,
            deadline=_DEADLINE + _MARGIN,
            cancelled=self.tools.cancelled,
        )
        return answer

    def _model(self) -> Rung:
        models = self.tools.models
        if models is None:
            none = Abstain(why="no_model", sentence="no model is configured")
            return Rung(name=MODEL, resolver="none", ask=lambda _conflict: none)
        look = FileLook(
            registry=self.tools.registry, call=partial(self.tools.pool.call, cancelled=self.tools.cancelled)
        )
        ask, context = _once(lambda: models.rung(self.model, look)), self._context()
        return Rung(
            name=MODEL,
            resolver=models.provider,
            ask=lambda conflict: self._asked(ask(), conflict, context.facts(conflict)),
        )

    def _asked(self, rung: ModelRung, conflict: Conflict, facts: Facts) -> Candidate | Abstain:
        """A model may be long in answering, or hang; a cancelled job does not wait for it."""
        return call_apart(lambda: rung(conflict, facts), "model", self._refuse_cancelled)

    def _refuse_cancelled(self) -> None:
        if self.tools.cancelled():
            raise Refused(Reason.CANCELLED, "the job was cancelled while a model was asked")

    def _context(self) -> Context:
        return Context(
            git=self.tools.mirror.git,
            commit=self.stopped.commit,
            upstream=self.work.upstream,
            merge_base=self.work.merge_base,
            languages=tuple(self.tools.registry.languages.values()),
            paths=tuple(conflict.path for conflict in self.stopped.conflicts),
            call=self._read_in_child,
        )

    def _read_in_child(self, load: str, *args: object, deadline: float) -> object:
        return self.tools.pool.call(load, *args, deadline=deadline, cancelled=self.tools.cancelled)


def _once(make: Callable[[], ModelRung]) -> Callable[[], ModelRung]:
    """One rung for all conflicts of a commit, made when the first one gets that far."""
    made: list[ModelRung] = []

    def get() -> ModelRung:
        if not made:
            made.append(make())
        return made[0]

    return get
