"""The model rung as a whole, with the scripted provider behind the real service."""

import itertools
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from flowforge.core.conflict import Abstain, Candidate, Conflict, Hunk, Kind, resolve_with
from flowforge.core.errors import Broken, Reason, Temporary
from flowforge.llm.in_process import LocalBooks
from flowforge.llm.prices import Prices
from flowforge.llm.rung import ModelRung
from flowforge.llm.service import ModelService, Ports
from flowforge.resolve.prompt import Facts
from flowforge.resolve.templates import FILES, read_templates
from flowforge_plugins.models.scripted import register_model_providers
from flowforge_plugins.models.scripted_answers import Scripted, connect
from tests.unit.llm.conftest import WHO, Open, Provider, Time

HUNK = Hunk(
    index=0,
    base=b"    run(a)\n",
    upstream=b"    run(a)\n    log(a)\n",
    commit=b"    run(a)\n    check(a)\n",
    line=2,
)
ADDED = Hunk(index=1, base=b"", upstream=b"import x\n", commit=b"import y\n", line=9)
CONFLICT = Conflict(
    path="src/a.py",
    kind=Kind.CONTENT,
    base=None,
    upstream=None,
    commit=None,
    segments=(b"def f(a):\n", HUNK, b"\n", ADDED, b""),
)
MODEL = register_model_providers()[0]
PROMPTS = Path(__file__).parents[3] / "config" / "prompts"
TEMPLATES = read_templates({name: (PROMPTS / name).read_text() for name in FILES})


class Rung:
    def __init__(self, provider: object, model: str = MODEL.default_model) -> None:
        books, words = LocalBooks(), itertools.count()
        self.calls = books.calls
        ports = Ports(
            books=books,
            limiter=Open(),
            clock=Time().clock,
            sleep=lambda _seconds: None,
            random=lambda: 0.0,
        )
        prices = Prices(date="", source="")
        self.rung = ModelRung(
            service=ModelService(MODEL, lambda: provider, prices, ports),  # type: ignore[arg-type,return-value]
            templates=TEMPLATES,
            model=model,
            asker=WHO,
            secrets=lambda _text: (),
            draw=lambda: f"delimiter{next(words):012d}",
            shared="shared" + "0" * 12,
        )

    def __call__(self, conflict: Conflict = CONFLICT) -> Candidate | Abstain:
        return self.rung(conflict, Facts(language="python"))


def scripted(**settings: str) -> Rung:
    return Rung(connect(settings))


def result(judged: Candidate | Abstain) -> bytes:
    assert isinstance(judged, Candidate), judged
    return resolve_with(CONFLICT, judged.answers).result


def test_keep_both_keeps_both() -> None:
    made = scripted()
    assert result(made()) == (b"def f(a):\n    run(a)\n    log(a)\n    check(a)\n\nimport x\nimport y\n")
    assert [call.operation for call in made.calls] == ["resolve"]
    assert made.calls[0].cost == 0


@pytest.mark.parametrize("side", ["upstream", "commit"])
def test_a_side_can_be_scripted(side: str) -> None:
    judged = scripted(rule=side)()
    assert isinstance(judged, Candidate)
    assert [a.text for a in judged.answers] == [getattr(HUNK, side), getattr(ADDED, side)]
    assert all(not a.confirmed and "scripted" in a.why for a in judged.answers)


def test_a_script_may_speak_of_paths_hunks_rules_and_texts() -> None:
    script = {"src/a.py": {"0": "upstream", "1": "import x, y\n"}}
    made = scripted(script=json.dumps(script), rule="abstain")
    assert result(made()) == b"def f(a):\n    run(a)\n    log(a)\n\nimport x, y\n"


def test_a_rule_may_be_named_as_the_model() -> None:
    judged = Rung(connect({}), model="upstream")()
    assert isinstance(judged, Candidate)
    assert [answer.rule for answer in judged.answers] == ["upstream", "upstream"]


def test_other_paths_follow_the_rule() -> None:
    judged = scripted(script='{"other.py": "both"}', rule="abstain")()
    assert isinstance(judged, Abstain)
    assert judged.why == "model_abstained"


def test_what_no_word_tells_passes_the_check_as_a_proposal() -> None:
    judged = scripted(script='{"src/a.py": {"0": "bad:syntax"}}')()
    assert b"(((" in result(judged)
    assert isinstance(judged, Candidate)
    assert not any(answer.confirmed for answer in judged.answers)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("bad:marker", "markers"),
        ("bad:lost", "lost_change"),
        ("bad:garbage", "not_json"),
        ("bad:dangerous", "dangerous"),
        ("bad:secret", "secret"),
    ],
)
def test_a_bad_answer_is_asked_again_once_and_then_handed_back(rule: str, why: str) -> None:
    made = scripted(rule=rule)
    judged = made()
    assert isinstance(judged, Abstain)
    assert judged.why == why
    assert judged.sentence.startswith("the model's answer was not accepted: ")
    assert [call.operation for call in made.calls] == ["resolve", "repair"]


def test_an_empty_answer_is_not_worth_a_second_question() -> None:
    made = scripted(rule="bad:nothing")
    judged = made()
    assert isinstance(judged, Abstain)
    assert judged.why == "empty"
    assert len(made.calls) == 1


def test_the_repair_is_told_what_was_wrong_and_may_succeed() -> None:
    asked: list[str] = []
    first, good = connect({"rule": "bad:marker"}), connect({"rule": "both"})

    class Learns(Scripted):
        def complete(self, request, deadline):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
            asked.append(request.prompt)
            return (first if len(asked) == 1 else good).complete(request, deadline)

    assert isinstance(Rung(Learns(rule="both", script={}))(), Candidate)
    assert "the text of hunk 0 holds a conflict marker" in asked[1]


def test_the_same_conflict_is_asked_once_though_delimiters_differ() -> None:
    made = scripted()
    assert made() == made()
    assert [call.cache_hit for call in made.calls] == [False, True]


def test_a_conflict_that_is_not_for_models_costs_no_call() -> None:
    made = scripted()
    judged = made(Conflict(path="a", kind=Kind.BINARY, base=None, upstream=None, commit=None))
    assert isinstance(judged, Abstain)
    assert made.calls == []


def test_an_outage_goes_up_so_that_the_job_waits() -> None:
    down = Provider(Temporary(Reason.MODEL_UNAVAILABLE, "down", delay=900))
    with pytest.raises(Temporary):
        Rung(down)()


@pytest.mark.parametrize(
    "settings", [{"rule": "magic"}, {"script": "{"}, {"script": "1"}, {"script": "[]"}, {"script": '"x"'}]
)
def test_a_script_that_makes_no_sense_is_refused_at_start(settings: Mapping[str, str]) -> None:
    with pytest.raises(Broken, match="scripted model cannot start"):
        connect(settings)


def test_a_list_gives_its_answers_in_order_and_then_the_last() -> None:
    row = {"id": 0, "kept": [], "dropped": [], "why": "w", "elsewhere": [], "text": "", "action": "abstain"}
    answers = [{"hunks": [row, {**row, "id": 1}]}, "nonsense"]
    made = scripted(script=json.dumps(answers))
    assert [made().why for _ in range(1)] == ["model_abstained"]  # type: ignore[union-attr]
    other = scripted(script=json.dumps(["nonsense", answers[0]]))
    assert other().why == "model_abstained"  # type: ignore[union-attr]


def test_the_scripted_provider_says_what_it_is() -> None:
    assert MODEL.scripted
    assert Rung(connect({})).rung.service.scripted
