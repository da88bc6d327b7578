import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowforge.core.conflict import Abstain, Candidate, Conflict, Hunk, Kind, resolve_with
from flowforge.core.spend import Usage
from flowforge.hooks.contracts import ModelAnswer
from flowforge.resolve.answer import MAX_WHY, check, judge
from flowforge.resolve.answer_shape import SCHEMA, Flaw, Problem

RETRY = Hunk(index=0, base=b"retry(3)\n", upstream=b"retry(5)\n", commit=b"retry(3, wait=1)\n")
ADDED = Hunk(index=1, base=b"", upstream=b"import a\n", commit=b"import b\n")


def conflict(*hunks: Hunk) -> Conflict:
    segments: list[bytes | Hunk] = [b"def f():\n"]
    for hunk in hunks:
        segments += [hunk, b"    pass\n"]
    return Conflict(
        path="a.py", kind=Kind.CONTENT, base=None, upstream=None, commit=None, segments=tuple(segments)
    )


def row(**values: object) -> dict[str, object]:
    usual = {"id": 0, "action": "merged", "text": "retry(5, wait=1)\n", "why": "both fit"}
    return {**usual, "kept": [], "dropped": [], "elsewhere": [], **values}


def lost(side: str, what: str) -> dict[str, str]:
    return {"side": side, "what": what, "why": "superseded"}


def said(*rows: Mapping[str, object]) -> str:
    return json.dumps({"hunks": rows})


def accept(hunk: Hunk, **values: object) -> Candidate:
    judged = check(conflict(hunk), said(row(id=hunk.index, **values)))
    assert isinstance(judged, Candidate), judged
    return judged


def refuse(hunk: Hunk, **values: object) -> Problem:
    judged = check(conflict(hunk), said(row(id=hunk.index, **values)))
    assert isinstance(judged, Problem), judged
    return judged


def test_a_merge_of_both_changes_is_a_proposal_of_the_model() -> None:
    (answer,) = accept(RETRY).answers
    assert answer.text == b"retry(5, wait=1)\n"
    assert (answer.rung, answer.rule, answer.confirmed, answer.index) == ("model", "merged", False, 0)
    assert answer.why == "both fit"


def test_naming_a_side_takes_its_bytes_and_not_the_answers() -> None:
    crlf = Hunk(index=0, base=b"a\r\n", upstream=b"b\r\n", commit=b"c\r\n")
    (answer,) = accept(crlf, action="upstream", text="b", dropped=[lost("commit", "c")]).answers
    assert answer.text == b"b\r\n"


@pytest.mark.parametrize(("action", "other"), [("upstream", "commit"), ("commit", "upstream")])
def test_taking_one_side_must_own_up_to_what_the_other_loses(action: str, other: str) -> None:
    assert refuse(RETRY, action=action, text="").flaw is Flaw.LOST_CHANGE
    (answer,) = accept(RETRY, action=action, text="", dropped=[lost(other, "its change")]).answers
    assert answer.text == (RETRY.upstream if action == "upstream" else RETRY.commit)
    assert f"dropped: its change of {other}" in answer.why


def test_a_side_that_changed_nothing_loses_nothing() -> None:
    same = Hunk(index=0, base=b"a\n", upstream=b"a\n", commit=b"b\n")
    assert accept(same, action="commit", text="").answers[0].text == b"b\n"


def test_text_beside_a_named_side_must_be_that_sides() -> None:
    assert refuse(RETRY, action="upstream", text="retry(5, wait=1)").flaw is Flaw.TEXT_DISAGREES


def test_both_is_one_after_the_other_in_either_order() -> None:
    assert accept(ADDED, action="both", text="").answers[0].text == b"import a\nimport b\n"
    swapped = accept(ADDED, action="both", text="import b\nimport a\n")
    assert swapped.answers[0].text == b"import b\nimport a\n"
    assert refuse(ADDED, action="both", text="import a\n").flaw is Flaw.TEXT_DISAGREES


def test_both_would_repeat_a_base() -> None:
    assert refuse(RETRY, action="both", text="").flaw is Flaw.BOTH_WITH_BASE


def test_both_joins_a_last_line_without_an_end() -> None:
    end = Hunk(index=0, base=b"", upstream=b"x", commit=b"y")
    assert accept(end, action="both", text="").answers[0].text == b"x\ny"


def test_hunks_that_are_abstained_from_stay_open() -> None:
    text = said(row(), row(id=1, action="abstain", text="", why="unclear"))
    judged = check(conflict(RETRY, ADDED), text)
    assert isinstance(judged, Candidate)
    assert [answer.index for answer in judged.answers] == [0]


