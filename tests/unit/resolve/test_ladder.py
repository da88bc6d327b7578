from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from flowforge.core.account import Account
from flowforge.core.conflict import (
    Abstain,
    Candidate,
    Conflict,
    HunkAnswer,
    Kind,
    Version,
    WholeAnswer,
    parse_segments,
)
from flowforge.core.errors import Broken, Reason, Refused, Temporary
from flowforge.resolve.ladder import Need, Rung, climb, fold
from flowforge.resolve.policy import Action, Paths, Policy, Standing

TEXT = b"""top
<<<<<<< upstream
a1
||||||| base
a
=======
a2
>>>>>>> commit
middle
<<<<<<< upstream
b1
||||||| base
b
=======
b2
>>>>>>> commit
end
"""
ACT = Policy(otherwise=Action.ACT)


def version(content: bytes | None = b"x\n", path: str = "src/a.py") -> Version:
    return Version(path=path, mode="100644", oid="0" * 40, content=content)


def conflict(path: str = "src/a.py") -> Conflict:
    return Conflict(
        path=path,
        kind=Kind.CONTENT,
        base=version(),
        upstream=version(),
        commit=version(),
        segments=parse_segments(TEXT, 7),
    )


def answer(index: int, text: bytes = b"answer\n", *, rung: str = "one", confirmed: bool = True) -> HunkAnswer:
    return HunkAnswer(index=index, text=text, rung=rung, rule="rule", why="because", confirmed=confirmed)


def rung(name: str, ask: Callable[[Conflict], Candidate | Abstain]) -> Rung:
    return Rung(name=name, resolver=name, ask=ask)


def answers(*indexes: int, name: str = "one") -> Rung:
    return rung(name, lambda _: Candidate(answers=tuple(answer(i, rung=name) for i in indexes)))


def abstains(name: str) -> Rung:
    return rung(name, lambda _: Abstain(why="unsure", sentence=f"{name} is not sure"))


def test_hunks_answered_by_different_rungs_make_one_resolution() -> None:
    found = climb([conflict()], [answers(1), answers(0, name="two")], ACT)
    assert found.unresolved == ()
    (resolution,) = found.resolutions
    assert [a.rung for a in resolution.answers] == ["two", "one"]
    assert resolution.result == b"top\nanswer\nmiddle\nanswer\nend\n"


def test_a_higher_rung_sees_the_answers_of_the_lower_ones_as_text() -> None:
    seen: list[Conflict] = []

    def look(given: Conflict) -> Abstain:
        seen.append(given)
        return Abstain(why="unsure", sentence="no")

    climb([conflict()], [answers(0), rung("two", look)], ACT)
    assert [hunk.index for hunk in seen[0].hunks] == [1]
    assert seen[0].segments[0] == b"top\nanswer\nmiddle\n"


def test_folding_keeps_bytes_and_hunks_in_turn() -> None:
    folded = fold(conflict(), [answer(1)])
    assert [type(segment) is bytes for segment in folded.segments] == [True, False, True]
    assert folded.segments[-1] == b"middle\nanswer\nend\n"[len(b"") :]


def test_rungs_above_a_whole_answer_are_not_asked() -> None:
    def never(_: Conflict) -> Candidate | Abstain:
        raise AssertionError

    found = climb([conflict()], [answers(0, 1), rung("two", never)], ACT)
    assert [note.outcome for note in found.notes] == ["answered"]


def test_an_open_conflict_says_what_every_rung_said() -> None:
    (left,) = climb([conflict()], [abstains("one"), abstains("two")], ACT).unresolved
    assert left.tried == {"one": "one is not sure", "two": "two is not sure"}
    assert "a person must decide" in left.sentence


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (Refused(Reason.TIMEOUT, "took too long"), "timeout"),
        (Broken(Reason.PLUGIN_FAILED, "cannot be imported"), "plugin_failed"),
        (ValueError("odd"), "plugin_failed"),
    ],
)
def test_a_rung_that_fails_is_noted_and_the_ladder_goes_on(error: Exception, why: str) -> None:
    def fail(_: Conflict) -> Candidate | Abstain:
        raise error

    found = climb([conflict()], [rung("one", fail), answers(0, 1, name="two")], ACT)
    assert len(found.resolutions) == 1
    assert (found.notes[0].outcome, found.notes[0].why) == ("failed", why)


