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
from flowforge.pipeline.apart import call_apart
from flowforge.pipeline.context import ModelRung, Tools, Work
from flowforge.pipeline.looking import FileLook
from flowforge.pipeline.options import ModelOptions
from flowforge.pipeline.remembering import Recollection
from flowforge.resolve.ladder import Rung
from flowforge.resolve.memory import RUNG as MEMORY
from flowforge.resolve.prompt import Facts
from flowforge.resolve.rungs import ASK, language_of, plan_rungs

MODEL = "model"
_DEADLINE = 5.0  # seconds a resolver may take for one file
_MARGIN = 1.0  # on top of it, for starting its process
_UPSTREAM_COMMITS = 20  # subjects shown to the model


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
        ask = _once(lambda: models.rung(self.model, look))
        return Rung(
            name=MODEL,
            resolver=models.provider,
            ask=lambda conflict: self._asked(ask(), conflict, self._facts(conflict)),
        )

    def _asked(self, rung: ModelRung, conflict: Conflict, facts: Facts) -> Candidate | Abstain:
        """A model may be long in answering, or hang; a cancelled job does not wait for it."""
        return call_apart(lambda: rung(conflict, facts), "model", self._refuse_cancelled)

    def _refuse_cancelled(self) -> None:
        if self.tools.cancelled():
            raise Refused(Reason.CANCELLED, "the job was cancelled while a model was asked")

    def _facts(self, conflict: Conflict) -> Facts:
        language = language_of(conflict.path, self.tools.registry.languages.values())
        return Facts(
            onto=self.work.upstream,
            message=self._git("show", "--no-patch", "--format=%B", self.stopped.commit),
            diff=self._git("show", "--format=", "--no-color", "--no-ext-diff", self.stopped.commit),
            language=language.id if language else "",
            upstream_commits=self._upstream_commits(conflict.path),
        )

    def _upstream_commits(self, path: str) -> Sequence[str]:
        between = f"{self.work.merge_base}..{self.work.upstream}"
        shown = self._git("log", f"-{_UPSTREAM_COMMITS}", "--format=%s", between, "--", f":(literal){path}")
        return shown.splitlines()

    def _git(self, *argv: str) -> str:
        return self.tools.mirror.git.run(*argv).decode("utf-8", "replace")


def _once(make: Callable[[], ModelRung]) -> Callable[[], ModelRung]:
    """One rung for all conflicts of a commit, made when the first one gets that far."""
    made: list[ModelRung] = []

    def get() -> ModelRung:
        if not made:
            made.append(make())
        return made[0]

    return get
