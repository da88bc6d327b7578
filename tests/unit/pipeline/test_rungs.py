"""From the words of a pipeline to rungs: what is made, when, and with what it is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from flowforge.core.conflict import Abstain, Candidate, Conflict, HunkAnswer, Kind, parse_segments
from flowforge.core.errors import Reason, Temporary
from flowforge.git.replay import Stopped
from flowforge.hooks.manager import discover, load_plugins
from flowforge.pipeline.context import Work
from flowforge.pipeline.options import ModelOptions
from flowforge.pipeline.remembering import Recollection
from flowforge.pipeline.rungs import Climber
from flowforge.resolve.answer import Look
from flowforge.resolve.memory import Remembered
from flowforge.resolve.policy import Policy
from flowforge.resolve.prompt import Facts
from flowforge.resolve.rungs import ASK

TEXT = b"a\n<<<<<<< up\nu\n||||||| base\nb\n=======\nc\n>>>>>>> commit\nz\n"
CONFLICT = Conflict(
    path="a.py", kind=Kind.CONTENT, base=None, upstream=None, commit=None, segments=parse_segments(TEXT, 7)
)
ANSWER = Candidate(answers=(HunkAnswer(index=0, text=b"x\n", rung="r", rule="r", why="w"),))


@dataclass
class Edges:
    """What a climber uses of `Tools`; every use is noted."""

    registry: Any = field(default_factory=lambda: load_plugins(discover()))
    memory: Remembered = field(default_factory=Remembered)
    policy: Policy = field(default_factory=Policy)
    models: Any = None
    git_said: Mapping[str, bytes] = field(default_factory=dict)
    calls: list[tuple[str, object, float]] = field(default_factory=list)
    asked_git: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def pool(self) -> "Edges":
        return self

    @property
    def mirror(self) -> Any:
        return SimpleNamespace(git=self)

    def cancelled(self) -> bool:
        return False

    def call(self, load: str, *args: object, deadline: float, **_more: object) -> object:
        self.calls.append((load, args[0], deadline))
        return ANSWER

    def run(self, *argv: str, **_more: object) -> bytes:
        self.asked_git.append(argv)
        return self.git_said.get(argv[0], b"")

    def objects(self) -> Any:
        raise Temporary(Reason.MIRROR_DAMAGED, "there are none here", next_action="none")


@dataclass
class Models:
    made: list[ModelOptions] = field(default_factory=list)
    told: list[Facts] = field(default_factory=list)
    provider: str = "scripted (scripted)"

    def rung(self, options: ModelOptions, look: Look) -> Any:
        self.made.append(options)

        def ask(_conflict: Conflict, facts: Facts) -> Candidate:
            self.told.append(facts)
            return ANSWER

        return ask


def climber(edges: Edges) -> Climber:
    stopped = Stopped(commit="c" * 40, subject="s", tree="t", conflicts=(CONFLICT,))
    work = Work(branch="topic", target="main", upstream="u" * 40, merge_base="m" * 40)
    recollection = Recollection(edges.memory, stopped.conflicts)
    return Climber(
        work=work,
        tools=edges,  # type: ignore[arg-type]  # its part
        stopped=stopped,
        model=ModelOptions(),
        recollection=recollection,
    )


def test_the_rungs_stand_in_the_pipelines_order() -> None:
    words = ["structural", "mechanical", "memory", "model"]
    names = [rung.name for rung in climber(Edges()).rungs(words)]
    assert list(dict.fromkeys(names)) == words


def test_a_resolver_is_called_in_a_child_under_a_deadline() -> None:
    edges = Edges()
    rungs = climber(edges).rungs(["structural"])
    assert rungs[0].ask(CONFLICT) == ANSWER
    ((load, asked, deadline),) = edges.calls
    assert (load, asked) == (ASK, edges.registry.resolvers[rungs[0].resolver].load)
    assert 5 < deadline <= 10


def test_no_model_is_an_answer_that_says_so() -> None:
    (rung,) = climber(Edges()).rungs(["model"])
    said = rung.ask(CONFLICT)
    assert isinstance(said, Abstain)
    assert (said.why, said.sentence) == ("no_model", "no model is configured")


def test_the_model_is_made_once_a_commit_and_only_when_the_ladder_comes_to_it() -> None:
    edges = Edges(models=Models())
    rungs = climber(edges).rungs(["mechanical", "model"])
    assert edges.models.made == []
    assert edges.asked_git == []
    for _ in range(2):
        assert rungs[-1].ask(CONFLICT) == ANSWER
    assert len(edges.models.made) == 1
    assert len(edges.models.told) == 2
    assert rungs[-1].resolver == "scripted (scripted)"


def test_what_the_model_is_told_is_text_whatever_the_bytes() -> None:
    said = {"show": b"message \xff\n\0\ndiff \xff\n", "log": b"one\ntwo \xfe\n"}
    edges = Edges(models=Models(), git_said=said)
    climber(edges).rungs(["model"])[0].ask(CONFLICT)
    (facts,) = edges.models.told
    assert facts.message == "message \ufffd\n"
    assert facts.diff == "diff \ufffd\n"
    assert list(facts.upstream_commits) == ["one", "two \ufffd"]
    assert facts.language == "python"
    (place,) = facts.places  # the child gave no surroundings: the lines beside the hunk are told
    assert place.parts == ("a\n", 0, "z\n")
    assert facts.paths == ("a.py",)
    log = edges.asked_git[-1]
    assert f"{'m' * 40}..{'u' * 40}" in log
    assert log[-1] == ":(literal)a.py"


def test_a_word_of_no_resolver_makes_no_rung() -> None:
    """The loader has refused such a word; a plugin that was removed since leaves the rest of the ladder."""
    assert [rung.name for rung in climber(Edges()).rungs(["lottery", "memory"])] == ["memory"]
