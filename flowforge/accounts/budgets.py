"""Who sees and sets which budget: an organization's and its users' its admins, the installation's its operators."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID

from flowforge.core.access import Operation, Principal, Role, may
from flowforge.core.errors import Reason, Refused
from flowforge.core.spend import dollars
from flowforge.store import budgets
from flowforge.store.audit import write_audit
from flowforge.store.budgets import Standing
from flowforge.store.transaction import Transaction

PERIODS = ("daily", "weekly", "monthly")

_NEEDS = {
    "user": Operation.ADMINISTER,
    "organization": Operation.ADMINISTER,
    "installation": Operation.OPERATE,
}


@dataclass(frozen=True, kw_only=True)
class Which:
    """One budget as people name it."""

    whose: Literal["user", "organization", "installation"]
    period: str
    who: str = ""  # id or address of the user


@dataclass(frozen=True, kw_only=True)
class _Place:
    """The same as the table names it."""

    period: str
    organization: UUID | None
    user: UUID | None


def shown(tx: Transaction, principal: Principal) -> Sequence[Standing]:
    """The budgets that the caller may see: of the organization and the own, for admins all of its users, for operators
    the installation's too.
    """
    if principal.role >= Role.OPERATOR:
        budgets.see_installation(tx)
    if principal.role >= Role.ADMIN:
        return budgets.all_of(tx)
    found = budgets.all_of(tx, user=principal.user)
    return [one for one in found if one.user_id in {None, principal.user}]


def get(tx: Transaction, principal: Principal, which: Which) -> Standing:
    """Raises:
    Refused: not_found: there is none, or not for this caller's eyes.
    """
    if which.whose == "installation" and principal.role < Role.OPERATOR:
        raise _missing(which)
    place = _place(tx, principal, which)
    if place.user not in {None, principal.user} and principal.role < Role.ADMIN:
        raise _missing(which)
    found = budgets.one(tx, period=place.period, organization=place.organization, user=place.user)
    if found is None:
        raise _missing(which)
    return found


def put(
    tx: Transaction,
    principal: Principal,
    which: Which,
    *,
    amount: Decimal,
    alert_percent: int,
    new_id: Callable[[], UUID],
) -> tuple[Standing, bool]:
    """Make or change a budget; what it is already is left as it is. Whether it is new, too.

    Raises:
        Refused: not_allowed, not_found (no such user or period).
    """
    _allow(principal, which)
    place = _place(tx, principal, which)
    before = budgets.one(tx, period=place.period, organization=place.organization, user=place.user)
    wanted = (amount, alert_percent, "person")
    if before is not None and (before.amount, before.alert_percent, before.set_by) == wanted:
        return before, False
    budgets.set_budget(
        tx,
        id_=new_id(),
        period=place.period,
        organization=place.organization,
        user=place.user,
        amount=amount,
        alert_percent=alert_percent,
    )
    now = budgets.one(tx, period=place.period, organization=place.organization, user=place.user)
    if now is None:
        raise RuntimeError("a budget that was just set cannot be seen")
    _note(tx, "budget.set", which, now, before)
    return now, before is None


def remove(tx: Transaction, principal: Principal, which: Which) -> Standing:
    """Lift a budget; what was spent under it counts again where it is set anew within its period.

    Raises:
        Refused: not_allowed, not_found.
    """
    _allow(principal, which)
    found = get(tx, principal, which)
    budgets.remove_budget(tx, period=found.period, organization=found.organization, user=found.user_id)
    _note(tx, "budget.remove", which, found, found)
    return found


def _allow(principal: Principal, which: Which) -> None:
    needs = _NEEDS[which.whose]
    if not may(principal, needs):
        who = "an operator" if needs is Operation.OPERATE else "an admin of your organization"
        raise Refused(
            Reason.NOT_ALLOWED,
            f"this token may not {needs} here",
            next_action=f"ask {who}, or for a token with the scope {needs}",
        )


def _place(tx: Transaction, principal: Principal, which: Which) -> _Place:
    if which.period not in PERIODS:
        raise Refused(
            Reason.NOT_FOUND,
            "there is no such period of a budget",
            next_action=f"use one of {', '.join(PERIODS)}",
        )
    if which.whose == "installation":
        budgets.see_installation(tx)
        return _Place(period=which.period, organization=None, user=None)
    user = None
    if which.whose == "user":
        found = budgets.find_user(tx, which.who)
        if found is None:
            raise Refused(
                Reason.NOT_FOUND,
                "your organization has no such user",
                next_action="name somebody of it by address or id",
            )
        user = found[0]
    return _Place(period=which.period, organization=principal.organization, user=user)


def _missing(which: Which) -> Refused:
    period = which.period if which.period in PERIODS else "such"
    return Refused(
        Reason.NOT_FOUND,
        f"there is no {period} budget of this {which.whose}",
        next_action="list what there is: flowforge budget show",
    )


def _note(tx: Transaction, action: str, which: Which, about: Standing, before: Standing | None) -> None:
    write_audit(
        tx,
        organization=about.organization,
        action=action,
        resource="budget",
        resource_id=about.id,
        details={
            "whose": which.whose,
            "user": str(about.user_id or ""),
            "period": about.period,
            "amount_usd": dollars(about.amount),
            "before_usd": "" if before is None else dollars(before.amount),
            "alert_percent": about.alert_percent,
        },
    )
