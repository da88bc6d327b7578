"""The model service's books, kept in Postgres: money, answers and records of calls (`flowforge.llm.ports.Books`)."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from flowforge.accounts.refusal import over
from flowforge.core.errors import FlowForgeError
from flowforge.core.spend import Usage
from flowforge.hooks.contracts import ModelAnswer
from flowforge.llm.ports import Asker, Batch, Call, Query, ended
from flowforge.store import budgets, ledger, model_answers
from flowforge.store.audit import write_audit
from flowforge.store.database import Database
from flowforge.store.ids import Ids
from flowforge.store.scope import Actor, Scope
from flowforge.store.transaction import Row, Transaction
from flowforge.vault.envelope import Place, Vault

LARGEST = 1 << 20  # bytes of an answer that is stored
BATCH_HELD = (
    108_000.0  # seconds for which the money of a batch is set aside: thirty hours, a batch takes at most 24
)
_ACTOR = Actor(kind="worker")
_FIELD = "model_answer"
_TOKENS = ("input", "output", "cache_write", "cache_read")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StoredBooks:
    """Implements `Books`; every step is one transaction, durable before the next.

    Connected as ff_system: the installation's own caps belong to no organization. Answers are sealed, each for its
    place, so that a copied row opens nowhere else.
    """

    database: Database
    ids: Ids
    vault: Vault
    days: int = 30  # for which an answer is stored; 0 = for ever

    def reserve(self, asker: Asker, amount: Decimal) -> str:
        id_ = self.ids()
        with self.database.transaction(Scope.system(), actor=_ACTOR) as tx:
            full = ledger.reserve(
                tx,
                id_=id_,
                spender=spender_of(asker),
                amount=amount,
                job_limit=asker.job_usd,
                job_calls=asker.job_calls,
                line=ledger.Line(name=asker.line, limit=asker.line_usd) if asker.line else None,
            )
        if full is not None:
            raise over(full, amount)
        return str(id_)

    def answered(self, query: Query) -> ModelAnswer | None:
        with self.database.transaction(Scope.system(), actor=_ACTOR, read_only=True) as tx:
            row = _find(tx, query)
        return self._opened(row, query)

    def begin(self, reservation: str, query: Query) -> ModelAnswer | None:
        with self.database.transaction(Scope.system(), actor=_ACTOR) as tx:
            row = _find(tx, query)
            if row is None:
                _begin(tx, reservation, query)
        answer = self._opened(row, query)
        if row is not None and answer is None:
            with self.database.transaction(Scope.system(), actor=_ACTOR) as tx:
                model_answers.drop(tx, query.asker.organization, _key(query))
                _begin(tx, reservation, query)
        return answer

    def submitted(self, reservation: str, query: Query, batch: str) -> None:
        row = {"organization": query.asker.organization, "key": _key(query), "reservation": UUID(reservation)}
        with self.database.transaction(Scope.system(), actor=_ACTOR) as tx:
            model_answers.put_batch(
                tx, {**row, "batch": batch, "provider": query.provider, "job": query.asker.job}
            )
            ledger.hold(tx, UUID(reservation), BATCH_HELD)

    def batch_of(self, query: Query) -> Batch | None:
        with self.database.transaction(Scope.system(), actor=_ACTOR, read_only=True) as tx:
            row = model_answers.find_batch(tx, query.asker.organization, _key(query))
        if row is None:
            return None
        return Batch(id=row["batch"], reservation=str(row["reservation"]), age=row["age"])

    def abandoned(self, provider: str) -> Sequence[tuple[Query, Batch]]:
        with self.database.transaction(Scope.system(), actor=_ACTOR, read_only=True) as tx:
            rows = model_answers.abandoned_batches(tx, provider, 5)
        return [
            (
                Query(
                    asker=Asker(organization=row["organization"], job=row["job"]),
                    key=bytes(row["key"]).hex(),
                    provider=provider,
                    model=row["model"],
                    operation=row["operation"],
                ),
                Batch(id=row["batch"], reservation=str(row["reservation"]), age=row["age"]),
            )
            for row in rows
        ]

    def settle(self, call: Call, query: Query, answer: ModelAnswer | None) -> None:
        row = self._sealed(query, answer) if answer is not None else None
        reservation = UUID(call.reservation)
        with self.database.transaction(Scope.system(), actor=_ACTOR) as tx:
            ledger.settle(tx, reservation, call.cost)
            _record(tx, call, reservation)
            if row is not None:
                model_answers.put(tx, row, days=self.days)

    def release(self, reservation: str, call: Call | None = None) -> None:
        with self.database.transaction(Scope.system(), actor=_ACTOR) as tx:
            if ledger.release(tx, UUID(reservation)) and call is not None:
                _record(tx, call)

    def note(self, call: Call) -> None:
        with self.database.transaction(Scope.system(), actor=_ACTOR) as tx:
            _record(tx, call)

    def _sealed(self, query: Query, answer: ModelAnswer) -> Mapping[str, object] | None:
        text = answer.text.encode(errors="surrogatepass")
        if len(text) > LARGEST:
            _log.warning("an answer of %s bytes is too large to be stored", len(text))
            return None
        asker, usage = query.asker, {**vars(answer.usage), "cache_write": answer.usage.written}
        return {
            "organization": asker.organization,
            "key": _key(query),
            "provider": query.provider,
            "model": query.model,
            "operation": query.operation,
            "prompt_version": query.version,
            "sealed_text": self.vault.seal(text, _place(query)),
            "stop": answer.stop,
            "request_id": answer.request_id,
            **{f"{name}_tokens": usage[name] for name in _TOKENS},
            "repository": asker.repository,
            "job": asker.job,
        }

    def _opened(self, row: Row | None, query: Query) -> ModelAnswer | None:
        """None also for one that does not open: its master key was changed, so it is asked for again."""
        if row is None:
            return None
        try:
            text = self.vault.open(bytes(row["sealed_text"]), _place(query))
        except FlowForgeError as error:
            _log.warning(
                "a stored answer of a model does not open, so it is asked for again: %s", error.sentence
            )
            return None
        return ModelAnswer(
            text=text.decode(errors="surrogatepass"),
            usage=Usage(**{name: row[f"{name}_tokens"] for name in _TOKENS}),
            stop=row["stop"],
            request_id=row["request_id"],
        )


def _find(tx: Transaction, query: Query) -> Row | None:
    return model_answers.find(tx, query.asker.organization, _key(query))


def _begin(tx: Transaction, reservation: str, query: Query) -> None:
    begun = ledger.begin(
        tx, UUID(reservation), provider=query.provider, model=query.model, operation=query.operation
    )
    if not begun:
        raise ended(reservation)


def _key(query: Query) -> bytes:
    return bytes.fromhex(query.key)


def _place(query: Query) -> Place:
    return Place(organization=query.asker.organization, record=UUID(bytes=_key(query)[:16]), field=_FIELD)


def _record(tx: Transaction, call: Call, reservation: UUID | None = None) -> None:
    """One row in the usage table and one in the audit log; never the text. Of a reservation, once."""
    if not ledger.record_call(tx, spender_of(call.asker), usage_of(call), reservation):
        return
    write_audit(
        tx,
        organization=call.asker.organization,
        action="model.call",
        resource="job",
        resource_id=call.asker.job or "",
        details={
            "provider": call.provider,
            "model": call.model,
            "operation": call.operation,
            "result": call.result,
            "cost_usd": str(call.cost),
            "prompt_hash": call.prompt_hash,
            "request_id": call.request_id,
        },
    )


def hold_installation_to(database: Database, monthly_usd: Decimal, ids: Ids) -> None:
    """Make the setting `model_monthly_usd` the installation's own cap, or remove that cap (0). At every start.

    What a person has set is let stand.
    """
    with database.transaction(Scope.system()) as tx:
        stands = budgets.one(tx, period="monthly")
        if stands is not None and stands.set_by == "person":
            return
        if monthly_usd <= 0:
            budgets.remove_budget(tx, period="monthly", by="setting")
        elif stands is None or stands.amount != monthly_usd:
            budgets.set_budget(tx, id_=ids(), period="monthly", amount=monthly_usd, by="setting")


def spender_of(asker: Asker) -> ledger.Spender:
    return ledger.Spender(
        organization=asker.organization, user=asker.user, repository=asker.repository, job=asker.job
    )


def usage_of(call: Call) -> ledger.Call:
    return ledger.Call(
        provider=call.provider,
        model=call.model,
        operation=call.operation,
        usage=call.usage,
        cost=call.cost,
        milliseconds=call.milliseconds,
        cache_hit=call.cache_hit,
        result=call.result,
        request_id=call.request_id,
    )
