"""One model call, in this order: budget, limits, turn, circuit breaker, cache, provider, usage, audit.

The most a call can cost is reserved before it and settled at its real cost after it. A call that certainly cost
nothing gives its reservation back; one that broke off is settled at its upper bound, for the provider bills it
too. An answer is stored in the same step in which it is paid, and before it is used, so a crash never pays for it
twice. What is stored is given away whatever stands before a new call: no budget, no limit, no outage.
"""

import hashlib
import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Final, cast

from flowforge.core.errors import FlowForgeError, Reason, Refused, Temporary
from flowforge.core.failpoint import failpoint
from flowforge.core.spend import Usage, booked, cost, dollars, sane, worst_case
from flowforge.core.telemetry import Silent, Telemetry
from flowforge.hooks.contracts import BatchProvider, Model, ModelAnswer, ModelProvider, ModelRequest
from flowforge.llm.batches import LOW, Later
from flowforge.llm.breaker import AFTER, Breaker
from flowforge.llm.measure import measure
from flowforge.llm.ports import Asker, Books, Call, Limiter, Query, Told
from flowforge.llm.prices import Prices
from flowforge.llm.trouble import Unbooked, cut_off, no_contract, too_long
from flowforge.llm.turns import Turns

MAX_ATTEMPTS: Final = 3
DEADLINE: Final = 180.0  # seconds for one question, its retries and waits included
BACKOFF: Final = (
    2.0  # a wait is at most so many seconds longer than the server asked for; doubled with each attempt
)
BOOKING: Final = 60.0  # seconds for which a call that was made is tried to be booked
AGAIN: Final = 0.5  # seconds between two tries

_NOTHING: Final = Usage()
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Ports:
    books: Books
    limiter: Limiter
    clock: Callable[[], float]  # seconds, monotonic
    sleep: Callable[[float], None]
    random: Callable[[], float]  # 0 <= x < 1
    told: Told = lambda _call: None
    telemetry: Telemetry = field(default_factory=Silent)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What an operator chose for every provider."""

    at_once: int = 4  # calls of one process to one provider
    breaker: int = AFTER  # outages in a row that open it; 0 = never


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One question on its way."""

    request: ModelRequest
    query: Query
    tokens: int  # upper bound of the prompt's
    worst: Decimal
    until: float  # on the clock

    @property
    def asker(self) -> Asker:
        return self.query.asker


