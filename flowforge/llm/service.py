"""One model call, in this order: budget, limit, cache, provider, usage, audit.

The most a call can cost is reserved before it and settled at its real cost after it. A call that certainly cost
nothing gives its reservation back; one that broke off is settled at its upper bound, for the provider bills it
too. An answer is stored before it is used, so a crash never asks or pays twice.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.core.spend import Usage, cost, worst_case
from flowforge.core.telemetry import Silent, Telemetry
from flowforge.hooks.contracts import Model, ModelAnswer, ModelProvider, ModelRequest
from flowforge.llm.ports import Asker, Cache, Call, Ledger, Limiter, Record
from flowforge.llm.prices import Prices

MAX_ATTEMPTS: Final = 3
DEADLINE: Final = 180.0  # seconds for one question, its retries and waits included
JITTER: Final = 0.25  # a wait is this much longer at most, never shorter than the server asked for


@dataclass(frozen=True, kw_only=True)
class Ports:
    ledger: Ledger
    limiter: Limiter
    cache: Cache
    usage: Record
    audit: Record
    clock: Callable[[], float]  # seconds, monotonic
    sleep: Callable[[float], None]
    random: Callable[[], float]  # 0 <= x < 1
    telemetry: Telemetry = field(default_factory=Silent)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One question on its way."""

    request: ModelRequest
    asker: Asker
    key: str
    tokens: int  # upper bound of the prompt's
    worst: Decimal
    until: float  # on the clock


