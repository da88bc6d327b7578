"""The second look: what is asked, what an answer must be, and that nothing but doubt follows from it."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from flowforge.core.conflict import Conflict, Hunk, HunkAnswer, Kind, resolve_with
from flowforge.core.spend import Usage
from flowforge.hooks.contracts import ModelAnswer
from flowforge.resolve.remerge import (
    FILES,
    MAX_PLACES,
    LookQuestion,
    Place,
    Replayed,
    Verdict,
    build,
    places_of,
    read_verdicts,
    remerge_templates,
)

PROMPTS = Path(__file__).parents[3] / "config" / "prompts"
TEMPLATES = remerge_templates({name: (PROMPTS / name).read_text() for name in FILES})
WORD = "k3j9x7q2m5n8p4r6"
HUNKS = (
    Hunk(index=0, base=b"a\n", upstream=b"a1\n", commit=b"a2\n", line=3),
    Hunk(index=1, base=b"b\n", upstream=b"b1\n", commit=b"b2\n", line=9),
)
REPLAYED = Replayed(commit="c" * 40, onto="u" * 40, message="Mend it\n\n--- not a part\n")


def answer(index: int, rung: str = "model", text: bytes = b"both\n") -> HunkAnswer:
    return HunkAnswer(
        index=index, text=text, rung=rung, rule="merged", why="persuasive words", confirmed=False
    )


def places(*rungs: str) -> Sequence[Place]:
    conflict = Conflict(
        path="src/a.py",
        kind=Kind.CONTENT,
        base=None,
        upstream=None,
        commit=None,
        segments=(b"one\ntwo\n", HUNKS[0], b"three\n", HUNKS[1], b"four\n"),
    )
    return places_of([resolve_with(conflict, [answer(n, rung) for n, rung in enumerate(rungs)])])


BOTH = places("model", "model")


def question(shown: Sequence[Place] = BOTH, **values: object) -> LookQuestion:
    made = build(
        REPLAYED, shown, TEMPLATES, **{"model": "m", "delimiter": WORD, "secrets": lambda _t: (), **values}
    )  # type: ignore[arg-type]
    assert isinstance(made, LookQuestion), made
    return made


def said(*rows: object, stop: str = "end") -> ModelAnswer:
    return ModelAnswer(text=json.dumps({"places": rows}), usage=Usage(), stop=stop)


def row(
    number: object, verdict: object = "accept", why: object = "fits", **more: object
) -> dict[str, object]:
    return {"id": number, "verdict": verdict, "why": why, **more}


def test_only_what_the_model_answered_is_looked_at() -> None:
    assert [place.hunk.index for place in places("structural", "model")] == [1]
    assert places("memory", "structural") == ()


def test_a_place_is_shown_as_git_left_it_and_as_it_is_now() -> None:
    prompt = question().request.prompt
    shown = prompt.partition(f"--- {WORD} place 0")[2].partition(f"--- {WORD} place 1")[0]
    assert shown.splitlines()[1:] == [
        " one",
        " two",
        "-<<<<<<< upstream",
        "-a1",
        "-||||||| base",
        "-a",
        "-=======",
        "-a2",
        "->>>>>>> commit",
        "+both",
        " three",
        " both",
        " four",
    ]


def test_the_reasons_that_came_with_an_answer_are_not_shown() -> None:
    assert "persuasive" not in question().request.prompt + question().request.system


def test_no_line_of_the_repository_begins_like_a_part() -> None:
    lines = question().request.prompt.splitlines()
    assert all(line.startswith(f"--- {WORD} ") for line in lines if line.startswith("---"))
    assert "| --- not a part" in lines


def test_equal_questions_have_equal_keys_whatever_the_word() -> None:
    assert question().key == question(delimiter="z" * 16).key
    assert question().key != question(places("model", "structural")).key
    assert question().request.operation == "remerge"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"delimiter": "short"}, "set it apart"),
        ({"delimiter": "u" * 12 + "----"}, "set it apart"),
        ({"secrets": lambda _text: ("an AWS key",)}, "secret"),
        ({"places": BOTH * (MAX_PLACES // 2 + 1)}, "places"),
        (
            {
                "places": places_of([])
                or [Place(path="a", hunk=HUNKS[0], answer=answer(0, text=b"x" * 130_000))]
            },
            "characters",
        ),
    ],
)
def test_what_cannot_be_asked_is_said(values: dict[str, object], why: str) -> None:
    given = {"model": "m", "delimiter": WORD, "secrets": lambda _t: (), **values}
    shown = given.pop("places", BOTH)
    made = build(REPLAYED, shown, TEMPLATES, **given)  # type: ignore[arg-type]
    assert isinstance(made, str)
    assert why in made


def test_each_place_has_its_verdict() -> None:
    made = read_verdicts(said(row(1, "doubt", "a change\nis missing"), row(0)), BOTH)
    assert made == {
        ("src/a.py", 0): Verdict(word="accept", why="fits"),
        ("src/a.py", 1): Verdict(word="doubt", why="a change is missing"),
    }


@pytest.mark.parametrize(
    "bad",
    [
        said(row(0)),
        said(row(0), row(0)),
        said(row(0), row(1), row(2)),
        said(row(0), row(-1)),
        said(row(0), row(True)),
        said(row(0), row(1.0)),
        said(row(0), row("1")),
        said(row(0), row(1, "Accept")),
        said(row(0), row(1, "approve")),
        said(row(0), row(1, ["accept"])),
        said(row(0), row(1, why=None)),
        said(row(0), row(1, why="\x1b[2J")),
        said(row(0), row(1, why="fine \u202eenif")),
        said(row(0), row(1, why="\ud800")),
        said(row(0), row(1, path="../../x")),
        said(row(0), {"id": 1, "verdict": "accept"}),
        said(row(0), "accept"),
        said(row(0), row(1), stop="max_tokens"),
        said(row(0), row(1), stop="refusal"),
        ModelAnswer(text="accept", usage=Usage(), stop="end"),
        ModelAnswer(text="", usage=Usage(), stop="end"),
        ModelAnswer(text="[]", usage=Usage(), stop="end"),
        ModelAnswer(text='{"places": {}}', usage=Usage(), stop="end"),
        ModelAnswer(text='{"places": [], "places": []}', usage=Usage(), stop="end"),
        ModelAnswer(text='{"places": [], "accept": true}', usage=Usage(), stop="end"),
    ],
)
def test_an_answer_that_is_none_is_no_acceptance(bad: ModelAnswer) -> None:
    assert isinstance(read_verdicts(bad, BOTH), str)


def test_a_long_reason_is_cut() -> None:
    made = read_verdicts(said(row(0, why="x" * 5000), row(1)), BOTH)
    assert not isinstance(made, str)
    assert len(made["src/a.py", 0].why) == 400
