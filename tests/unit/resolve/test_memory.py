from dataclasses import replace

import pytest

from flowforge.core.conflict import Abstain, Candidate, Conflict, Hunk, Kind, Version
from flowforge.resolve.memory import (
    LARGEST,
    Confirmed,
    Found,
    Given,
    Kept,
    Person,
    Refused,
    after_tests,
    approved,
    digest,
    keys,
    mark,
    marked,
    poisoned,
    recall,
    recall_whole,
    rejected,
    told,
    undone,
    unmarked,
    used,
    whole_key,
)
from flowforge.resolve.policy import Action, Policy

HUNK = Hunk(index=0, base=b"b\n", upstream=b"u\n", commit=b"c\n", line=4)
ADA = Person(user="0198aaaa-0000-7000-8000-000000000001", name="Ada")
BOB = Person(user="0198aaaa-0000-7000-8000-000000000002", name="Bob")
GIVEN = Given(
    key="k" * 64, path="a.py", text=b"x\n", rung="model", rule="merged", why="both fit", commit="c1"
)
KEPT = Kept(digest=digest(b"x\n"), rung="model", rule="merged", why="both fit", job="J1", commit="c1")
BY_ADA = replace(KEPT, rung="person", rule="edited", by=ADA, confirmed=Confirmed.PERSON)
STRUCTURAL = replace(KEPT, rung="structural", rule="words apart")
CERTAIN = replace(KEPT, rung="mechanical", rule="identical edits")


def conflict(
    hunk: Hunk = HUNK, before: bytes = b"1\n2\n3\n", after: bytes = b"4\n5\n6\n", path: str = "a.py"
) -> Conflict:
    return Conflict(
        path=path,
        kind=Kind.CONTENT,
        base=None,
        upstream=None,
        commit=None,
        segments=(before, hunk, after),
    )


def asked(kept: Kept | None, policy: Policy | None = None, of: Conflict | None = None) -> Candidate | Abstain:
    """What memory says to a conflict, where it has kept this of the usual one."""
    known = {keys(conflict())[0]: Found(kept=kept, text=b"x\n")} if kept else {}
    return recall("a.py", keys(of or conflict()), known, policy or Policy())


# ------------------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize(
    "other",
    [
        conflict(path="b.py"),
        conflict(replace(HUNK, base=b"b2\n")),
        conflict(replace(HUNK, upstream=b"u \n")),
        conflict(replace(HUNK, commit=b"c")),
        conflict(before=b"1\n2\n3!\n"),
        conflict(before=b"1\n0\n3\n"),
        conflict(after=b"\n4\n5\n6\n"),
        conflict(after=b"4\n5\n"),
    ],
)
def test_one_byte_of_difference_is_another_place(other: Conflict) -> None:
    said = asked(CERTAIN, of=other)
    assert isinstance(said, Abstain)
    assert said.why == "not_seen"


def test_lines_further_away_and_line_numbers_do_not_matter() -> None:
    moved = conflict(replace(HUNK, line=900), before=b"0\n1\n2\n3\n", after=b"4\n5\n6\n7\n")
    assert isinstance(asked(CERTAIN, of=moved), Candidate)


def test_bytes_cannot_change_place_between_sides() -> None:
    shifted = conflict(replace(HUNK, base=b"b\nu\n", upstream=b""))
    assert keys(shifted)[0] != keys(conflict())[0]


def test_a_path_that_is_no_text_has_a_key_too() -> None:
    assert len(keys(conflict(path="caf\udce9.py"))[0]) == 64


def test_a_mark_names_place_and_text_and_a_strange_one_names_nothing() -> None:
    assert unmarked([GIVEN.mark, "strange"]) == {GIVEN.key: digest(b"x\n")}
    assert mark("a", "b") == "a.b"


def side(text: bytes | None, mode: str = "100644") -> Version:
    return Version(path="a.py", mode=mode, oid="0" * 40, content=text)


WHOLE = replace(conflict(), base=side(b"b"), upstream=side(b"u"), commit=side(b"c"))


@pytest.mark.parametrize(
    "other",
    [
        replace(WHOLE, path="b.py"),
        replace(WHOLE, kind=Kind.ADD_ADD),
        replace(WHOLE, base=None),
        replace(WHOLE, base=side(b"")),
        replace(WHOLE, upstream=side(b"u2")),
        replace(WHOLE, commit=side(b"c", "100755")),
        replace(WHOLE, upstream=side(b"c"), commit=side(b"u")),
    ],
)
def test_a_text_for_a_whole_file_is_for_these_sides_only(other: Conflict) -> None:
    assert len(whole_key(WHOLE)) == 64
    assert whole_key(other) != whole_key(WHOLE)
    assert whole_key(replace(WHOLE, subject="another commit")) == whole_key(WHOLE)
    assert whole_key(WHOLE) not in keys(WHOLE).values()


