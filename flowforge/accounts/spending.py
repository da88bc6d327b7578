"""The model service's ledger and record, kept in Postgres (`flowforge.llm.ports`)."""

from decimal import Decimal
from uuid import UUID

from flowforge.accounts.refusal import over
from flowforge.llm.ports import Asker, Call
from flowforge.store import budgets, ledger
from flowforge.store.audit import write_audit
from flowforge.store.database import Database
from flowforge.store.ids import Ids
from flowforge.store.scope import Actor, Scope

_ACTOR = Actor(kind="worker")


class StoredLedger:
    """Reserves, settles and releases; every step is a transaction of its own, durable before the next."""

    def __init__(self, database: Database, ids: Ids) -> None:
        """`database` is connected as ff_system: the installation's own caps belong to no organization."""
        self._database = database
        self._ids = ids

    def reserve(self, asker: Asker, amount: Decimal) -> str:
        id_ = self._ids()
        with self._database.transaction(Scope.system(), actor=_ACTOR) as tx:
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

    def settle(self, reservation: str, cost: Decimal) -> None:
        with self._database.transaction(Scope.system(), actor=_ACTOR) as tx:
            ledger.settle(tx, UUID(reservation), cost)

    def release(self, reservation: str) -> None:
        with self._database.transaction(Scope.system(), actor=_ACTOR) as tx:
            ledger.release(tx, UUID(reservation))


class StoredRecord:
    """One row in the usage table and one in the audit log for every call; never its text."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __call__(self, call: Call, /) -> None:
        with self._database.transaction(Scope.system(), actor=_ACTOR) as tx:
            reservation = UUID(call.reservation) if call.reservation else None
            ledger.record_call(tx, spender_of(call.asker), usage_of(call), reservation)
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