@pytest.mark.parametrize("reason", [Reason.CANCELLED, Reason.LEASE_LOST])
def test_a_job_that_is_over_stops_the_ladder(reason: Reason) -> None:
    def fail(_: Conflict) -> Candidate | Abstain:
        raise Refused(reason, "stop")

    with pytest.raises(Refused):
        climb([conflict()], [rung("one", fail)], ACT)


def test_an_outage_that_will_pass_is_waited_for_and_not_handed_to_a_person() -> None:
    def away(_: Conflict) -> Candidate | Abstain:
        raise Temporary(Reason.MODEL_UNAVAILABLE, "overloaded", delay=7)

    with pytest.raises(Temporary) as outage:
        climb([conflict()], [rung("one", away), answers(0, 1, name="two")], ACT)
    assert outage.value.delay == 7


@pytest.mark.parametrize("said", [None, "text", Candidate(answers=()), Candidate(answers=(answer(7),))])
def test_an_answer_of_the_wrong_shape_is_a_failure_of_its_rung(said: object) -> None:
    found = climb([conflict()], [rung("one", lambda _: said)], ACT)  # type: ignore[arg-type,return-value]
    assert found.notes[0].outcome == "failed"
    assert len(found.unresolved) == 1


def test_the_same_hunk_answered_twice_by_one_rung_is_refused() -> None:
    found = climb([conflict()], [answers(0, 0)], ACT)
    assert found.notes[0].outcome == "failed"


def test_a_rung_that_must_be_confirmed_gives_proposals() -> None:
    policy = Policy(actions={"one": Action.CONFIRM}, otherwise=Action.ACT)
    found = climb([conflict()], [answers(0, 1)], policy)
    assert [a.confirmed for a in found.resolutions[0].answers] == [False, False]
    assert found.proposals == found.resolutions


def test_a_proposal_is_never_promoted_by_policy() -> None:
    doubtful = rung("one", lambda _: Candidate(answers=(answer(0, confirmed=False), answer(1))))
    found = climb([conflict()], [doubtful], ACT)
    assert [a.confirmed for a in found.resolutions[0].answers] == [False, True]


def test_a_rung_that_is_off_answers_nothing_and_says_so() -> None:
    policy = Policy(actions={"one/rule": Action.OFF}, otherwise=Action.ACT)
    found = climb([conflict()], [answers(0, 1)], policy)
    assert found.resolutions == ()
    assert "switched off" in found.unresolved[0].tried["one"]


def held(action: Action, kind: str = "a") -> Policy:
    """A policy with a record of the rule, for files of one kind."""
    standing = Standing(action=action, right=41, cases=42)
    return Policy(
        standings={("one/rule", kind): standing},
        otherwise=Action.ACT,
        kind=lambda path: path.partition(".")[0],
    )


RECORD = "right 41 of 42 in this repository's history"


@pytest.mark.parametrize(
    ("action", "sure", "said"),
    [
        (Action.ACT, True, f"one acts here: {RECORD}"),
        (Action.CONFIRM, True, f"one must be confirmed here: {RECORD}"),
        (Action.ACT, False, f"one must be confirmed here: {RECORD}"),
    ],
)
def test_an_answer_says_what_record_it_stands_on(action: Action, sure: bool, said: str) -> None:
    given = (answer(0, confirmed=sure), answer(1))
    kind = conflict().path.partition(".")[0]
    asked = rung("one", lambda _: Candidate(answers=given))
    found = climb([conflict()], [asked], held(action, kind))
    first = found.resolutions[0].answers[0]
    assert first.why == f"{given[0].why}; {said}"
    assert first.confirmed is (action is Action.ACT and sure)


def test_a_record_with_other_files_says_nothing_of_these() -> None:
    found = climb([conflict()], [answers(0, 1)], held(Action.OFF, "another"))
    assert "history" not in found.resolutions[0].answers[0].why


def test_a_rule_that_is_off_by_its_record_says_so() -> None:
    kind = conflict().path.partition(".")[0]
    found = climb([conflict()], [answers(0, 1)], held(Action.OFF, kind))
    assert (
        f"an answer by rule ({RECORD}) was found but is switched off here" in found.unresolved[0].tried["one"]
    )