def test_a_side_that_was_not_read_has_no_key() -> None:
    assert whole_key(replace(WHOLE, upstream=side(None))) == ""


# ------------------------------------------------------------------------------------------------------ rules


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", ""),
        (b"Title\n=======\n", ""),
        (b"a <<<<<<< b\n", ""),
        (b"<<<<<<< up\n", "markers"),
        (b"a\n>>>>>>> x", "markers"),
        (b"a\n||||||| base\nb\n", "markers"),
        (b"a\0b", "nul"),
        (b"x" * LARGEST, ""),
        (b"x" * (LARGEST + 1), "too_large"),
    ],
)
def test_a_text_that_no_file_should_have_is_never_kept(text: bytes, why: str) -> None:
    assert poisoned(text) == why


def test_an_answer_begins_as_a_proposal_of_its_rung() -> None:
    kept = used(None, GIVEN, "J1")
    assert kept == replace(KEPT, last=("J1", "c1"))
    assert kept is not None
    assert not kept.stands


def test_a_use_is_counted_once_for_each_commit_of_each_job() -> None:
    kept = used(None, GIVEN, "J1")
    again = used(kept, replace(GIVEN, rung="memory"), "J1")  # the stage ran twice
    assert again == kept
    later = used(again, replace(GIVEN, rung="memory", commit="c2"), "J1")
    elsewhere = used(later, replace(GIVEN, rung="memory"), "J2")
    assert [one and one.uses for one in (later, elsewhere)] == [2, 3]
    assert elsewhere is not None
    assert (elsewhere.rung, elsewhere.job, elsewhere.last) == ("model", "J1", ("J2", "c1"))


def test_what_memory_offered_and_was_forgotten_meanwhile_stays_forgotten() -> None:
    assert used(None, replace(GIVEN, rung="memory"), "J1") is None


OTHER = replace(GIVEN, text=b"y\n", rung="structural")


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (KEPT, b"y\n"),  # nobody had agreed to it
        (replace(KEPT, refused=Refused.UNDONE), b"y\n"),
        (replace(BY_ADA, refused=Refused.UNDONE), b"y\n"),
        (replace(KEPT, confirmed=Confirmed.TESTS), b"x\n"),
        (BY_ADA, b"x\n"),
        (replace(BY_ADA, confirmed=Confirmed.NOBODY), b"x\n"),
    ],
)
def test_another_rungs_answer_takes_the_place_of_what_nobody_agreed_to_only(
    before: Kept, text: bytes
) -> None:
    after = used(before, OTHER, "J2")
    assert after is not None
    assert after.digest == digest(text)


@pytest.mark.parametrize("before", [None, KEPT, BY_ADA, replace(KEPT, refused=Refused.REJECTED)])
@pytest.mark.parametrize("text", [b"x\n", b"z\n"])
def test_a_persons_text_stands_at_once_and_above_all_others(before: Kept | None, text: bytes) -> None:
    after = used(before, replace(GIVEN, text=text, rung="person", rule="edited", by=BOB), "J2")
    assert after is not None
    assert (after.rung, after.by, after.confirmed) == ("person", BOB, Confirmed.PERSON)
    assert (after.digest, after.refused, after.job) == (digest(text), Refused.NOBODY, "J2")


def test_tests_confirm_a_proposal_and_leave_what_a_person_confirmed() -> None:
    assert after_tests(KEPT, passed=True) == replace(KEPT, confirmed=Confirmed.TESTS)
    assert after_tests(BY_ADA, passed=True) == BY_ADA


def test_tests_do_not_bring_back_what_was_taken_back() -> None:
    refused = replace(KEPT, refused=Refused.UNDONE)
    assert after_tests(refused, passed=True) == refused
    assert after_tests(refused, passed=False) == refused


def test_red_tests_let_forget_a_proposal_and_make_one_of_what_was_confirmed() -> None:
    assert after_tests(KEPT, passed=False) is None
    confirmed = replace(KEPT, confirmed=Confirmed.TESTS)
    assert after_tests(confirmed, passed=False) == KEPT
    assert after_tests(BY_ADA, passed=False) == replace(BY_ADA, confirmed=Confirmed.NOBODY)


def test_a_yes_names_who_said_it_and_clears_an_earlier_no() -> None:
    after = approved(replace(KEPT, refused=Refused.REJECTED), ADA)
    assert after == replace(KEPT, confirmed=Confirmed.PERSON, by=ADA)
    assert approved(BY_ADA, BOB) == BY_ADA


def test_a_no_refuses_a_rungs_answer_and_doubts_a_persons() -> None:
    assert rejected(KEPT).refused is Refused.REJECTED
    assert rejected(BY_ADA) == replace(BY_ADA, confirmed=Confirmed.NOBODY)


