"""The ports of the model service within one process, for `flowforge run`, the demo and tests. Safe for threads."""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from uuid import UUID

from flowforge.core.errors import Reason, Refused
from flowforge.core.rates import Claim, Verdict
from flowforge.core.spend import Budget, may_spend
from flowforge.hooks.contracts import ModelAnswer
from flowforge.llm.limits import SECONDS
from flowforge.llm.ports import Asker, Batch, Call, Query, ended


@dataclass(kw_only=True)
class _Job:
    budget: Budget
    calls: int = 0
    lines: dict[str, Budget] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Open:
    asker: Asker
    amount: Decimal


class LocalBooks:
    """`Books`: the given budgets hold for all calls together, each job's own cap beside them.

    Keeps the last `most` answers and every call, and loses all with the process.
    """

    def __init__(self, budgets: Sequence[Budget] = (), most: int = 1000) -> None:
        self.calls: list[Call] = []  # oldest first
        self._budgets = list(budgets)
        self._jobs: dict[UUID | None, _Job] = {}
        self._open: dict[str, _Open] = {}
        self._answers: dict[str, ModelAnswer] = {}
        self._batches: dict[str, tuple[str, str]] = {}
        self._most = most
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def reserve(self, asker: Asker, amount: Decimal) -> str:
        with self._lock:
            job = self._jobs.setdefault(asker.job, _Job(budget=Budget(name="job", limit=asker.job_usd)))
            if job.calls >= asker.job_calls:
                raise _no_more_calls(asker.job_calls)
            lines = [_line(job, asker)] if asker.line else []
            budget = may_spend([*lines, job.budget, *self._budgets], amount)
            if budget is not None:
                raise _exhausted(budget, amount)
            self._book(asker, reserved=amount, calls=1)
            reservation = f"local-{next(self._numbers)}"
            self._open[reservation] = _Open(asker=asker, amount=amount)
            return reservation

    def answered(self, query: Query) -> ModelAnswer | None:
        with self._lock:
            return self._answers.get(query.key)

    def begin(self, reservation: str, query: Query) -> ModelAnswer | None:
        with self._lock:
            stored = self._answers.get(query.key)
            if stored is None and reservation not in self._open:
                raise ended(reservation)
            return stored

    def submitted(self, reservation: str, query: Query, batch: str) -> None:
        with self._lock:
            self._batches[query.key] = (batch, reservation)

    def batch_of(self, query: Query) -> Batch | None:
        with self._lock:
            id_, reservation = self._batches.get(query.key, ("", ""))
            return Batch(id=id_, reservation=reservation, age=0.0) if reservation in self._open else None

    def abandoned(self, provider: str) -> Sequence[tuple[Query, Batch]]:  # noqa: ARG002 (the port's form)
        return ()  # a run that ends takes its books with it

    def settle(self, call: Call, query: Query, answer: ModelAnswer | None) -> None:
        with self._lock:
            held = self._open.pop(call.reservation, None)
            if held is not None:
                self._book(held.asker, reserved=-held.amount, spent=call.cost)
                self.calls.append(call)
            if answer is not None:
                self._answers[query.key] = answer
            while len(self._answers) > self._most:
                del self._answers[next(iter(self._answers))]

    def release(self, reservation: str, call: Call | None = None) -> None:
        with self._lock:
            held = self._open.pop(reservation, None)
            if held is not None:
                self._book(held.asker, reserved=-held.amount, calls=-1)
                self.calls += [call] if call is not None else []

    def note(self, call: Call) -> None:
        with self._lock:
            self.calls.append(call)

    def spent(self, job: UUID | None) -> Budget:
        """The job's cap with what is spent and reserved under it."""
        with self._lock:
            return self._jobs[job].budget if job in self._jobs else Budget(name="job", limit=Decimal(0))

    def _book(
        self, asker: Asker, *, reserved: Decimal = Decimal(0), spent: Decimal = Decimal(0), calls: int = 0
    ) -> None:
        def add(budget: Budget) -> Budget:
            return replace(budget, reserved=budget.reserved + reserved, spent=budget.spent + spent)

        self._budgets = [add(budget) for budget in self._budgets]
        entry = self._jobs[asker.job]
        entry.budget, entry.calls = add(entry.budget), entry.calls + calls
        if asker.line:
            entry.lines[asker.line] = add(_line(entry, asker))


def _line(job: _Job, asker: Asker) -> Budget:
    """The asker's line of the job's money, under the cap that this asker brings."""
    known = job.lines.get(asker.line, Budget(name=f"{asker.line} of the job", limit=asker.line_usd))
    return replace(known, limit=asker.line_usd)


def _exhausted(budget: Budget, amount: Decimal) -> Refused:
    return Refused(
        Reason.BUDGET_EXHAUSTED,
        f"a model call may cost up to ${amount}, and ${max(budget.left, Decimal(0))} of the budget"
        f" {budget.name!r} (${budget.limit}) is left",
        next_action="raise the budget, or resolve the conflict by hand",
    )


def _no_more_calls(most: int) -> Refused:
    return Refused(
        Reason.BUDGET_EXHAUSTED,
        f"this job has made the {most} model calls that it may make",
        next_action="raise limits.model_calls in the pipeline, or resolve the conflict by hand",
    )


class LocalRates:
    """Counts claims over sliding windows in this process: `limits.RateLimiter.take`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._past: dict[tuple[str, ...], deque[tuple[float, int]]] = {}
        self._lock = threading.Lock()

    def take(self, claims: Sequence[Claim]) -> Verdict:
        """Take all or none, and tell how the claim stands that has to wait longest."""
        with self._lock:
            verdicts = [self._look(claim) for claim in claims]
            worst = min(verdicts, key=lambda verdict: (verdict.allowed, -verdict.reset))
            if worst.allowed:
                for claim in claims:
                    self._past[claim.rule, *claim.who].append((self._clock(), claim.cost))
            return worst

    def _look(self, claim: Claim) -> Verdict:
        now, (most, _, per) = self._clock(), claim.rule.partition("/")
        window, limit = SECONDS[per], int(most)
        past = self._past.setdefault((claim.rule, *claim.who), deque())
        while past and past[0][0] <= now - window:
            past.popleft()
        left = limit - sum(cost for _, cost in past)
        return Verdict(
            allowed=claim.cost <= left,
            limit=limit,
            remaining=left,
            reset=_until_free(past, claim.cost - left, now - window),
            window=window,
            claim=claim,
        )


def _until_free(past: Sequence[tuple[float, int]], short: int, gone: float) -> float:
    """Seconds until so much has left the window that began at `gone`."""
    for at, cost in past:
        short -= cost
        if short <= 0:
            return at - gone
    return 0.0