class ModelService:
    """Asks one provider. `connect` builds it on first use, since its SDK may take seconds to import."""

    def __init__(
        self,
        model: Model,
        connect: Callable[[], ModelProvider],
        prices: Prices,
        ports: Ports,
        rules: Rules = Rules(),
    ) -> None:
        self.provider = model.id
        self.scripted = model.scripted
        self._batches = model.batches
        self._connect = connect
        self._prices = prices.also(model.prices)
        self._ports = ports
        self._connected: ModelProvider | None = None
        self._lock = threading.Lock()
        self._turns = Turns(rules.at_once, ports.clock)
        self._breaker = Breaker(
            model.id, clock=ports.clock, random=ports.random, after=rules.breaker, moved=self._moved
        )

    def ask(
        self,
        request: ModelRequest,
        who: Asker,
        *,
        key: str = "",
        version: str = "",
        deadline: float = DEADLINE,
    ) -> ModelAnswer:
        """Answer a question within `deadline` seconds, from the store where it was answered before.

        `key` names the question exactly; "" makes one of the request's own text. `version` is that of the prompts.

        Raises:
            Refused: a budget forbids it, the provider does (too long), or the job was cancelled.
            Temporary: a limit or an outage that outlasts the deadline; the job should wait `delay` seconds.
            Broken: no price, no key, or a provider that does not keep its contract.
        """
        asked = self._prepare(request, who, key, version, deadline)
        if who.batch and who.priority <= LOW and self._batches and self._prices.sells_batches(request.model):
            answer = self._later(asked)
            if answer is not None:
                return answer
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                answer = self._attempt(asked)
            except Unbooked:
                raise
            except Temporary as error:
                self._wait_or_raise(asked, attempt, error)
                continue
            if answer.stop != "cut":
                return answer
            self._wait_or_raise(asked, attempt, cut_off(self.provider, answer.why))
        raise cut_off(self.provider, "")  # never reached: the last attempt has raised

    def warm(self) -> None:
        """Connect now, so that the first question does not wait for an import."""
        self._reach()

    def _prepare(self, request: ModelRequest, who: Asker, key: str, version: str, deadline: float) -> _Asked:
        tokens = self._reach().count_tokens(request)
        price = self._prices.of(request.model, tokens)
        question = key or _digest(request.system, request.shared, request.prompt, repr(request.schema))
        query = Query(
            asker=who,
            key=_digest(
                *(str(who.organization), self.provider, request.model, version, request.operation),
                *(str(request.max_output), str(request.thinking), question),
            ),
            provider=self.provider,
            model=request.model,
            operation=request.operation,
            version=version,
        )
        return _Asked(
            request=request,
            query=query,
            tokens=tokens,
            worst=worst_case(tokens, request.max_output + request.thinking, price),
            until=self._ports.clock() + deadline,
        )

    def _reach(self) -> ModelProvider:
        with self._lock:
            if self._connected is None:
                self._connected = self._connect()
            return self._connected

    def _later(self, asked: _Asked) -> ModelAnswer | None:
        """Collect what was handed in, or hand it in; None: it must be asked at once after all."""
        price = self._prices.of(asked.request.model, asked.tokens, batch=True)
        worst = worst_case(asked.tokens, asked.request.max_output + asked.request.thinking, price)
        later = self._as_later(replace(asked, worst=worst))
        self._tidy()
        batch = self._ports.books.batch_of(asked.query)
        if batch is not None:
            return later.collect(batch)
        return self._attempt(replace(asked, worst=worst), later)

    def _as_later(self, asked: _Asked) -> Later:
        return Later(
            provider=cast("BatchProvider", self._reach()),
            books=self._ports.books,
            prices=self._prices,
            request=asked.request,
            query=asked.query,
            worst=asked.worst,
            tell=self._tell,
            call=partial(self._as_call, asked),
        )

    def _tidy(self) -> None:
        """Withdraw what was handed in for jobs that have ended without it; what was answered already is booked."""
        for query, batch in self._ports.books.abandoned(self.provider):
            request = ModelRequest(
                model=query.model, system="", prompt="", schema={}, operation=query.operation
            )
            asked = _Asked(request=request, query=query, tokens=0, worst=Decimal(0), until=0.0)
            with suppress(FlowForgeError):
                self._as_later(asked).withdraw(batch)

    def _attempt(self, asked: _Asked, later: Later | None = None) -> ModelAnswer:
        """One pass through the whole order."""
        if asked.asker.cancelled():
            raise Refused(Reason.CANCELLED, "the job was cancelled before a model was asked")
        try:
            reservation = self._ports.books.reserve(asked.asker, asked.worst)
        except FlowForgeError as error:
            return self._stored_or_raise(asked, error)
        with ExitStack() as held:
            try:
                stored = self._come_to_turn(asked, reservation, held)
            except BaseException as error:
                self._give_back(reservation)
                if not isinstance(error, FlowForgeError):
                    raise
                return self._stored_or_raise(asked, error)
            if stored is None and later is not None:
                self._breaker.unsent(asked.request.model)
                later.submit(reservation)
            if stored is None:
                return self._call(asked, reservation)
        call = self._stored_call(asked, stored)
        self._tell(call, lambda: self._ports.books.release(reservation, call))
        return stored

    def _come_to_turn(self, asked: _Asked, reservation: str, held: ExitStack) -> ModelAnswer | None:
        """Pass limits, turns and breaker; returns a stored answer, or None: the call is sent now."""
        ports, model, came = self._ports, asked.request.model, self._ports.clock()
        ports.limiter.admit(asked.asker, asked.tokens + asked.request.max_output, asked.worst)
        held.enter_context(self._turns.turn(asked.asker, asked.until))
        ports.telemetry.observe("flowforge_model_wait_seconds", ports.clock() - came, provider=self.provider)
        self._breaker.admit(model)
        try:
            stored = ports.books.begin(reservation, asked.query)
        except BaseException:
            self._breaker.unsent(model)
            raise
        if stored is not None:
            self._breaker.unsent(model)
        return stored

    def _stored_or_raise(self, asked: _Asked, error: FlowForgeError) -> ModelAnswer:
        """What is stored costs nothing and asks nobody, so nothing stands in its way."""
        try:
            stored = self._ports.books.answered(asked.query)
        except FlowForgeError:
            stored = None
        if stored is None:
            raise error
        call = self._stored_call(asked, stored)
        self._tell(call, lambda: self._ports.books.note(call))
        return stored

    def _give_back(self, reservation: str) -> None:
        try:
            self._ports.books.release(reservation)
        except FlowForgeError as error:
            _log.warning(
                "a reservation of money is given back when its time is over, not now: %s", error.sentence
            )

    def _call(self, asked: _Asked, reservation: str) -> ModelAnswer:
        ports, model = self._ports, asked.request.model
        started = ports.clock()

        def took() -> int:
            return _milliseconds(ports.clock() - started)

        try:
            with ports.telemetry.span("model.call", provider=self.provider, model=model):
                answer = self._reach().complete(asked.request, asked.until - started)
        except FlowForgeError as error:
            self._breaker.done(model, error)
            call = self._as_call(asked, error.reason.value, request_id=error.evidence, milliseconds=took())
            self._tell(call, lambda: ports.books.release(reservation, call))
            raise
        except BaseException as error:
            self._breaker.unsent(model)
            word, lost = Reason.PLUGIN_FAILED.value, asked.worst  # nobody knows what it cost
            call = self._as_call(asked, word, cost=lost, milliseconds=took(), reservation=reservation)
            self._tell(call, lambda: ports.books.settle(call, asked.query, None))
            if not isinstance(error, Exception):
                raise
            raise no_contract(self.provider, error) from error
        failpoint("llm.after_reply")
        told, answer = answer.usage, replace(answer, usage=sane(answer.usage))
        whole = answer.stop != "cut"
        self._breaker.done(model, None if whole else cut_off(self.provider, answer.why))
        call = self._as_call(
            asked,
            answer.stop,
            usage=answer.usage,
            cost=self._cost(asked, told),
            request_id=answer.request_id,
            milliseconds=took(),
            reservation=reservation,
        )
        self._tell(call, lambda: ports.books.settle(call, asked.query, answer if whole else None))
        failpoint("llm.after_booking")
        return answer

    def _cost(self, asked: _Asked, usage: Usage) -> Decimal:
        price = self._prices.of(asked.request.model, sane(usage).prompt)
        spent = booked(usage, price, asked.worst)
        if spent > asked.worst:
            _log.warning(
                "a call of %s was billed $%s, more than the $%s that it could cost; it is booked as billed",
                *(asked.request.model, dollars(spent), dollars(asked.worst)),
            )
        return spent

    def _stored_call(self, asked: _Asked, stored: ModelAnswer) -> Call:
        """An answer that is given again, for nothing."""
        price = self._prices.of(asked.request.model, stored.usage.prompt)
        call = self._as_call(asked, stored.stop, request_id=stored.request_id, cache_hit=True)
        return replace(call, saved=cost(stored.usage, price))

    def _as_call(
        self,
        asked: _Asked,
        result: str,
        *,
        usage: Usage = _NOTHING,
        cost: Decimal = Decimal(0),
        milliseconds: int = 0,
        request_id: str = "",
        reservation: str = "",
        cache_hit: bool = False,
    ) -> Call:
        request = asked.request
        return Call(
            asker=asked.asker,
            provider=self.provider,
            model=request.model,
            operation=request.operation,
            result=result,
            usage=usage,
            cost=cost,
            milliseconds=milliseconds,
            cache_hit=cache_hit,
            request_id=request_id,
            prompt_hash=_digest(request.system, request.shared, request.prompt),
            reservation=reservation,
        )

    def _tell(self, call: Call, book: Callable[[], None]) -> None:
        """Book a call that was made, and let everybody know. A database that is away for it is waited for.

        Raises:
            Unbooked: it is away for too long.
        """
        ports = self._ports
        until = ports.clock() + BOOKING
        while True:
            try:
                book()
                break
            except Temporary as error:
                if ports.clock() >= until:
                    raise Unbooked(error.reason, error.sentence, delay=error.delay) from error
                ports.sleep(AGAIN)
        measure(ports.telemetry, call)
        ports.told(call)

    def _moved(self, whose: str, error: FlowForgeError | None) -> None:
        """Say that the breaker opened or closed."""
        opened = error is not None
        self._ports.telemetry.gauge("flowforge_model_breaker_open", float(opened), of=whose)
        if error is None:
            _log.warning("model %s answers again and is asked as usual", whose)
        else:
            _log.warning("model %s is not asked for a while: %s", whose, error.sentence)

    def _wait_or_raise(self, asked: _Asked, attempt: int, error: Temporary) -> None:
        """Wait as long as asked and at random a little longer, where attempts and deadline allow it."""
        ports = self._ports
        wait = error.delay + BACKOFF * 2 ** (attempt - 1) * ports.random()
        if attempt >= MAX_ATTEMPTS or ports.clock() + wait >= asked.until:
            raise error if asked.asker.waits else too_long(error)
        ports.sleep(wait)


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode(errors="surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))