def test_abstaining_from_all_is_an_abstention_with_the_models_reason() -> None:
    judged = check(conflict(RETRY), said(row(action="abstain", text="", why="two\nintents")))
    assert judged == Abstain(why="model_abstained", sentence="the model gave no answer: two intents")


def test_an_answer_fits_the_conflict_it_was_made_for() -> None:
    whole = conflict(RETRY, ADDED)
    judged = check(whole, said(row(id=1, action="both", text=""), row()))
    assert isinstance(judged, Candidate)
    assert resolve_with(whole, judged.answers).result == (
        b"def f():\nretry(5, wait=1)\n    pass\nimport a\nimport b\n    pass\n"
    )


def test_ids_need_not_begin_at_nought_where_lower_rungs_answered() -> None:
    assert accept(Hunk(index=4, base=b"", upstream=b"a\n", commit=b"b\n"), action="both", text="").answers


def test_the_sides_line_ends_are_kept() -> None:
    crlf = Hunk(index=0, base=b"a = 1\r\n", upstream=b"a = 2\r\n", commit=b"a = 1, 3\r\n")
    assert accept(crlf, text="a = 2, 3").answers[0].text == b"a = 2, 3\r\n"


def test_line_ends_that_no_side_has_are_put_right() -> None:
    assert accept(RETRY, text="retry(5, wait=1)\r\n").answers[0].text == b"retry(5, wait=1)\n"


def test_a_bare_carriage_return_hides_text_in_a_file_with_crlf_too() -> None:
    crlf = Hunk(index=0, base=b"a = 1\r\n", upstream=b"a = 2\r\n", commit=b"a = 1, 3\r\n")
    assert refuse(crlf, text="a = 2, 3 # x\ry\r\n").flaw is Flaw.CONTROL_CHARACTERS


def test_a_last_line_without_an_end_stays_without() -> None:
    end = Hunk(index=0, base=b"a = 1", upstream=b"a = 2", commit=b"a = 1, 3")
    assert accept(end, text="a = 2, 3").answers[0].text == b"a = 2, 3"


@pytest.mark.parametrize(
    ("base", "upstream", "commit", "end"),
    [
        (b"a = 1", b"a = 2\n", b"a = 1, 3", b"\n"),  # upstream added the line end
        (b"a = 1\n", b"a = 2", b"a = 1, 3\n", b""),  # upstream took it away
        (b"a = 1\n", b"a = 2\n", b"a = 1, 3", b""),
        (b"", b"a = 2", b"3\n", b"\n"),
        (b"a = 1\n", b"a = 2\n", b"a = 1, 3\n", b"\n"),
    ],
)
def test_a_last_line_end_is_merged_as_the_sides_have_it(
    base: bytes, upstream: bytes, commit: bytes, end: bytes
) -> None:
    hunk = Hunk(index=0, base=base, upstream=upstream, commit=commit)
    assert accept(hunk, text="a = 2, 3").answers[0].text == b"a = 2, 3" + end


def test_a_change_may_be_dropped_when_it_is_named() -> None:
    assert refuse(RETRY, text="retry(5)\n").flaw is Flaw.LOST_CHANGE
    assert refuse(RETRY, text="retry(5)\n", dropped=[lost("upstream", "wait 1")]).flaw is Flaw.LOST_CHANGE
    assert accept(RETRY, text="retry(5)\n", dropped=[lost("commit", "wait=1, 3")]).answers


def test_what_a_side_removed_may_not_come_back_unsaid() -> None:
    gone = Hunk(index=0, base=b"log(x)\nrun(x)\n", upstream=b"run(x)\n", commit=b"log(x)\nrun(x, 2)\n")
    problem = refuse(gone, text="log(x)\nrun(x, 2)\n")
    assert (problem.flaw, "'log' of upstream" in problem.sentence) == (Flaw.LOST_CHANGE, True)
    assert accept(gone, text="run(x, 2)\n").answers


def test_a_repeated_word_is_counted_and_not_only_seen() -> None:
    twice = Hunk(index=0, base=b"go(a)\n", upstream=b"go(a)\ngo(b)\n", commit=b"go(a, 1)\n")
    problem = refuse(twice, text="go(a, 1)\nb = 1\n")
    assert (problem.flaw, problem.hunk) == (Flaw.LOST_CHANGE, 0)


def test_one_line_may_hold_what_two_sides_added() -> None:
    names = Hunk(index=0, base=b"import a\n", upstream=b"import a, b\n", commit=b"import a, c\n")
    assert accept(names, text="import a, b, c\n").answers


