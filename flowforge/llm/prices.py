"""Prices as dated data. A model without a price is refused before anything is sent; nothing is guessed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Final

from flowforge.core.errors import Broken, Reason
from flowforge.core.spend import Price

SHIPPED: Final = "config/prices.yaml"
_KINDS: Final = ("input", "output", "cache_write", "cache_read")
_HOUR: Final = "cache_write_hour"
_MOST: Final = Decimal(10_000)  # dollars a million tokens; more is a slip of the pen


@dataclass(frozen=True, kw_only=True)
class Tariff:
    """A model's price, and the one for prompts of more than `threshold` tokens where it has one."""

    price: Price
    threshold: int = 0
    above: Price | None = None
    batch: Decimal | None = None  # what an answer in a batch costs of it; None = it is not sold so

    def at(self, prompt_tokens: int) -> Price:
        return self.above if self.above is not None and prompt_tokens > self.threshold else self.price


@dataclass(frozen=True, kw_only=True)
class Prices:
    date: str
    source: str
    tariffs: Mapping[str, Tariff] = field(default_factory=dict)
    file: str = SHIPPED  # as a person finds it; of several, the last

    def of(self, model: str, prompt_tokens: int, *, batch: bool = False) -> Price:
        """Dollars per million tokens for a request of this size, asked at once or in a batch.

        Raises:
            Broken: the model has no price, or none for batches.
        """
        tariff = self.tariffs.get(model)
        if tariff is None:
            raise Broken(
                Reason.CONFIGURATION,
                f"the model {model!r} has no price in {self.file} (of {self.date})",
                next_action="add its prices to a file that the setting model_prices names (0 where it costs "
                "nothing), or choose a model that has some: "
                + (", ".join(sorted(self.tariffs)) or "none has"),
            )
        price = tariff.at(prompt_tokens)
        if not batch:
            return price
        if tariff.batch is None:
            raise Broken(
                Reason.CONFIGURATION,
                f"the model {model!r} has no price for batches in {self.file}",
                next_action=f"add {model}.batch, the part of its price that a batch costs, such as '0.5'",
            )
        return price.times(tariff.batch)

    def sells_batches(self, model: str) -> bool:
        """Whether a batch of this model has a price."""
        tariff = self.tariffs.get(model)
        return tariff is not None and tariff.batch is not None

    def also(self, prices: Mapping[str, Price]) -> "Prices":
        """With a plugin's own prices; the file's figures win."""
        added = {model: Tariff(price=price) for model, price in prices.items()}
        return replace(self, tariffs={**added, **self.tariffs})

    def under(self, own: "Prices") -> "Prices":
        """With an operator's own file, whose figures win."""
        return replace(own, tariffs={**self.tariffs, **own.tariffs})


def read_prices(data: object, file: str = SHIPPED) -> Prices:
    """Read the content of a price file, already parsed.

    Raises:
        Broken: something is missing, unknown or no sensible price; the sentence says where.
    """
    try:
        return _read(data, file)
    except _Wrong as error:
        raise Broken(
            Reason.CONFIGURATION,
            f"{file} cannot be used: {error}",
            next_action="put the shipped file back, or correct this entry"
            if file == SHIPPED
            else "correct this entry; flowforge/docs/model.md shows how a price file looks",
        ) from None


class _Wrong(Exception):
    """What is wrong with a file, and where in it."""


def _read(data: object, file: str) -> Prices:
    whole = _mapping(data, "the price file", {"date", "source", "models"})
    models = whole["models"]
    if not isinstance(models, Mapping):
        raise _Wrong("'models' is no mapping")
    return Prices(
        date=str(whole["date"]),
        source=str(whole["source"]),
        tariffs={str(name): _tariff(str(name), row) for name, row in models.items()},
        file=file,
    )


def _tariff(name: str, row: object) -> Tariff:
    fields = _mapping(row, name, set(_KINDS), {_HOUR, "above", "batch"})
    batch = _figure(f"{name}.batch", fields["batch"]) if "batch" in fields else None
    if batch is not None and batch > 1:
        raise _Wrong(f"{name}.batch is {str(batch)!r}, not a part of the price such as '0.5'")
    if "above" not in fields:
        return Tariff(price=_price(name, fields), batch=batch)
    above = _mapping(fields["above"], f"{name}.above", {"tokens", *_KINDS}, {_HOUR})
    threshold = above["tokens"]
    if not isinstance(threshold, int) or isinstance(threshold, bool) or threshold <= 0:
        raise _Wrong(f"{name}.above.tokens is {threshold!r}, not a number of tokens")
    return Tariff(
        price=_price(name, fields), threshold=threshold, above=_price(f"{name}.above", above), batch=batch
    )


def _price(name: str, row: Mapping[str, object]) -> Price:
    figures = {kind: _figure(f"{name}.{kind}", row[kind]) for kind in (*_KINDS, _HOUR) if kind in row}
    return Price(**figures)


def _figure(name: str, value: object) -> Decimal:
    """A figure is written as a string, since a float cannot hold most prices."""
    try:
        figure = Decimal(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
    except InvalidOperation:
        figure = None
    if figure is None or not figure.is_finite() or not 0 <= figure <= _MOST:
        raise _Wrong(f"{name} is {value!r}, not a price: write dollars as a string such as '2.50'")
    return figure


def _mapping(
    value: object, name: str, needed: set[str], allowed: set[str] | None = None
) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _Wrong(f"{name} is no mapping")
    missing = sorted(needed - set(value))
    unknown = sorted(str(key) for key in set(value) - needed - (allowed or set()))
    if missing or unknown:
        raise _Wrong(f"{name} lacks {missing[0]!r}" if missing else f"{name} has the unknown {unknown[0]!r}")
    return value
