"""The model rung as a job gets it: which provider, under which caps, at which cost."""

import itertools
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import ModuleType
from uuid import UUID

import pytest

from flowforge.core.conflict import Abstain, Candidate, Conflict, Hunk, Kind
from flowforge.core.errors import Broken, Reason, Refused
from flowforge.core.pipeline import Limits
from flowforge.core.spend import Price, Usage
from flowforge.hooks.contracts import Model, ModelAnswer, ModelRequest
from flowforge.hooks.manager import Registry, discover, load_plugins
from flowforge.llm.in_process import LocalBooks
from flowforge.llm.ports import Asker
from flowforge.llm.service import Ports
from flowforge.pipeline.options import ModelOptions
from flowforge.resolve.answer import sees_nothing
from flowforge.resolve.prompt import Facts
from flowforge.settings import Settings
from flowforge.wiring.model_setup import connect
from flowforge.wiring.models import JobModels, Services, find_model, secret_kinds

MODULE = "model_of_a_test"
PRICE = Price(input=Decimal(1), output=Decimal(2), cache_write=Decimal(1), cache_read=Decimal(1))
DEAR = replace(PRICE, output=Decimal(500))
HUNK = Hunk(index=0, base=b"retry(3)\n", upstream=b"retry(5)\n", commit=b"retry(3, wait=1)\n", line=2)
CONFLICT = Conflict(
    path="src/call.py",
    kind=Kind.CONTENT,
    base=None,
    upstream=None,
    commit=None,
    segments=(b"import x\n", HUNK, b"done()\n"),
)
LIMITS = Limits()
FACTS = Facts(onto="u" * 40, message="wait between tries", diff="", language="python", upstream_commits=())
WHO = Asker(organization=UUID(int=1), job=UUID(int=2))
ROW = {"id": 0, "action": "merged", "text": "retry(5, wait=1)\n", "kept": [], "dropped": []}
GOOD = json.dumps({"hunks": [{**ROW, "why": "both", "elsewhere": []}]})


@dataclass
class Provider:
    """Answers one text, and notes what it was made and asked with."""

    text: str = GOOD
    made: list[Mapping[str, str]] = field(default_factory=list)
    asked: list[ModelRequest] = field(default_factory=list)

    def connect(self, settings: Mapping[str, str]) -> "Provider":
        self.made.append(dict(settings))
        return self

    def complete(self, request: ModelRequest, _deadline: float) -> ModelAnswer:
        self.asked.append(request)
        text = self.text.replace(
            '"NUMBER"', str(len(self.asked) + 6)
        )  # else a repeated question is not asked again
        return ModelAnswer(text=text, usage=Usage(input=100, output=50), stop="end")

    def count_tokens(self, _request: ModelRequest) -> int:
        return 200


class Open:
    def admit(self, asker: Asker, tokens: int, amount: Decimal) -> None:
        """Admit everybody."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    module = sys.modules[MODULE] = ModuleType(MODULE)
    module.connect = made.connect  # type: ignore[attr-defined]  # it is a module made here
    yield made
    del sys.modules[MODULE]


def services(*, chosen: str = "priced", books: LocalBooks | None = None, **settings: object) -> Services:
    """Two priced providers beside those that are installed."""
    known = load_plugins(discover())
    prices = {"m": PRICE, "dear": DEAR}
    added = {
        name: Model(id=name, load=f"{MODULE}:connect", default_model="m", secret="its_key", prices=prices)
        for name in ("priced", "other")
    }
    ports = Ports(
        books=books or LocalBooks(),
        limiter=Open(),
        clock=lambda: 0.0,
        sleep=lambda _seconds: None,
        random=lambda: 0.0,
    )
    given = Settings(model_provider=chosen, model_key="the-key", **settings)  # type: ignore[arg-type]  # read as text
    return Services(replace(known, models={**known.models, **added}), given, ports)


def words() -> Iterator[str]:
    return (f"{number:032x}" for number in itertools.count())


def job_of(made: Services, limits: Limits = LIMITS, who: Asker = WHO) -> "Iterator[JobModels]":
    numbers = words()
    with made.job(who, limits, lambda: next(numbers)) as models:
        assert models is not None
        yield models


def the_job(made: Services, limits: Limits = LIMITS, who: Asker = WHO) -> JobModels:
    """The models of a job that goes on to the test's end."""
    running = job_of(made, limits, who)
    models = next(running)
    _RUNNING.append(running)
    return models


_RUNNING: list[Iterator[JobModels]] = []


@pytest.fixture(autouse=True)
def jobs_end() -> Iterator[None]:
    yield
    while _RUNNING:
        _RUNNING.pop().close()  # type: ignore[attr-defined]  # they are generators


def test_without_a_provider_a_job_has_no_models() -> None:
    with services(chosen="").job(WHO, Limits(), lambda: "w") as models:
        assert models is None


def test_a_provider_that_is_not_installed_is_named_with_those_that_are() -> None:
    with pytest.raises(
        Broken, match="no model provider 'acme'; installed are: anthropic, command, openai, other"
    ):
        services(chosen="acme").job(WHO, Limits(), lambda: "w").__enter__()
    with pytest.raises(Broken, match="installed are: none") as none:
        find_model(Registry(), "acme")
    assert none.value.reason is Reason.CONFIGURATION


