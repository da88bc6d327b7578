"""Prices as dated data. A model without a price is refused before anything is sent; nothing is guessed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Final

from flowforge.core.errors import Broken, Reason
from flowforge.core.spend import Price

_KINDS: Final = ("input", "output", "cache_write", "cache_read")
_MOST: Final = Decimal(10_000)  # dollars a million tokens; more is a slip of the pen


@dataclass(frozen=True, kw_only=True)
class Tariff:
    """A model's price, and the one for prompts of more than `threshold` tokens where it has one."""

    price: Price
    threshold: int = 0
    above: Price | None = None

    def at(self, prompt_tokens: int) -> Price:
        return self.above if self.above is not None and prompt_tokens > self.threshold else self.price


@dataclass(frozen=True, kw_only=True)
class Prices:
    date: str
    source: str
    tariffs: Mapping[str, Tariff] = field(default_factory=dict)

    def of(self, model: str, prompt_tokens: int) -> Price:
        """Dollars per million tokens for a request of this size.

        Raises:
            Broken: the model has no price.
        """
        tariff = self.tariffs.get(model)
        if tariff is None:
            raise Broken(
                Reason.CONFIGURATION,
                f"the model {model!r} has no price in config/prices.yaml (of {self.date})",
                next_action="add its prices there, or choose a model that has one: "
                + (", ".join(sorted(self.tariffs)) or "none has"),
            )
        return tariff.at(prompt_tokens)

    def also(self, prices: Mapping[str, Price]) -> "Prices":
        """With a plugin's own prices; the file's figures win."""
        added = {model: Tariff(price=price) for model, price in prices.items()}
        return Prices(date=self.date, source=self.source, tariffs={**added, **self.tariffs})


def read_prices(data: object) -> Prices:
    """Read the content of `prices.yaml`, already parsed.

    Raises:
        Broken: something is missing, unknown or no sensible price; the sentence says where.
    """
    whole = _mapping(data, "the price file", {"date", "source", "models"})
    models = whole["models"]
    if not isinstance(models, Mapping):
        raise _wrong("'models' is no mapping")
    return Prices(
        date=str(whole["date"]),
        source=str(whole["source"]),
        tariffs={str(name): _tariff(str(name), row) for name, row in models.items()},
    )


def _tariff(name: str, row: object) -> Tariff:
    fields = _mapping(row, name, set(_KINDS), {"above"})
    if "above" not in fields:
        return Tariff(price=_price(name, fields))
    above = _mapping(fields["above"], f"{name}.above", {"tokens", *_KINDS})
    threshold = above["tokens"]
    if not isinstance(threshold, int) or isinstance(threshold, bool) or threshold <= 0:
        raise _wrong(f"{name}.above.tokens is {threshold!r}, not a number of tokens")
    return Tariff(price=_price(name, fields), threshold=threshold, above=_price(f"{name}.above", above))


def _price(name: str, row: Mapping[str, object]) -> Price:
    figures = {kind: _figure(f"{name}.{kind}", row[kind]) for kind in _KINDS}
    return Price(**figures)


def _figure(name: str, value: object) -> Decimal:
    """A figure is written as a string, since a float cannot hold most prices."""
    try:
        figure = Decimal(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
    except InvalidOperation:
        figure = None
    if figure is None or not figure.is_finite() or not 0 <= figure <= _MOST:
        raise _wrong(f"{name} is {value!r}, not a price: write dollars as a string such as '2.50'")
    return figure


def _mapping(
    value: object, name: str, needed: set[str], allowed: set[str] | None = None
) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _wrong(f"{name} is no mapping")
    missing = sorted(needed - set(value))
    unknown = sorted(str(key) for key in set(value) - needed - (allowed or set()))
    if missing or unknown:
        raise _wrong(f"{name} lacks {missing[0]!r}" if missing else f"{name} has the unknown {unknown[0]!r}")
    return value


def _wrong(what: str) -> Broken:
    return Broken(
        Reason.CONFIGURATION,
        f"config/prices.yaml cannot be used: {what}",
        next_action="put the shipped file back, or correct this entry",
    )
