"""Budgets: list them, set them, lift them. Whose they are decides who may."""

from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

import falcon
from falcon.asgi import Request, Response

from flowforge.accounts import budgets
from flowforge.accounts.budgets import Which
from flowforge.api.auth import principal_of
from flowforge.api.budget_models import BudgetIn, BudgetList, BudgetOut
from flowforge.api.desk import Desk
from flowforge.api.models import NoQuery
from flowforge.api.operation import Contract, operation
from flowforge.core.access import Operation
from flowforge.core.spend import dollars
from flowforge.store.budgets import Standing


def _shows(name: str) -> Contract:
    return Contract(name=name, tag="budgets", needs=Operation.READ, answers={200: BudgetOut}, refuses=(404,))


def _sets(name: str, needs: Operation) -> Contract:
    return Contract(
        name=name,
        tag="budgets",
        needs=needs,
        answers={200: BudgetOut, 201: BudgetOut},
        refuses=(404,),
    )


def _lifts(name: str, needs: Operation) -> Contract:
    return Contract(name=name, tag="budgets", needs=needs, answers={200: BudgetOut}, refuses=(404,))


class Budgets:
    def __init__(self, *, desk: Desk, new_id: Callable[[], UUID]) -> None:
        self._desk = desk
        self._new_id = new_id

    @operation(Contract(name="list_budgets", tag="budgets", needs=Operation.READ, answers={200: BudgetList}))
    async def on_get(self, req: Request, resp: Response, query: NoQuery) -> None:
        """List budgets as they stand: your organization's and your own; for admins those of all its users, for
        operators the installation's too.
        """
        principal = principal_of(req)
        found = await self._desk.read(req, lambda tx: budgets.shown(tx, principal))
        resp.media = BudgetList(budgets=[budget_out(one) for one in found])

    @operation(_shows("show_organization_budget"))
    async def on_get_organization(self, req: Request, resp: Response, period: str) -> None:
        """Show your organization's budget of a period."""
        await self._show(req, resp, Which(whose="organization", period=period))

    @operation(_sets("set_organization_budget", Operation.ADMINISTER))
    async def on_put_organization(self, req: Request, resp: Response, json: BudgetIn, period: str) -> None:
        """Set what your organization may spend on models in each period; 201 where there was no budget."""
        await self._set(req, resp, Which(whose="organization", period=period), json)

    @operation(_lifts("remove_organization_budget", Operation.ADMINISTER))
    async def on_delete_organization(self, req: Request, resp: Response, period: str) -> None:
        """Lift your organization's budget of a period."""
        await self._lift(req, resp, Which(whose="organization", period=period))

    @operation(_shows("show_user_budget"))
    async def on_get_user(self, req: Request, resp: Response, user: str, period: str) -> None:
        """Show a user's budget of a period: your own; for admins anybody's of the organization."""
        await self._show(req, resp, Which(whose="user", who=user, period=period))

    @operation(_sets("set_user_budget", Operation.ADMINISTER))
    async def on_put_user(self, req: Request, resp: Response, json: BudgetIn, user: str, period: str) -> None:
        """Set what the jobs of a user (id or address) may spend; 201 where there was no budget."""
        await self._set(req, resp, Which(whose="user", who=user, period=period), json)

    @operation(_lifts("remove_user_budget", Operation.ADMINISTER))
    async def on_delete_user(self, req: Request, resp: Response, user: str, period: str) -> None:
        """Lift a user's budget of a period."""
        await self._lift(req, resp, Which(whose="user", who=user, period=period))

    @operation(_shows("show_installation_budget"))
    async def on_get_installation(self, req: Request, resp: Response, period: str) -> None:
        """Show the installation's budget of a period; to operators."""
        await self._show(req, resp, Which(whose="installation", period=period))

    @operation(_sets("set_installation_budget", Operation.OPERATE))
    async def on_put_installation(self, req: Request, resp: Response, json: BudgetIn, period: str) -> None:
        """Set what all organizations together may spend; it outlives the setting model_monthly_usd."""
        await self._set(req, resp, Which(whose="installation", period=period), json)

    @operation(_lifts("remove_installation_budget", Operation.OPERATE))
    async def on_delete_installation(self, req: Request, resp: Response, period: str) -> None:
        """Lift the installation's budget of a period."""
        await self._lift(req, resp, Which(whose="installation", period=period))

    async def _show(self, req: Request, resp: Response, which: Which) -> None:
        principal = principal_of(req)
        resp.media = budget_out(await self._desk.read(req, lambda tx: budgets.get(tx, principal, which)))

    async def _set(self, req: Request, resp: Response, which: Which, json: BudgetIn) -> None:
        principal, amount = principal_of(req), Decimal(json.amount_usd)
        stands, new = await self._desk.write(
            req,
            lambda tx: budgets.put(
                tx, principal, which, amount=amount, alert_percent=json.alert_percent, new_id=self._new_id
            ),
        )
        resp.status = falcon.HTTP_201 if new else falcon.HTTP_200
        resp.media = budget_out(stands)

    async def _lift(self, req: Request, resp: Response, which: Which) -> None:
        principal = principal_of(req)
        resp.media = budget_out(await self._desk.write(req, lambda tx: budgets.remove(tx, principal, which)))


def budget_out(found: Standing) -> BudgetOut:
    same = ("id", "email", "period", "alert_percent", "alerted_at", "exhausted_at")
    amounts = {name: getattr(found, name) for name in ("amount", "spent", "reserved", "left")}
    return BudgetOut.model_validate(
        {
            **{name: getattr(found, name) for name in (*same, "starts_at", "ends_at", "set_by")},
            **{f"{name}_usd": dollars(amount) for name, amount in amounts.items()},
            "whose": "installation"
            if found.organization is None
            else "user"
            if found.user_id
            else "organization",
            "user": found.user_id,
        }
    )
