"""What is kept of a commit's answers, what tests have said of them, and what is asked for once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from flowforge.core.conflict import (
    Abstain,
    Candidate,
    Conflict,
    HunkAnswer,
    Kind,
    Resolution,
    Version,
    WholeAnswer,
    parse_segments,
    resolve_whole,
    resolve_with,
)
from flowforge.core.decision import NOBODY, GivenText, Told, fingerprint
from flowforge.core.errors import Reason
from flowforge.core.job import Result
from flowforge.core.pipeline import OnFailure, Pipeline, StageResult, StageSpec
from flowforge.pipeline.context import ResolvedPath, Work
from flowforge.pipeline.remembering import Recollection, given, learn, marks_of
from flowforge.resolve.memory import Found, Given, Person, Remembered, keys
from flowforge.resolve.policy import Paths, Policy

TEXT = b"a\n<<<<<<< up\nu\n||||||| base\nb\n=======\nc\n>>>>>>> commit\nz\n"
OPEN = Paths(protected=())


def conflict(path: str = "a.py", text: bytes = TEXT, **more: object) -> Conflict:
    sides = {
        name: Version(path=path, mode="100644", oid="0" * 40, content=name.encode())
        for name in ("base", "upstream", "commit")
    }
    values = {"kind": Kind.CONTENT, "segments": parse_segments(text, 7), "commit_id": "c1", **sides, **more}
    return Conflict(path=path, **values)  # type: ignore[arg-type]  # a test's own


def answered(
    one: Conflict | None = None, *texts: bytes, rung: str = "structural", rule: str = "words"
) -> Resolution:
    one = one or conflict()
    rows = texts or (b"x\n",) * len(one.hunks)
    return resolve_with(
        one,
        [HunkAnswer(index=n, text=text, rung=rung, rule=rule, why="w") for n, text in enumerate(rows)],
    )


def test_an_answer_is_given_with_its_key_and_marked_by_it() -> None:
    resolution = answered()
    (one,) = given([resolution], NOBODY, OPEN)
    assert one.key == keys(conflict())[0]
    assert (one.path, one.text, one.rung, one.commit, one.by) == ("a.py", b"x\n", "structural", "c1", None)
    assert marks_of(resolution) == (one.mark,)


@pytest.mark.parametrize(
    "paths", [Paths(never=("a.py",)), Paths(protected=("*.py",)), Paths(never=("old/",))]
)
def test_nothing_of_a_path_that_is_a_persons_is_given(paths: Paths) -> None:
    before = Version(path="old/a.py", mode="100644", oid="0" * 40, content=b"")
    assert given([answered(conflict(base=before))], NOBODY, paths) == ()


def test_nothing_of_a_file_with_a_secret_is_given_wherever_it_stands() -> None:
    secret = b'\nKEY = "AKIA' + b'Q3EGRIJ7ZK5WMT2X"\n'
    assert given([answered(conflict(text=TEXT + secret)), answered()], NOBODY, OPEN) == given(
        [answered()], NOBODY, OPEN
    )


def test_one_place_with_two_answers_has_none() -> None:
    between = b"k\nk\nk\n"
    twice = conflict(text=between + TEXT[2:-2] + between + TEXT[2:-2] + between)
    known = keys(twice)
    assert known[0] == known[1]
    assert given([answered(twice, b"1\n", b"2\n")], NOBODY, OPEN) == ()
    assert {one.text for one in given([answered(twice, b"1\n", b"1\n")], NOBODY, OPEN)} == {b"1\n"}


def test_a_person_is_named_with_what_they_wrote() -> None:
    text = GivenText(text=b"t", by_person=True, user="7", name="Ada")
    told = Told(texts={fingerprint(conflict()): text})
    (one,) = given([answered(rung="person", rule="edited")], told, OPEN)
    assert one.by == Person(user="7", name="Ada")
    (one,) = given([answered(rung="person", rule="edited")], NOBODY, OPEN)
    assert one.by == Person(user="")


def test_a_fallback_and_an_answer_that_wants_a_person_are_not_kept() -> None:
    """Tests that pass would make of either an answer that needs nobody."""
    assert given([answered(rung="fallback")], NOBODY, OPEN) == ()
    made = answered(rung="model")
    wants = replace(made, answers=tuple(replace(one, approval="it gives up a test") for one in made.answers))
    assert given([wants], NOBODY, OPEN) == marks_of(wants) == ()
    assert len(given([made], NOBODY, OPEN)) == 1


@pytest.mark.parametrize(("rung", "count"), [("person", 1), ("memory", 1), ("mechanical", 0)])
def test_of_answers_for_a_whole_file_only_a_persons_are_kept(rung: str, count: int) -> None:
    whole = WholeAnswer(path="a.py", rung=rung, rule="r", why="w", text=b"all\n")
    resolution = resolve_whole(conflict(), whole)
    assert len(given([resolution], NOBODY, OPEN)) == len(marks_of(resolution)) == count
    removed = replace(whole, text=None)
    assert given([resolve_whole(conflict(), removed)], NOBODY, OPEN) == ()


# ---------------------------------------------------------------------------------------------------- learning


@dataclass
class Noted:
    """A memory that only notes what it is told."""

    said: list[tuple[frozenset[str], bool]] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    def find(self, keys: Collection[str]) -> Mapping[str, Found]:
        self.asked.append(len(keys))
        return {}

    def keep(self, answers: Sequence[Given]) -> None:
        raise AssertionError(answers)

    def tested(self, marks: Collection[str], *, passed: bool) -> None:
        self.said.append((frozenset(marks), passed))

    def take_back(self, marks: Collection[str]) -> None:
        raise AssertionError(marks)


TEST = StageSpec(id="test", uses="test")
MAY_FAIL = StageSpec(id="lint", uses="test", on_failure=OnFailure.CONTINUE)
PIPELINE = Pipeline(name="p", version=1, stages=(TEST, MAY_FAIL))
RESOLVED = ResolvedPath(path="a.py", commit="c", rungs=(), why=(), outside="", sha256="", marks=("m",))
WORK = Work(branch="b", target="t", tree="t1", tested_tree="t1", resolved=(RESOLVED,))
GREEN = StageResult(stage="test", result=Result.SUCCESS)
RED = StageResult(stage="test", result=Result.FAILURE, reason=Reason.TESTS_FAILED)


@pytest.mark.parametrize(
    ("work", "results", "said"),
    [
        (WORK, [GREEN], True),
        (WORK, [GREEN, replace(RED, stage="lint")], True),
        (replace(WORK, tested_tree=""), [RED], False),
        (WORK, [GREEN, RED], False),
        (replace(WORK, tested_tree=""), [replace(RED, reason=Reason.BASE_ALREADY_RED)], None),
        (replace(WORK, tested_tree=""), [replace(RED, reason=Reason.TIMEOUT)], None),
        (replace(WORK, tested_tree="older"), [GREEN], None),
        (replace(WORK, tested_tree=""), [], None),
        (replace(WORK, pending=("c2",)), [GREEN], None),
        (replace(WORK, resolved=(replace(RESOLVED, marks=()),)), [GREEN], None),
        (replace(WORK, tree="", tested_tree=""), [], None),
    ],
)
def test_only_tests_of_this_very_tree_say_something(
    work: Work, results: list[StageResult], said: bool | None
) -> None:
    memory = Noted()
    learn(PIPELINE, work, results, memory)
    assert memory.said == ([] if said is None else [(frozenset({"m"}), said)])


def test_marks_outlive_a_checkpoint_and_older_ones_have_none() -> None:
    assert Work.from_json(WORK.to_json()).resolved[0].marks == ("m",)
    older = WORK.to_json()
    del older["resolved"][0]["marks"]  # type: ignore[index]  # as an older version wrote it
    assert Work.from_json(older).resolved[0].marks == ()


# -------------------------------------------------------------------------------------------------- recollection


def test_one_question_is_asked_when_the_first_answer_is_wanted_and_none_before() -> None:
    memory = Noted()
    both = [conflict("a.py"), conflict("b.py")]
    recollection = Recollection(memory, both)
    assert memory.asked == []
    for one in both:
        assert isinstance(recollection.recall(one, Policy()), Abstain)
    assert memory.asked == [4]  # two hunks and two whole files


def test_what_other_rungs_answered_beside_it_does_not_hide_a_hunk() -> None:
    two = conflict(text=TEXT + b"mid\n" + TEXT.replace(b"u\n", b"v\n"))
    memory = Remembered()
    memory.keep(given([answered(two, b"1\n", b"2\n")], NOBODY, OPEN))
    later = replace(two, segments=(b"a\n1\nz\nmid\na\n", two.hunks[1], b"z\n"))  # the first was folded in
    said = Recollection(memory, [two]).recall(later, Policy())
    assert isinstance(said, Candidate)
    assert [(one.index, one.text) for one in said.answers] == [(1, b"2\n")]


def test_a_rung_that_comes_to_what_was_taken_back_is_noticed_and_another_answer_is_not() -> None:
    memory, resolution = Remembered(), answered()
    memory.keep(given([resolution], NOBODY, OPEN))
    memory.take_back(marks_of(resolution))
    recollection = Recollection(memory, [conflict()])
    assert recollection.taken_back([resolution]) == ("a.py",)
    assert recollection.taken_back([answered(None, b"other\n")]) == ()
    assert recollection.taken_back([answered(rung="person", rule="edited")]) == ()
    assert recollection.taken_back([]) == ()