def test_what_was_answered_of_a_conflict_that_stays_open_is_kept_for_counting() -> None:
    found = climb([conflict()], [answers(1)], ACT)
    assert [given.index for given in found.unresolved[0].answers] == [1]


def test_a_rung_that_needs_a_base_is_passed_where_both_sides_added_the_file() -> None:
    added = replace(conflict(), kind=Kind.ADD_ADD, base=None)
    needy = replace(answers(0, 1), needs=frozenset({Need.ALL_SIDES}))
    found = climb([added], [needy], ACT)
    assert found.notes[0].why == "no_base"


def test_a_rung_is_asked_only_for_paths_it_covers() -> None:
    blind = replace(answers(0, 1), covers=lambda path: path.endswith(".go"))
    assert climb([conflict()], [blind], ACT).notes == ()


@pytest.mark.parametrize("path", [".github/workflows/ci.yml", "docs/CODEOWNERS", "a/uv.lock", ".gitmodules"])
def test_a_protected_path_goes_to_a_person(path: str) -> None:
    found = climb([conflict(path)], [answers(0, 1)], ACT)
    assert found.resolutions == ()
    assert "protected" in found.unresolved[0].sentence


def test_the_pipeline_can_open_a_protected_path() -> None:
    policy = Policy(otherwise=Action.ACT, paths=Paths(allowed=("*.lock",)))
    assert len(climb([conflict("uv.lock")], [answers(0, 1)], policy).resolutions) == 1


def test_a_never_path_goes_to_a_person_and_an_ask_path_needs_approval() -> None:
    policy = Policy(otherwise=Action.ACT, paths=Paths(never=("infra/**",), ask=("src/billing/**",)))
    found = climb([conflict("infra/a.tf"), conflict("src/billing/b.py")], [answers(0, 1)], policy)
    assert [u.conflict.path for u in found.unresolved] == ["infra/a.tf"]
    assert found.approve == ("src/billing/b.py",)


OTHER_KINDS = [kind for kind in Kind if kind not in {Kind.CONTENT, Kind.ADD_ADD}]


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_every_other_kind_is_handed_back_with_a_sentence_of_its_own(kind: Kind) -> None:
    found = climb([replace(conflict(), kind=kind, segments=())], [answers(0)], ACT)
    assert found.notes == ()
    assert "'src/a.py'" in found.unresolved[0].sentence
    assert (
        "resolve" in found.unresolved[0].sentence
        or "decide" in found.unresolved[0].sentence
        or "choose" in found.unresolved[0].sentence
    )


@pytest.mark.parametrize(
    ("gone", "who"), [("upstream", "upstream deleted"), ("commit", "the commit deletes")]
)
def test_modify_delete_says_which_side_did_what(gone: str, who: str) -> None:
    given = replace(conflict(), kind=Kind.MODIFY_DELETE, segments=())
    given = replace(given, upstream=None) if gone == "upstream" else replace(given, commit=None)
    assert climb([given], [], ACT).unresolved[0].sentence.startswith(who)


def test_rename_rename_names_all_three_paths() -> None:
    given = replace(
        conflict("old.py"),
        kind=Kind.RENAME_RENAME,
        segments=(),
        base=version(path="old.py"),
        upstream=version(path="up.py"),
        commit=version(path="mine.py"),
    )
    sentence = climb([given], [], ACT).unresolved[0].sentence
    assert all(name in sentence for name in ("'old.py'", "'up.py'", "'mine.py'"))


def whole(path: str = "src/a.py", **more: Any) -> WholeAnswer:
    return WholeAnswer(path=path, rung="whole", rule="rule", why="the path is decided", **more)


def whole_rung(answer: WholeAnswer, *, asked: bool = True) -> Rung:
    return Rung(name="whole", resolver="whole", ask=lambda _: Candidate(whole=answer), whole=asked)


DELETED = replace(conflict(), kind=Kind.MODIFY_DELETE, upstream=None, segments=(), places=("src/a.py",))


