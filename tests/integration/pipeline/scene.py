"""One job in a test's hands: real git, a real pool, the one-process recorder, and every stage called by its name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flowforge.core.conflict import Abstain, Candidate, Conflict, HunkAnswer
from flowforge.core.decision import NOBODY
from flowforge.core.decision import Told as PersonsTold
from flowforge.core.errors import FlowForgeError, Reason, Refused
from flowforge.core.pipeline import Pipeline, StageResult, StageSpec, from_error
from flowforge.core.telemetry import Silent
from flowforge.git.mirror import Mirror
from flowforge.git.replay import Committer
from flowforge.hooks.manager import Registry
from flowforge.pipeline.context import ModelRung, Models, Reviewer, SecondLook, Tools, Work
from flowforge.pipeline.options import ModelOptions, ReviewOptions
from flowforge.pipeline.table import stage_table
from flowforge.report.facts import ModelCost
from flowforge.resolve.answer import Look
from flowforge.resolve.memory import Remembered
from flowforge.resolve.policy import Policy
from flowforge.resolve.prompt import Facts
from flowforge.sandbox.contract import Sandbox
from flowforge.sandbox.pool import Pool
from flowforge.wiring.local import LocalRecorder
from flowforge.wiring.sandbox import NoCommands
from tests.gitrepo import Content, Repository

BASE: Mapping[str, Content] = {
    "a.py": "import os\n\n\ndef f():\n    return 1\n",
    "b.txt": "1\n2\n3\n",
    "c.txt": "c\n",
}
COMMITTER = Committer(name="FlowForge", email="flowforge@example.org", date=1_760_000_000)
Told = list[tuple[str, Mapping[str, Any]]]


def python(*imports: str) -> str:
    """A module that imports these, as both sides of a branch add to it."""
    return "".join(f"import {name}\n" for name in imports) + "\n\ndef f():\n    return 1\n"


@dataclass(kw_only=True)
class Scene:
    """A repository, its mirror, and the job's work as the stages move it on."""

    repo: Repository
    mirror: Mirror
    folder: Path
    pool: Pool
    registry: Registry
    work: Work = field(default_factory=lambda: Work(branch="topic", target="main"))
    pipeline: Pipeline = field(default_factory=lambda: Pipeline(name="test", version=1, stages=()))
    sandbox: Sandbox = field(default_factory=NoCommands)
    models: Models | None = None
    cancelled: Callable[[], bool] = lambda: False
    told: Told = field(default_factory=list)
    told_by_persons: PersonsTold = NOBODY
    done: tuple[StageResult, ...] = ()
    recorder: LocalRecorder = field(init=False)

    def __post_init__(self) -> None:
        self.recorder = LocalRecorder(
            tell=lambda kind, data: self.told.append((kind, data)), backups=self.folder / "backups"
        )
        (self.folder / "workspace").mkdir()

    def branches(
        self,
        main: Mapping[str, Content | None],
        *topic: Mapping[str, Content | None],
        base: Mapping[str, Content] = BASE,
    ) -> list[str]:
        """`main` moves on by one commit, `topic` by one for each change (None deletes); the topic's commits."""
        start = self.repo.commit(base, message="start")
        self.repo.commit(changed(base, main), start, branch="main", message="main moves on")
        files, tip, made = dict(base), start, []
        for number, change in enumerate(topic, start=1):
            files = changed(files, change)
            tip = self.repo.commit(files, tip, branch="topic", message=f"topic {number}")
            made.append(tip)
        return made

    @property
    def tools(self) -> Tools:
        return Tools(
            mirror=self.mirror,
            sandbox=self.sandbox,
            pool=self.pool,
            registry=self.registry,
            recorder=self.recorder,
            committer=COMMITTER,
            telemetry=Silent(),
            pipeline=self.pipeline,
            workspace=self.folder / "workspace",
            policy=Policy(),
            memory=Remembered(),
            models=self.models,
            cancelled=self.cancelled,
            told=self.told_by_persons,
            done=self.done,
        )

    def do(self, uses: str, *, spec: Mapping[str, Any] | None = None, **options: object) -> StageResult:
        """Run one stage as the runner does: its errors are its result. It becomes part of the pipeline."""
        stage = StageSpec(**{"id": uses, "uses": uses, "options": options, **(spec or {})})
        if uses != "report":
            self.pipeline = replace(self.pipeline, stages=(*self.pipeline.stages, stage))
        try:
            result, self.work = stage_table(self.registry)[uses](stage, self.work, self.tools)
        except FlowForgeError as error:
            result = from_error(stage.id, error)
        self.done = (*self.done, replace(result, stage=stage.id))
        return result

    def with_resolve(self, **options: object) -> None:
        """Let the pipeline have a resolve stage from the start, as rebase wants to know."""
        stage = StageSpec(id="resolve later", uses="resolve", options=options)
        self.pipeline = replace(self.pipeline, stages=(stage,))

    def file(self, path: str, commit: str = "") -> str:
        return self.mirror.git.run("show", f"{commit or self.work.head}:{path}").decode()

    def data(self, kind: str) -> list[Mapping[str, Any]]:
        return [data for told, data in self.told if told == kind]

    @property
    def log(self) -> str:
        return "".join(str(data["text"]) for data in self.data("log"))


def changed(files: Mapping[str, Content], change: Mapping[str, Content | None]) -> dict[str, Content]:
    return {path: text for path, text in {**files, **change}.items() if text is not None}


@dataclass(kw_only=True)
class Proposes:
    """Models whose rung answers every hunk with one text, as a proposal; it notes what it was told."""

    text: bytes
    facts: list[Facts] = field(default_factory=list)
    made: int = 0  # rungs
    provider: str = "proposes"

    def rung(self, options: ModelOptions, look: Look) -> ModelRung:
        self.made += 1
        return self._answer

    def second_look(self, options: ModelOptions) -> SecondLook:
        raise Refused(Reason.CONFIGURATION, "this one only answers conflicts")

    def reviewer(self, options: ReviewOptions, line: str) -> Reviewer:
        raise Refused(Reason.CONFIGURATION, "this one only answers conflicts")

    def cost(self, operation: str = "") -> ModelCost | None:
        return None

    def _answer(self, conflict: Conflict, facts: Facts) -> Candidate | Abstain:
        self.facts.append(facts)
        return Candidate(
            answers=tuple(
                HunkAnswer(
                    index=hunk.index, text=self.text, rung="model", rule="test", why="asked", confirmed=False
                )
                for hunk in conflict.hunks
            )
        )