class ModelService:
    """Asks one provider. `connect` builds it on first use, since its SDK may take seconds to import."""

    def __init__(
        self, model: Model, connect: Callable[[], ModelProvider], prices: Prices, ports: Ports
    ) -> None:
        self.provider = model.id
        self.scripted = model.scripted
        self._connect = connect
        self._prices = prices.also(model.prices)
        self._ports = ports
        self._connected: ModelProvider | None = None
        self._lock = threading.Lock()

    def ask(
        self, request: ModelRequest, who: Asker, *, key: str = "", deadline: float = DEADLINE
    ) -> ModelAnswer:
        """Answer a question within `deadline` seconds, from the store where it was answered before.

        `key` names the question exactly; "" makes one of the request's own text.

        Raises:
            Refused: a budget forbids it, or the provider does (too long).
            Temporary: a limit or an outage that outlasts the deadline; the job should wait `delay` seconds.
            Broken: no price, no key, or a provider that does not keep its contract.
        """
        asked = self._prepare(request, who, key, deadline)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                answer = self._attempt(asked)
            except Temporary as error:
                self._wait_or_raise(asked, attempt, error)
                continue
            if answer.stop != "cut":
                return answer
            self._wait_or_raise(asked, attempt, _cut_off(self.provider))
        raise _cut_off(self.provider)  # never reached: the last attempt has raised

    def _prepare(self, request: ModelRequest, who: Asker, key: str, deadline: float) -> _Asked:
        tokens = self._reach().count_tokens(request)
        price = self._prices.of(request.model, tokens)
        question = key or _digest(request.system, request.shared, request.prompt, repr(request.schema))
        return _Asked(
            request=request,
            asker=who,
            key=f"{who.organization}:{self.provider}:{request.model}:{question}",
            tokens=tokens,
            worst=worst_case(tokens, request.max_output + request.thinking, price),
            until=self._ports.clock() + deadline,
        )

    def _reach(self) -> ModelProvider:
        with self._lock:
            if self._connected is None:
                self._connected = self._connect()
            return self._connected

    def _attempt(self, asked: _Asked) -> ModelAnswer:
        """One pass through the whole order."""
        ports = self._ports
        try:
            reservation = ports.ledger.reserve(asked.asker, asked.worst)
        except Refused:
            stored = ports.cache.get(asked.key)  # costs nothing, so no budget stands in its way
            if stored is None:
                raise
            return self._replay(asked, stored)
        try:
            ports.limiter.admit(asked.asker, asked.worst)
            stored = ports.cache.get(asked.key)
        except BaseException:
            ports.ledger.release(reservation)
            raise
        if stored is not None:
            ports.ledger.release(reservation)
            return self._replay(asked, stored)
        return self._call(asked, reservation)

    def _replay(self, asked: _Asked, stored: ModelAnswer) -> ModelAnswer:
        self._record(asked, stored.stop, Usage(), Decimal(0), 0, stored.request_id, cache_hit=True)
        return stored

    def _call(self, asked: _Asked, reservation: str) -> ModelAnswer:
        ports = self._ports
        started = ports.clock()
        try:
            answer = self._reach().complete(asked.request, asked.until - started)
        except FlowForgeError as error:
            ports.ledger.release(reservation)
            took = _milliseconds(ports.clock() - started)
            self._record(asked, error.reason.value, Usage(), Decimal(0), took, error.evidence)
            raise
        except BaseException as error:
            ports.ledger.settle(reservation, asked.worst)  # nobody knows what it cost
            took = _milliseconds(ports.clock() - started)
            self._record(asked, Reason.PLUGIN_FAILED.value, Usage(), asked.worst, took, "", reservation)
            if not isinstance(error, Exception):
                raise
            raise _no_contract(self.provider, error) from error
        spent = self._cost(asked, answer.usage)
        if answer.stop != "cut":
            ports.cache.put(asked.key, answer)
        ports.ledger.settle(reservation, spent)
        took = _milliseconds(ports.clock() - started)
        self._record(asked, answer.stop, answer.usage, spent, took, answer.request_id, reservation)
        return answer

    def _cost(self, asked: _Asked, usage: Usage) -> Decimal:
        return cost(usage, self._prices.of(asked.request.model, usage.prompt))

    def _record(
        self,
        asked: _Asked,
        result: str,
        usage: Usage,
        spent: Decimal,
        milliseconds: int,
        request_id: str,
        reservation: str = "",
        *,
        cache_hit: bool = False,
    ) -> None:
        request = asked.request
        call = Call(
            asker=asked.asker,
            provider=self.provider,
            model=request.model,
            operation=request.operation,
            result=result,
            usage=usage,
            cost=spent,
            milliseconds=milliseconds,
            cache_hit=cache_hit,
            request_id=request_id,
            prompt_hash=_digest(request.system, request.shared, request.prompt),
            reservation=reservation,
        )
        self._ports.usage(call)
        self._ports.audit(call)
        self._measure(call)

    def _measure(self, call: Call) -> None:
        count = self._ports.telemetry.count
        result = "cached" if call.cache_hit else call.result
        count(
            "flowforge_model_requests_total",
            provider=call.provider,
            model=call.model,
            operation=call.operation,
            result=result,
        )
        count("flowforge_model_tokens_total", call.usage.output, direction="output")
        count("flowforge_model_tokens_total", call.usage.prompt, direction="input")
        count("flowforge_model_cost_usd_total", float(call.cost))

    def _wait_or_raise(self, asked: _Asked, attempt: int, error: Temporary) -> None:
        """Wait as long as asked, where attempts and deadline allow it."""
        ports = self._ports
        wait = error.delay * (1 + JITTER * ports.random())
        if attempt >= MAX_ATTEMPTS or ports.clock() + wait >= asked.until:
            raise error
        ports.sleep(wait)


def _cut_off(provider: str) -> Temporary:
    return Temporary(
        Reason.MODEL_UNAVAILABLE,
        f"the answer of the model provider {provider!r} broke off",
        delay=2.0,
        next_action="nothing: the job asks again later; if it lasts, look at the provider's status page",
    )


def _no_contract(provider: str, error: Exception) -> Broken:
    return Broken(
        Reason.PLUGIN_FAILED,
        f"the model provider {provider!r} failed: {type(error).__name__}: {error}",
        next_action="report this to the plugin's author, or choose another provider",
    )


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode(errors="surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))