def test_new_names_are_few_and_shown() -> None:
    (answer,) = accept(RETRY, text="retry(5, wait=1, cause=None)\n").answers
    assert "new names: cause, None" in answer.why
    many = "retry(5, wait=1, " + ", ".join(f"new{n}" for n in range(9)) + ")\n"
    assert refuse(RETRY, text=many).flaw is Flaw.TOO_MUCH_NEW


def test_names_of_the_whole_file_are_not_new() -> None:
    (answer,) = accept(RETRY, text="def f(): retry(5, wait=1)\n").answers
    assert "new names" not in answer.why


def test_a_marker_that_a_side_has_is_text() -> None:
    title = Hunk(index=0, base=b"A\n=======\n", upstream=b"AB\n=======\n", commit=b"A C\n=======\n")
    text = "AB C\n=======\n"
    assert accept(title, text=text, dropped=[lost("commit", "A")]).answers


def test_a_character_that_a_side_has_may_stay() -> None:
    joined = Hunk(index=0, base=b"a", upstream="a\u200db".encode(), commit=b"a c")
    assert accept(joined, text="a\u200db c", dropped=[lost("commit", "a")]).answers


def test_what_people_read_is_one_line_bounded_and_printable() -> None:
    (answer,) = accept(RETRY, why="x\n\ty" * 500, elsewhere=["docs\nsay 3"]).answers
    assert len(answer.why) <= MAX_WHY
    assert answer.why.isprintable()


def test_notes_may_not_carry_terminal_codes() -> None:
    assert refuse(RETRY, why="\x1b[2J all good").flaw is Flaw.CONTROL_CHARACTERS
    assert refuse(RETRY, kept=["\u202eevil"]).flaw is Flaw.HIDDEN_CHARACTERS


@pytest.mark.parametrize(
    ("stop", "kind"),
    [("end", Candidate), ("refusal", Abstain), ("max_tokens", Problem), ("cut", Problem), ("other", Problem)],
)
def test_how_the_model_stopped_is_looked_at_first(stop: str, kind: type) -> None:
    judged = judge(conflict(RETRY), ModelAnswer(text=said(row()), usage=Usage(), stop=stop))
    assert isinstance(judged, kind)


def test_the_schema_closes_every_object_as_structured_output_needs() -> None:
    def objects(schema: object) -> list[dict[str, object]]:
        if isinstance(schema, dict):
            inner = [found for value in schema.values() for found in objects(value)]
            return inner + ([schema] if schema.get("type") == "object" else [])
        return []

    for found in objects(SCHEMA):
        assert found["additionalProperties"] is False
        assert found["required"] == list(found["properties"])  # type: ignore[call-overload]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)
ROWS = st.fixed_dictionaries(
    {
        "id": st.integers(-1, 2) | JSON,
        "action": st.sampled_from(["upstream", "commit", "both", "merged", "abstain"]) | JSON,
        "text": st.sampled_from(["", "retry(5, wait=1)\n", "import a\nimport b\n"]) | st.text() | JSON,
        "kept": st.just([]) | JSON,
        "dropped": st.just([lost("commit", "wait 1 3 b")]) | st.just([lost("upstream", "5 a")]) | JSON,
        "why": st.text() | JSON,
        "elsewhere": st.just([]) | JSON,
    }
)


@given(
    st.text()
    | JSON.map(json.dumps)
    | st.lists(ROWS, max_size=3).map(lambda rows: json.dumps({"hunks": rows}))
)
@settings(max_examples=400, deadline=None)
def test_no_answer_whatever_raises_or_slips_through(text: str) -> None:
    judged = check(conflict(RETRY, ADDED), text)
    if not isinstance(judged, Candidate):
        assert judged.sentence
        return
    hunks = {hunk.index: hunk for hunk in (RETRY, ADDED)}
    for answer in judged.answers:
        hunk = hunks[answer.index]
        assert not answer.confirmed
        assert answer.why.isprintable()
        if answer.rule in {"upstream", "commit"}:
            assert answer.text == getattr(hunk, answer.rule)
        assert b"<<<<<<<" not in answer.text
        assert all(char.isprintable() or char in "\n\t" for char in answer.text.decode())


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_sides_of_any_bytes_can_be_judged(base: bytes, upstream: bytes, commit: bytes) -> None:
    hunk = Hunk(index=0, base=base, upstream=upstream, commit=commit)
    for side in ("upstream", "commit"):
        row_ = row(action=side, text="", dropped=[lost("commit", "x"), lost("upstream", "x")])
        judged = check(conflict(hunk), said(row_))
        assert isinstance(judged, Candidate)
        assert judged.answers[0].text == getattr(hunk, side)
    check(conflict(hunk), said(row(text="x")))