def test_an_answer_is_a_candidate_and_its_cost_is_told(provider: Provider) -> None:
    models = the_job(services())
    assert models.cost() is None
    said = models.rung(ModelOptions(), sees_nothing)(CONFLICT, FACTS)
    assert isinstance(said, Candidate)
    assert said.answers[0].text == b"retry(5, wait=1)\n"
    assert said.answers[0].confirmed is False
    cost = models.cost()
    assert cost is not None
    assert (cost.provider, cost.model, cost.calls, cost.cached) == ("priced", "m", 1, 0)
    assert cost.usd == Decimal("0.0002")
    assert cost.scripted is False


def test_a_question_asked_twice_is_answered_from_the_store_and_counted_so(provider: Provider) -> None:
    models = the_job(services())
    for _ in range(2):
        models.rung(ModelOptions(), sees_nothing)(CONFLICT, FACTS)
    cost = models.cost()
    assert cost is not None
    assert len(provider.asked) == 1
    assert (cost.calls, cost.cached, cost.usd) == (2, 1, Decimal("0.0002"))


def test_the_pipelines_caps_are_the_jobs(provider: Provider) -> None:
    few = the_job(services(), Limits(model_calls=0))
    with pytest.raises(Refused, match="0 model calls") as refused:
        few.rung(ModelOptions(), sees_nothing)(CONFLICT, FACTS)
    assert refused.value.reason is Reason.BUDGET_EXHAUSTED
    poor = the_job(services(), Limits(model_usd=Decimal("0.01")))
    with pytest.raises(Refused, match=r"\$0.01"):
        poor.rung(ModelOptions(name="dear"), sees_nothing)(CONFLICT, FACTS)
    assert provider.asked == []


def test_a_pipeline_may_ask_for_another_provider_and_model(provider: Provider) -> None:
    models = the_job(services())
    models.rung(ModelOptions(provider="other", name="dear"), sees_nothing)(CONFLICT, FACTS)
    cost = models.cost()
    assert cost is not None
    assert (cost.provider, cost.model) == ("other", "dear")
    with pytest.raises(Broken, match="'acme'"):
        models.rung(ModelOptions(provider="acme"), sees_nothing)


def test_the_model_is_the_pipelines_else_the_settings_else_the_providers(provider: Provider) -> None:
    for options, settings, expected in (
        (ModelOptions(name="dear"), {"model_name": "m"}, "dear"),
        (ModelOptions(), {"model_name": "dear"}, "dear"),
        (ModelOptions(), {}, "m"),
    ):
        the_job(services(**settings)).rung(options, sees_nothing)(CONFLICT, FACTS)
        assert provider.asked[-1].model == expected


@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_a_bad_answer_is_corrected_as_often_as_the_pipeline_says(provider: Provider, attempts: int) -> None:
    provider.text = json.dumps({"hunks": [{**ROW, "id": "NUMBER", "why": "w", "elsewhere": []}]})
    said = the_job(services()).rung(ModelOptions(attempts=attempts), sees_nothing)(CONFLICT, FACTS)
    assert isinstance(said, Abstain)
    assert len(provider.asked) == attempts


def test_a_provider_is_connected_once_for_all_jobs_with_its_key_under_its_own_name(
    provider: Provider,
) -> None:
    made = services()
    for number in range(3):
        who = replace(WHO, job=UUID(int=number))
        the_job(made, who=who).rung(ModelOptions(), sees_nothing)(CONFLICT, FACTS)
    assert len(provider.made) == 1
    assert provider.made[0]["its_key"] == "the-key"


def test_a_job_is_told_of_its_own_calls_only_and_the_record_of_all(provider: Provider) -> None:
    books = LocalBooks()
    made = services(books=books)
    one, other = (the_job(made, who=replace(WHO, job=UUID(int=number))) for number in (3, 4))
    one.rung(ModelOptions(), sees_nothing)(CONFLICT, FACTS)
    assert one.cost() is not None
    assert other.cost() is None
    assert len(books.calls) == 1


def test_answers_of_a_script_are_said_to_be() -> None:
    models = the_job(services(chosen="scripted"))
    assert models.provider == "scripted (scripted)"
    models.rung(ModelOptions(name="both"), sees_nothing)(CONFLICT, FACTS)
    cost = models.cost()
    assert cost is not None
    assert (cost.scripted, cost.usd) == (True, Decimal(0))
    assert the_job(services()).provider == "priced"


def test_what_a_descriptor_names_must_be_a_factory() -> None:
    with pytest.raises(Broken, match="is no factory") as broken:
        connect(Model(id="x", load="json:__name__"), Settings())
    assert broken.value.reason is Reason.PLUGIN_FAILED


def test_a_secret_in_a_text_is_named_by_kind_and_never_repeated() -> None:
    secret = "AKIA" + "IOSFODNN7" + "Q3XAMPL"
    found = secret_kinds(f"a = 1\nkey = '{secret}'\n")
    assert len(found) == 1
    assert secret not in found[0]
    assert secret_kinds("a = 1\n") == []
