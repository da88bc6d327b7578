"""Rate limits on Redis, shared by all processes; a local bucket in each process when Redis is away."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import FixedWindowRateLimiter

from flowforge.core.rates import Claim, Verdict

PREFIX = "ff:limit:fixed"  # the strategy is part of the key: two strategies on one key corrupt each other
_LOOK_AGAIN = 5.0  # seconds after which a Redis that was away is tried again


@dataclass(kw_only=True)
class Limiter:
    """Counts hits against rules such as "60/minute". `clock` is seconds since the epoch, `steady` monotonic."""

    shared: Storage
    local: Storage
    clock: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    _away_until: float = field(default=0.0)

    def hit(self, rules: Sequence[str], *who: str, cost: int = 1) -> Verdict:
        """Take `cost` from every rule for `who`; refused when one of them is used up.

        Raises:
            ValueError: a rule that does not parse; rules come from settings, not from strangers.
        """
        items = [parse(rule) for rule in rules]
        return self._shared_or_local(lambda storage: self._judge(storage, items, who, cost))

    def take(self, claims: Sequence[Claim]) -> Verdict:
        """Take every claim, or none where one of them is more than is left (of two that come at once, both may be
        refused); the verdict is that of the claim that has to wait longest.

        Raises:
            ValueError: as `hit`, and when there are no claims.
        """
        items = [parse(claim.rule) for claim in claims]
        return self._shared_or_local(lambda storage: self._take(storage, items, claims))

    def _shared_or_local(self, judge: Callable[[Storage], Verdict]) -> Verdict:
        if self.steady() >= self._away_until:
            try:
                return judge(self.shared)
            except StorageError:
                self._away_until = self.steady() + _LOOK_AGAIN
        return judge(self.local)

    @property
    def degraded(self) -> bool:
        """Whether each process counts for itself now."""
        return self.steady() < self._away_until

    def _judge(
        self, storage: Storage, items: Sequence[RateLimitItem], who: tuple[str, ...], cost: int
    ) -> Verdict:
        strategy = FixedWindowRateLimiter(storage)
        allowed = [strategy.hit(item, *who, cost=cost) for item in items]
        return min(
            (self._verdict(strategy, item, who, ok) for item, ok in zip(items, allowed, strict=True)),
            key=lambda verdict: (verdict.allowed, verdict.remaining),
        )

    def _take(self, storage: Storage, items: Sequence[RateLimitItem], claims: Sequence[Claim]) -> Verdict:
        strategy = FixedWindowRateLimiter(storage)
        pairs = list(zip(items, claims, strict=True))
        allowed = [strategy.test(item, *claim.who, cost=claim.cost) for item, claim in pairs]
        if all(allowed):
            allowed = [strategy.hit(item, *claim.who, cost=claim.cost) for item, claim in pairs]
        verdicts = [
            replace(self._verdict(strategy, item, claim.who, ok), claim=claim)
            for (item, claim), ok in zip(pairs, allowed, strict=True)
        ]
        return min(verdicts, key=lambda verdict: (verdict.allowed, -verdict.reset))

    def _verdict(
        self, strategy: FixedWindowRateLimiter, item: RateLimitItem, who: tuple[str, ...], ok: bool
    ) -> Verdict:
        stats = strategy.get_window_stats(item, *who)
        return Verdict(
            allowed=ok,
            limit=item.amount,
            remaining=max(0, stats.remaining),
            reset=max(0.0, stats.reset_time - self.clock()),
            window=item.get_expiry(),
        )


def make_limiter(url: str) -> Limiter:
    """Build the limiter of one process. Nothing connects before the first hit."""
    shared = RedisStorage(
        url, key_prefix=PREFIX, wrap_exceptions=True, socket_timeout=1.0, socket_connect_timeout=1.0
    )
    return Limiter(shared=shared, local=MemoryStorage())
