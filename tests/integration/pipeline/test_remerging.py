"""The second look in a real resolve stage: doubt and failure need a person, acceptance changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.pipeline.context import SecondLook
from flowforge.pipeline.options import ModelOptions
from flowforge.resolve.remerge import Place, Replayed, Verdict
from tests.integration.pipeline.scene import Proposes, Scene

Said = Mapping[tuple[str, int], Verdict] | str


@dataclass(kw_only=True)
class Looks(Proposes):
    """A model that answers and then looks at what it answered; it notes what it was shown."""

    said: Said | FlowForgeError = ""
    shown: list[tuple[Replayed, Sequence[Place]]] = field(default_factory=list)

    def second_look(self, options: ModelOptions) -> SecondLook:
        def look(replayed: Replayed, places: Sequence[Place]) -> Said:
            self.shown.append((replayed, places))
            if isinstance(self.said, FlowForgeError):
                raise self.said
            return self.said

        return look


def resolved(scene: Scene, said: Said | FlowForgeError, *, review: bool = True) -> Looks:
    scene.branches({"b.txt": "1\nmain\n3\n"}, {"b.txt": "1\ntopic\n3\n"})
    scene.with_resolve()
    scene.do("clone")
    scene.do("rebase")
    scene.models = looks = Looks(text=b"both\n", said=said)
    scene.do("resolve", rungs=["model"], model={"review": review})
    return looks


def verdict(word: str, why: str) -> Said:
    return {("b.txt", 0): Verdict(word=word, why=why)}


def test_it_is_off_unless_it_is_asked_for(scene: Scene) -> None:
    assert resolved(scene, verdict("doubt", "x"), review=False).shown == []
    assert scene.work.approve == ()


def test_acceptance_is_told_and_makes_a_proposal_no_more_than_that(scene: Scene) -> None:
    looks = resolved(scene, verdict("accept", "both are there"))
    ((replayed, (place,)),) = looks.shown
    assert replayed.message.startswith("topic 1")
    assert (place.path, place.answer.text) == ("b.txt", b"both\n")
    assert scene.work.approve == ()
    assert scene.work.unconfirmed == ("b.txt",)
    assert "review: accept: both are there" in str(scene.do("report").outputs["text"])


def test_doubt_makes_a_person_necessary_even_after_tests(scene: Scene) -> None:
    resolved(scene, verdict("doubt", "upstream's line is gone"))
    assert scene.work.approve == ("b.txt",)
    (one,) = scene.work.resolved
    assert one.approvals == ("the review doubts it: upstream's line is gone",)
    scene.do("validate")
    pushed = scene.do("push")
    assert not pushed.ok
    assert "wants a person to approve" in pushed.sentence
    assert "b.txt: the review doubts it: upstream's line is gone" in pushed.sentence
    assert pushed.question is not None
    assert "a person must agree: the review doubts it" in pushed.question.files[0].hunks[0].why


@pytest.mark.parametrize(
    "failed",
    [
        "the answer is not whole",
        Refused(Reason.BUDGET_EXHAUSTED, "the job's budget is spent"),
        Broken(Reason.CONFIGURATION, "no key"),
    ],
)
def test_a_look_that_failed_is_no_acceptance(scene: Scene, failed: Said | FlowForgeError) -> None:
    resolved(scene, failed)
    assert scene.work.approve == ("b.txt",)
    assert "it could not be reviewed" in scene.work.resolved[0].approvals[0]


def test_an_outage_makes_the_job_wait(scene: Scene) -> None:
    resolved(scene, Temporary(Reason.MODEL_UNAVAILABLE, "down", delay=60))
    assert scene.done[-1].reason is Reason.MODEL_UNAVAILABLE
    assert scene.work.pending


def test_what_no_rung_answered_is_not_looked_at(scene: Scene) -> None:
    scene.branches({"b.txt": "1\nmain\n3\n", "c.txt": "m\n"}, {"b.txt": "1\ntopic\n3\n", "c.txt": "t\n"})
    scene.with_resolve()
    scene.do("clone")
    scene.do("rebase")
    scene.models = looks = Looks(text=b"both\n", said=verdict("accept", "x"))
    scene.do("resolve", rungs=["model"], model={"review": True}, never=["c.txt"])
    assert scene.done[-1].reason is Reason.UNRESOLVED_CONFLICTS
    assert looks.shown == []