def test_a_conflict_without_hunks_is_shown_only_to_rungs_that_answer_whole_paths() -> None:
    (left,) = climb([DELETED], [answers(0), abstains("one")], ACT).unresolved
    assert left.tried == {}
    assert "decide whether the file stays" in left.sentence
    (found,) = climb([DELETED], [abstains("one"), whole_rung(whole())], ACT).resolutions
    assert (found.taken, found.given) == ("removed", (whole(),))


def test_what_such_a_rung_said_is_kept_where_it_gives_none() -> None:
    asked = replace(abstains("one"), whole=True)
    (left,) = climb([DELETED], [asked], ACT).unresolved
    assert left.tried == {"one": "one is not sure"}


def test_a_whole_answer_stands_instead_of_what_hunks_were_answered() -> None:
    (found,) = climb([conflict()], [answers(0), whole_rung(whole(text=b"anew\n"))], ACT).resolutions
    assert (found.result, found.answers, found.taken) == (b"anew\n", (), "text")


@pytest.mark.parametrize(
    ("action", "confirmed"), [(Action.ACT, True), (Action.CONFIRM, False), (Action.OFF, None)]
)
def test_the_policy_counts_for_whole_answers_by_rung_and_rule(action: Action, confirmed: bool | None) -> None:
    policy = Policy(actions={"whole/rule": action}, otherwise=Action.ACT)
    found = climb([DELETED], [whole_rung(whole())], policy)
    assert [one.confirmed for r in found.resolutions for one in r.given] == (
        [] if confirmed is None else [confirmed]
    )
    assert len(found.proposals) == (confirmed is False)
    if confirmed is None:
        assert "switched off" in found.unresolved[0].tried["whole"]


@pytest.mark.parametrize("glob", ["src/a.py", "old.py"])
def test_no_name_of_a_renamed_file_may_be_forbidden(glob: str) -> None:
    moved = replace(DELETED, base=version(path="old.py"))
    (left,) = climb(
        [moved], [whole_rung(whole())], Policy(otherwise=Action.ACT, paths=Paths(never=(glob,)))
    ).unresolved
    assert "decide whether the file stays" in left.sentence
    assert "leaves" in left.sentence
    asked = climb([moved], [whole_rung(whole())], Policy(otherwise=Action.ACT, paths=Paths(ask=(glob,))))
    assert asked.approve == ("src/a.py",)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (Candidate(whole=whole(path="other.py")), "no path of this conflict"),
        (Candidate(whole=whole(), answers=(answer(0),)), "hunks and the whole path"),
    ],
)
def test_a_whole_answer_that_is_none_is_the_rungs_failure(said: Candidate, problem: str) -> None:
    found = climb([conflict()], [rung("one", lambda _: said)], ACT)
    assert found.resolutions == ()
    assert problem in found.unresolved[0].tried["one"]


def test_an_answer_that_wants_a_person_needs_their_yes_whatever_tests_say() -> None:
    wants = replace(answer(0), approval="it gives up a test", confirmed=False)

    def ask(_open: Conflict) -> Candidate:
        return Candidate(answers=(wants, answer(1)))

    answers = climb([conflict()], [Rung(name="one", resolver="one", ask=ask)], ACT)
    assert answers.approve == ("src/a.py",)


def test_why_hunks_were_left_is_told_with_what_is_known_of_the_answers() -> None:
    left = Abstain(why="no_agreement", sentence="they differ", account=Account(answers=("a", "b")))

    def ask(_open: Conflict) -> Candidate:
        return Candidate(answers=(answer(0),), left=(left,))

    answers = climb([conflict()], [Rung(name="model", resolver="one", ask=ask)], ACT)
    (open_,) = answers.unresolved
    assert "they differ" in open_.tried["model"]
    assert open_.reasons["model"] == "no_agreement"
    assert open_.accounts["model"].answers == ("a", "b")


def test_a_refused_answer_is_named_in_the_sentence() -> None:
    refused = Abstain(
        why="markers", sentence="not accepted: a marker", account=Account(findings=("a marker",))
    )
    answers = climb([conflict()], [Rung(name="model", resolver="one", ask=lambda _open: refused)], ACT)
    assert answers.unresolved[0].sentence.endswith("a person must decide; not accepted: a marker")
