"""Rates of model calls: "user 10 requests/minute", "organization 20 usd/hour", "everybody 2000000 tokens/minute".

A call counts before it is made, with the most that it can need: its prompt's upper bound and all of the answer that it
may bring. A call whose turn does not come within its deadline counts too.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Final, Literal

from flowforge.core.errors import Broken, Reason, Refused, Temporary
from flowforge.core.rates import Claim, Verdict
from flowforge.llm.ports import Asker

SECONDS: Final = {"minute": 60, "hour": 3600, "day": 86400}
_RULE = re.compile(
    r"(?P<whose>user|organization|everybody) (?P<most>\d{1,12}(\.\d{1,6})?) (?P<what>requests|tokens|usd)"
    r"/(?P<per>minute|hour|day)"
)
_MILLION = Decimal(1_000_000)  # dollars are counted in millionths


@dataclass(frozen=True, kw_only=True)
class Rule:
    text: str  # as it was written
    whose: Literal["user", "organization", "everybody"]
    most: int  # requests, tokens, or millionths of a dollar
    what: Literal["requests", "tokens", "usd"]
    per: str  # of SECONDS

    def claim(self, asker: Asker, tokens: int, amount: Decimal) -> Claim:
        """What one call takes of it.

        Raises:
            Refused: more than there ever is.
        """
        millionths = int((amount * _MILLION).to_integral_value(ROUND_UP))
        cost = {"requests": 1, "tokens": tokens, "usd": millionths}[self.what]
        if cost > self.most:
            raise _never(self, tokens, amount)
        return Claim(rule=f"{self.most}/{self.per}", who=("model", self.what, *self._whose(asker)), cost=cost)

    def _whose(self, asker: Asker) -> tuple[str, ...]:
        """Calls that no user asked for are those of one more user of the organization."""
        match self.whose:
            case "everybody":
                return ()
            case "organization":
                return (str(asker.organization),)
            case _:
                return (str(asker.organization), str(asker.user or "nobody"))


def read_rules(texts: Sequence[str]) -> tuple[Rule, ...]:
    """Read the setting `model_limits`.

    Raises:
        Broken: one of them is no rule.
    """
    return tuple(map(_rule, texts))


def _rule(text: str) -> Rule:
    found = _RULE.fullmatch(" ".join(text.split()))
    most = Decimal(found["most"]) * (_MILLION if found["what"] == "usd" else 1) if found else Decimal(0)
    if found is None or most <= 0 or most != int(most):
        raise Broken(
            Reason.CONFIGURATION,
            f"{text[:80]!r} is no limit of model calls",
            next_action="write model_limits such as: user 10 requests/minute, organization 20 usd/hour, "
            "everybody 2000000 tokens/minute",
        )
    return Rule(text=text, whose=found["whose"], most=int(most), what=found["what"], per=found["per"])  # type: ignore[arg-type]  # as the pattern says


@dataclass(frozen=True, kw_only=True)
class RateLimiter:
    """Implements `ports.Limiter`. `take` takes all claims or none, and says how they stand."""

    rules: Sequence[Rule]
    take: Callable[[Sequence[Claim]], Verdict]

    def admit(self, asker: Asker, tokens: int, amount: Decimal) -> None:
        claims = [rule.claim(asker, tokens, amount) for rule in self.rules]
        if not claims:
            return
        verdict = self.take(claims)
        if not verdict.allowed:
            rule = self.rules[claims.index(verdict.claim)] if verdict.claim in claims else self.rules[0]
            raise _full(rule, verdict.reset)


def _full(rule: Rule, delay: float) -> Temporary:
    return Temporary(
        Reason.MODEL_LIMIT,
        f"the limit of model calls is reached: {rule.text}",
        delay=max(1.0, delay),
        next_action="nothing: the call is made when its turn comes; an operator can raise model_limits",
    )


def _never(rule: Rule, tokens: int, amount: Decimal) -> Refused:
    return Refused(
        Reason.TOO_LARGE,
        f"one model call of up to {tokens} tokens and ${amount} is more than the limit ever allows: {rule.text}",
        next_action="raise model_limits, or resolve this conflict by hand",
    )
