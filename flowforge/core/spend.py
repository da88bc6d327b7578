"""Money for model calls: reserved at its worst before the call, settled at its real cost after it.

All amounts are US dollars as Decimal; prices are per million tokens.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_UP, Decimal

MOST_USD = Decimal("99999999.999999")  # of one call: what the ledger can hold
MOST_TOKENS = 10**12  # of one kind in one call; a count beyond it is nonsense
_MILLION = Decimal(1_000_000)
_CENT_FRACTION = Decimal("0.000001")  # numeric(14, 6) in the ledger


@dataclass(frozen=True, kw_only=True)
class Price:
    """Dollars per million tokens of each kind."""

    input: Decimal
    output: Decimal
    cache_write: Decimal
    cache_read: Decimal
    cache_write_hour: Decimal | None = None  # None = the dearer of twice the input and `cache_write`

    @property
    def hour(self) -> Decimal:
        """What is paid for tokens that a cache keeps for an hour."""
        if self.cache_write_hour is not None:
            return self.cache_write_hour
        return max(2 * self.input, self.cache_write)

    def times(self, factor: Decimal) -> "Price":
        """The same price at a discount, such as a batch's half."""
        return Price(
            input=self.input * factor,
            output=self.output * factor,
            cache_write=self.cache_write * factor,
            cache_read=self.cache_read * factor,
            cache_write_hour=self.hour * factor,
        )


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens of one call; `input` counts those that were neither written to nor read from a cache."""

    input: int = 0
    output: int = 0
    cache_write: int = 0  # kept for minutes
    cache_read: int = 0
    cache_write_hour: int = 0  # kept for an hour, and dearer

    @property
    def written(self) -> int:
        return self.cache_write + self.cache_write_hour

    @property
    def prompt(self) -> int:
        """All that was read of the question, by whichever way."""
        return self.input + self.written + self.cache_read


@dataclass(frozen=True, kw_only=True)
class Budget:
    """One cap with what is already spent and reserved under it."""

    name: str  # job | calls of the job | user | organization | installation
    limit: Decimal
    spent: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)
    period: str = ""  # daily | weekly | monthly; "" where it is for all time
    renews_at: datetime | None = None  # end of the current period

    @property
    def left(self) -> Decimal:
        return self.limit - self.spent - self.reserved


def cost(usage: Usage, price: Price) -> Decimal:
    """What a call cost, rounded up to a millionth of a dollar: the ledger never shows less than was paid."""
    dollars = (
        usage.input * price.input
        + usage.output * price.output
        + usage.cache_write * price.cache_write
        + usage.cache_read * price.cache_read
        + usage.cache_write_hour * price.hour
    ) / _MILLION
    return dollars.quantize(_CENT_FRACTION, rounding=ROUND_UP)


def worst_case(input_tokens: int, max_output: int, price: Price, *, hour: bool = False) -> Decimal:
    """The most a call can cost: every input token at the dearest input rate, every output token used.

    `hour`: the provider may have parts of the question kept for an hour, as it does in batches.
    """
    dearest = max(price.input, price.cache_write, price.cache_read, price.hour if hour else price.input)
    dollars = (input_tokens * dearest + max_output * price.output) / _MILLION
    return dollars.quantize(_CENT_FRACTION, rounding=ROUND_UP)


def booked(usage: Usage, price: Price, worst: Decimal) -> Decimal:
    """What is booked for a call as the provider counts it, more than its worst case too: it is on the bill.

    A count below zero says nothing; then it is at least the worst case. What no ledger can hold is booked as its most.
    """
    counts = vars(usage).values()
    told = cost(sane(usage), price)
    return max(told, worst) if min(counts) < 0 else min(told, MOST_USD)


def sane(usage: Usage) -> Usage:
    """The same, with no count below zero or beyond what can be."""
    return Usage(**{name: min(max(count, 0), MOST_TOKENS) for name, count in vars(usage).items()})


def may_spend(budgets: Iterable[Budget], amount: Decimal) -> Budget | None:
    """The budget that forbids spending `amount`, or None when all allow it."""
    return next((budget for budget in budgets if budget.left < amount), None)


def dollars(amount: Decimal) -> str:
    """As people and programs read it: at least cents, at most millionths, no sign of currency."""
    whole, _, rest = f"{amount:.6f}".partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')}"
