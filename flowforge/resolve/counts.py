"""What a count of right and wrong answers allows: act, confirm, or off.

A rung acts on its own only where its precision beats the bar `1 - 1/k`, where a wrong answer costs `k` times
a hand-back. One formula serves with and without history: a beta prior from shipped public counts, of weight
`PRIOR_WEIGHT`, updated by the repository's own counts.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

PRIOR_WEIGHT = 20.0  # the shipped counts speak as loudly as this many cases of the repository's own
COST_OF_WRONG = 10.0  # k: one wrong answer costs as much as ten hand-backs
SURE = 0.9  # how sure we are before a rung acts, or before it is switched off
HARMFUL = 0.5  # a rung that is wrong more often than right wastes whoever confirms it


class Action(StrEnum):
    """What a rung's answer is worth here."""

    ACT = "act"
    CONFIRM = "confirm"  # tests or a person must confirm it
    OFF = "off"


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How often a rung's answers equalled what people committed."""

    right: float
    total: float

    @property
    def precision(self) -> float:
        return self.right / self.total if self.total else 0.0


def earned(prior: Counts, own: Counts, *, k: float = COST_OF_WRONG, weight: float = PRIOR_WEIGHT) -> Action:
    """What a rung may do in a repository, from shipped counts and the repository's own.

    `prior` speaks with `weight` cases; half a case is added to each side so that a perfect record is not
    taken for certainty.
    """
    right, wrong = believed(prior, own, weight=weight)
    if beta_above(right, wrong, 1 - 1 / k) >= SURE:
        return Action.ACT
    return Action.OFF if beta_above(right, wrong, HARMFUL) <= 1 - SURE else Action.CONFIRM


def believed(prior: Counts, own: Counts, *, weight: float = PRIOR_WEIGHT) -> tuple[float, float]:
    """What is believed about a rule's precision, as (right, wrong) of a beta distribution.

    A prior of fewer cases than its weight speaks with these; the rest of its weight is undecided.
    """
    told = min(weight, prior.total + 1.0)
    right = told * (prior.right + 0.5) / (prior.total + 1.0) + (weight - told) / 2
    return right + own.right, weight - right + own.total - own.right


def beta_above(a: float, b: float, x: float) -> float:
    """P(p > x) for p of Beta(a, b): the regularised incomplete beta function, by continued fraction."""
    if x <= 0 or x >= 1:
        return 1.0 if x <= 0 else 0.0
    scale = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1) / (a + b + 2):
        return 1 - scale * _fraction(a, b, x) / a
    return scale * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function, by Lentz's method."""
    tiny = 1e-300
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1), tiny)
    value = d
    for m in range(1, 300):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d, tiny)
            c = _away_from_zero(1 + term / c, tiny)
            value *= c * d
        if abs(c * d - 1) < 1e-12:  # noqa: PLR2004 (converged to the precision of a float)
            break
    return value


def _away_from_zero(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
