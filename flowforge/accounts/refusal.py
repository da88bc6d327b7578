"""What is said where money stands in the way of a model call: which budget, its period, when it renews, who may raise it."""

from decimal import Decimal

from flowforge.core.errors import Reason, Refused
from flowforge.core.spend import Budget, dollars

_BY_HAND = "or resolve the rest by hand"
_RAISED = {
    "user": "an admin of your organization can raise it: flowforge budget set AMOUNT --user EMAIL --period {period}",
    "organization": "an admin of your organization can raise it: flowforge budget set AMOUNT --period {period}",
    "installation": "an operator can raise it: flowforge budget set AMOUNT --installation --period {period}",
}
_WHOSE = {"user": "your", "organization": "your organization's", "installation": "the installation's"}


def over(budget: Budget, amount: Decimal) -> Refused:
    """The refusal of a call that may cost `amount` dollars and does not fit under `budget`."""
    return Refused(Reason.BUDGET_EXHAUSTED, _sentence(budget, amount), next_action=_next(budget))


def _sentence(budget: Budget, amount: Decimal) -> str:
    if budget.name == "calls of the job":
        return f"this job has made the {budget.limit} model calls that its pipeline allows"
    name = _named(budget)
    if not budget.limit:
        return f"{name} is $0: no model may be asked{_renews(budget)}"
    call = f"a model call may cost up to ${dollars(amount)}"
    if budget.name == "installation":  # its figures are made of other organizations' calls
        return f"{call}, which {name} has no room for{_renews(budget)}"
    return (
        f"{call}, and of {name} of ${dollars(budget.limit)} are ${dollars(budget.spent)} spent and "
        f"${dollars(budget.reserved)} reserved{_renews(budget)}"
    )


def _named(budget: Budget) -> str:
    if budget.name in _WHOSE:
        return f"{_WHOSE[budget.name]} {budget.period} budget"
    line = budget.name.removesuffix(" of the job")
    return "this job's limit" if line == "job" else f"this job's limit for its {line}"


def _renews(budget: Budget) -> str:
    return "" if budget.renews_at is None else f"; it renews at {budget.renews_at:%Y-%m-%d %H:%M} UTC"


def _next(budget: Budget) -> str:
    if budget.name in _RAISED:
        wait = "wait until it renews, " if budget.limit else ""
        return f"{_RAISED[budget.name].format(period=budget.period)}; {wait}{_BY_HAND}"
    known = {"calls of the job": "limits.model_calls", "job": "limits.model_usd"}
    return f"raise {known.get(budget.name, 'that limit')} in the pipeline, {_BY_HAND}"
