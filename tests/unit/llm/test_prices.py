from decimal import Decimal
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flowforge.core.errors import Broken, Reason
from flowforge.core.spend import Price
from flowforge.llm.prices import Prices, read_prices
from flowforge_plugins.models.anthropic import DEFAULT_MODEL

SHIPPED = Path(__file__).parents[3] / "config" / "prices.yaml"
ROW = {"input": "2", "output": "10", "cache_write": "2.5", "cache_read": "0.2"}


def shipped() -> Prices:
    return read_prices(YAML(typ="safe").load(SHIPPED))


def file(row: object) -> dict[str, object]:
    return {"date": "2026-01-01", "source": "a test", "models": {"m": row}}


def test_the_shipped_file_can_be_read_and_prices_the_default_model() -> None:
    prices = shipped()
    assert prices.date == "2026-11-23"
    assert prices.source
    assert prices.of(DEFAULT_MODEL, 10).output > 0


def test_the_shipped_prices_are_dearer_written_than_read() -> None:
    for name, tariff in shipped().tariffs.items():
        price = tariff.price
        assert price.cache_read < price.input < price.cache_write < price.hour < price.output, name


def test_a_long_prompt_has_the_price_of_long_prompts() -> None:
    prices = shipped()
    assert prices.of("claude-haiku-5-5", 100_000).input == Decimal("0.10")
    assert prices.of("claude-haiku-5-5", 100_001).input == Decimal("0.50")


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Broken, match="'gpt' has no price") as caught:
        shipped().of("gpt", 1)
    assert caught.value.reason is Reason.CONFIGURATION
    assert DEFAULT_MODEL in caught.value.next_action


def test_a_plugin_brings_its_own_prices_but_the_file_wins() -> None:
    free = Price(input=Decimal(0), output=Decimal(0), cache_write=Decimal(0), cache_read=Decimal(0))
    prices = read_prices(file(ROW)).also({"m": free, "own": free})
    assert prices.of("own", 1) == free
    assert prices.of("m", 1).input == Decimal(2)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "no mapping"),
        ([], "no mapping"),
        ({}, "lacks 'date'"),
        ({"date": "x", "source": "y"}, "lacks 'models'"),
        ({"date": "x", "source": "y", "models": []}, "'models' is no mapping"),
        ({"date": "x", "source": "y", "models": {}, "currency": "EUR"}, "unknown 'currency'"),
        (file("2"), "m is no mapping"),
        (file({**ROW, "bulk": "1"}), "unknown 'bulk'"),
        (file({**ROW, "batch": "1.5"}), "m.batch is '1.5'"),
        (file({**ROW, "batch": 0.5}), "m.batch is 0.5"),
        (file({**ROW, "cache_write_hour": "dear"}), "m.cache_write_hour is 'dear'"),
        (file({"input": "1"}), "m lacks 'cache_read'"),
        (file({**ROW, "input": 0.1}), "m.input is 0.1"),
        (file({**ROW, "input": "-1"}), "m.input is '-1'"),
        (file({**ROW, "input": "NaN"}), "m.input is 'NaN'"),
        (file({**ROW, "input": "free"}), "m.input is 'free'"),
        (file({**ROW, "input": True}), "m.input is True"),
        (file({**ROW, "output": "1e9"}), "m.output"),
        (file({**ROW, "above": {"tokens": 5}}), "m.above lacks"),
        (file({**ROW, "above": {**ROW, "tokens": "5"}}), "m.above.tokens is '5'"),
        (file({**ROW, "above": {**ROW, "tokens": 0}}), "m.above.tokens is 0"),
    ],
)
def test_a_price_file_that_cannot_be_used_says_where(data: object, words: str) -> None:
    with pytest.raises(Broken) as caught:
        read_prices(data)
    assert words in caught.value.sentence


def test_a_batch_costs_its_part_of_every_figure() -> None:
    whole, half = (shipped().of(DEFAULT_MODEL, 10, batch=batch) for batch in (False, True))
    assert half == whole.times(Decimal("0.5"))
    assert half.hour == whole.hour / 2


def test_a_batch_of_a_long_prompt_has_the_batch_price_of_long_prompts() -> None:
    assert shipped().of("claude-haiku-5-5", 100_001, batch=True).input == Decimal("0.25")


def test_a_model_without_a_price_for_batches_is_not_asked_in_one() -> None:
    prices = read_prices(file(ROW))
    assert not prices.sells_batches("m")
    assert not prices.sells_batches("another")
    with pytest.raises(Broken, match="no price for batches"):
        prices.of("m", 1, batch=True)


def test_an_hour_that_has_no_figure_costs_twice_the_input() -> None:
    assert read_prices(file(ROW)).of("m", 1).hour == Decimal(4)
    assert read_prices(file({**ROW, "cache_write": "9"})).of("m", 1).hour == Decimal(9)


def test_an_operators_file_adds_to_the_shipped_one_and_wins() -> None:
    own = read_prices(file({**ROW, "input": "7"}), "/etc/prices.yaml")
    both = shipped().under(own)
    assert both.of("m", 1).input == Decimal(7)
    assert both.of(DEFAULT_MODEL, 1) == shipped().of(DEFAULT_MODEL, 1)
    with pytest.raises(Broken, match=r"has no price in /etc/prices\.yaml"):
        both.of("unknown", 1)
    replaced = shipped().under(Prices(date="", source="", tariffs={DEFAULT_MODEL: own.tariffs["m"]}))
    assert replaced.of(DEFAULT_MODEL, 1).input == Decimal(7)


def test_an_operators_file_that_cannot_be_used_is_named() -> None:
    with pytest.raises(Broken, match=r"^/etc/prices\.yaml cannot be used: m lacks"):
        read_prices(file({"input": "1"}), "/etc/prices.yaml")