def test_what_was_undone_is_refused_whoever_gave_it() -> None:
    for kept in (KEPT, BY_ADA):
        assert undone(kept).refused is Refused.UNDONE
        assert not undone(kept).stands


def test_a_rule_reaches_only_the_text_that_was_meant_and_tells_only_what_changes() -> None:
    before = {"a": KEPT, "b": replace(KEPT, digest=digest(b"other")), "c": KEPT, "d": BY_ADA}
    marks = {mark(key, KEPT.digest) for key in "abd"}
    after = marked(before, marks, lambda kept: after_tests(kept, passed=True))
    assert after == {"a": replace(KEPT, confirmed=Confirmed.TESTS)}
    assert marked(before, marks, lambda _kept: None) == {"a": None, "d": None}


# ----------------------------------------------------------------------------------------------------- recall


def test_nothing_is_known_at_first() -> None:
    said = asked(None)
    assert isinstance(said, Abstain)
    assert said.why == "not_seen"


@pytest.mark.parametrize(
    ("kept", "why", "confirmed"),
    [
        (
            replace(STRUCTURAL, confirmed=Confirmed.TESTS),
            "answered before by structural in job J1 (confirmed by tests): both fit",
            True,
        ),
        (STRUCTURAL, "answered before by structural in job J1 (a proposal): both fit", False),
        (CERTAIN, "answered before by mechanical in job J1 (a proposal): both fit", True),
        (
            approved(STRUCTURAL, ADA),
            "answered before by structural in job J1 (approved by Ada): both fit",
            True,
        ),
        (BY_ADA, "as Ada decided in job J1: both fit", True),
        (replace(BY_ADA, confirmed=Confirmed.NOBODY), "as Ada decided in job J1: both fit", False),
        (
            replace(KEPT, confirmed=Confirmed.TESTS),
            "answered before by model in job J1 (confirmed by tests, at no cost now): both fit",
            True,
        ),
        (replace(CERTAIN, job="", why=""), "answered before by mechanical in this run (a proposal)", True),
    ],
)
def test_an_answer_says_where_it_comes_from_and_is_worth_what_was_agreed_or_its_first_rung(
    kept: Kept, why: str, confirmed: bool
) -> None:
    said = asked(kept)
    assert isinstance(said, Candidate)
    (answer,) = said.answers
    assert (answer.text, answer.rung, answer.why, answer.confirmed) == (b"x\n", "memory", why, confirmed)
    assert answer.rule == f"answered before by {kept.rung}"


@pytest.mark.parametrize(
    ("kept", "sentence"),
    [
        (
            replace(STRUCTURAL, refused=Refused.UNDONE),
            "the answer by structural that was given before in job J1 was pushed and undone",
        ),
        (
            replace(STRUCTURAL, refused=Refused.REJECTED),
            "the answer by structural that was given before in job J1 was rejected by a person",
        ),
    ],
)
def test_what_was_taken_back_is_not_offered_again(kept: Kept, sentence: str) -> None:
    said = asked(kept)
    assert isinstance(said, Abstain)
    assert (said.why, said.sentence) == ("not_offered", sentence)


def test_a_rung_that_is_off_is_off_in_memory_too_unless_somebody_agreed() -> None:
    policy = Policy(actions={"memory": Action.ACT, "structural": Action.OFF})
    assert isinstance(asked(STRUCTURAL, policy), Abstain)
    assert isinstance(asked(replace(STRUCTURAL, confirmed=Confirmed.TESTS), policy), Candidate)


def test_only_a_persons_text_stands_for_a_whole_file() -> None:
    said = recall_whole(WHOLE, Found(kept=BY_ADA, text=b"hers"), "100755")
    assert said is not None
    assert said.whole is not None
    assert (said.whole.text, said.whole.mode, said.whole.path) == (b"hers", "100755", "a.py")
    assert (said.whole.rung, said.whole.why, said.whole.confirmed) == (
        "memory",
        "as Ada decided in job J1",
        True,
    )
    assert said.answers == ()
    for kept in (STRUCTURAL, replace(BY_ADA, refused=Refused.UNDONE)):
        assert recall_whole(WHOLE, Found(kept=kept, text=b"x"), "100644") is None
    assert recall_whole(WHOLE, None, "100644") is None


def test_only_the_hunks_that_are_known_are_answered() -> None:
    second = replace(HUNK, index=1, upstream=b"other\n")
    both = replace(conflict(), segments=(*conflict().segments, second, b""))
    said = asked(CERTAIN, of=both)
    assert isinstance(said, Candidate)
    assert [answer.index for answer in said.answers] == [0]


def test_who_has_no_name_is_a_person() -> None:
    assert told(replace(BY_ADA, by=Person(user=""))).startswith("as a person decided")
