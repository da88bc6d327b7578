"""What is counted against a rate, and what came of it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What is wanted of one rule such as "60/minute", for whom."""

    rule: str
    who: tuple[str, ...]
    cost: int = 1


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one hit met: the tightest rule, as the RateLimit headers tell it."""

    allowed: bool
    limit: int
    remaining: int
    reset: float  # seconds until the window ends
    window: int  # seconds
    claim: Claim | None = None  # the tightest, where claims were made
