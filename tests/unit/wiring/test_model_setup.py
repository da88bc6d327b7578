"""What a start makes of the settings of models: refused with a plain sentence, or as good as asked."""

import re
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from flowforge.core.errors import Broken, Reason, Refused
from flowforge.core.spend import Price
from flowforge.hooks.contracts import Model, ModelRequest
from flowforge.hooks.manager import discover, load_plugins
from flowforge.settings import Settings
from flowforge.wiring.model_setup import as_set, check_model, connect, prices_of, shipped_prices
from flowforge_plugins.models import command

OWN = """
date: 2026-01-01
source: our contract
models:
  our-model: {input: "0", output: "0", cache_write: "0", cache_read: "0"}
  claude-sonnet-5-5: {input: "1", output: "2", cache_write: "3", cache_read: "0.5"}
"""
FREE = Price(input=Decimal(0), output=Decimal(0), cache_write=Decimal(0), cache_read=Decimal(0))


def settings(file: Path | None = None, **values: object) -> Settings:
    return Settings(model_prices=file, **values)  # type: ignore[arg-type]  # read as text


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "prices.yaml"
    file.write_text(OWN)
    return file


def test_shipped_prices_are_dated() -> None:
    assert shipped_prices().date
    assert prices_of(settings()) == shipped_prices()


def test_an_own_file_adds_to_the_shipped_prices_and_replaces_some(own: Path) -> None:
    prices = prices_of(settings(own))
    assert prices.of("our-model", 10).input == 0
    assert prices.of("claude-sonnet-5-5", 10).output == 2
    assert prices.of("claude-opus-5-5", 10) == shipped_prices().of("claude-opus-5-5", 10)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models: [", "prices.yaml"),
        ("[]", "prices.yaml"),
        ("date: x\nsource: y\nmodels: {m: {input: '1'}}\n", "m lacks"),
        (OWN.replace('"1"', "0.1"), "claude-sonnet-5-5.input"),
        (OWN.replace('"1"', '"1", input: "2"'), "prices.yaml"),
    ],
)
def test_an_own_file_that_cannot_be_used_stops_the_start(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(text)
    with pytest.raises(Broken) as caught:
        prices_of(settings(file))
    assert words in caught.value.sentence
    assert str(file) in caught.value.sentence


def test_an_own_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="could not be read: No such file"):
        prices_of(settings(tmp_path / "none.yaml"))


def test_a_file_without_the_configured_model_stops_the_start(own: Path) -> None:
    given = settings(own, model_name="another-model")
    with pytest.raises(Broken) as caught:
        check_model(Model(id="x", load="a:b"), given, prices_of(given))
    assert caught.value.reason is Reason.CONFIGURATION
    assert "'another-model' has no price" in caught.value.sentence
    assert str(own) in caught.value.sentence
    assert "model_prices" in caught.value.next_action
    assert "our-model" in caught.value.next_action


def test_a_provider_without_a_usual_model_must_be_told_one(own: Path) -> None:
    with pytest.raises(Broken, match="has no usual model"):
        check_model(Model(id="x", load="a:b"), settings(own), prices_of(settings(own)))
    named = settings(own, model_name="our-model")
    check_model(Model(id="x", load="a:b"), named, prices_of(named))


def test_prices_that_a_provider_brings_itself_are_enough() -> None:
    check_model(
        Model(id="x", load="a:b", default_model="m", prices={"m": FREE}), settings(), prices_of(settings())
    )


def test_every_installed_provider_with_a_usual_model_has_a_price_for_it() -> None:
    for model in load_plugins(discover()).models.values():
        if model.default_model:
            check_model(model, settings(), prices_of(settings()))


def shown(language: str) -> str:
    """The example of a language in the page about models."""
    page = (Path(__file__).parents[3] / "flowforge" / "docs" / "model.md").read_text()
    (found,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return str(found)


def test_the_price_file_that_the_page_shows_can_be_used(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(shown("yaml"))
    prices = prices_of(settings(file))
    assert prices.of("our-model", 10) == FREE
    assert prices.of("gateway/large", 200_001, batch=True).input == Decimal("2.20")


def test_the_program_that_the_page_shows_answers(tmp_path: Path) -> None:
    file = tmp_path / "ask"
    file.write_text(shown("python"))
    given = settings(model_command=f"{sys.executable},{file}")
    (model,) = command.register_model_providers()
    provider = connect(model, given)
    answer = provider.complete(ModelRequest(model="m", system="", prompt="p", schema={}), 30.0)
    assert (answer.text, answer.usage.output, answer.stop) == ('{"hunks": []}', 80, "end")


def test_a_recording_stands_before_the_provider_and_needs_no_key(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.touch()
    provider = connect(load_plugins(discover()).models["anthropic"], settings(model_cassette=file))
    with pytest.raises(Refused, match="recorded answers"):
        provider.complete(ModelRequest(model="m", system="", prompt="p", schema={}), 30.0)


def test_what_stands_behind_a_recording_is_not_asked_in_batches(tmp_path: Path) -> None:
    claude = load_plugins(discover()).models["anthropic"]
    assert as_set(claude, settings()) == claude
    assert claude.batches
    assert not as_set(claude, settings(model_cassette=tmp_path / "answers.jsonl")).batches
