"""Telling people of budgets: a line in the log, and the plugins that send mail or the like."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from flowforge.core.errors import Reason, Temporary
from flowforge.store.outbox import Letter

log = logging.getLogger(__name__)

_TOLD = ("alert", "whose", "organization", "user", "period", "amount_usd", "spent_usd", "ends_at")
_WHOSE = {"user": "a user", "organization": "an organization", "installation": "the installation"}


class Failed(Protocol):
    """A plugin that raised (`hooks.manager.FailedPlugin`)."""

    @property
    def name(self) -> str: ...

    @property
    def sentence(self) -> str: ...


Notify = Callable[..., Sequence[Failed]]  # `Registry.notify`: the hook's name, then its values


@dataclass(frozen=True, kw_only=True)
class BudgetTeller:
    """Carries letters of the kind `budget`."""

    notify: Notify

    def __call__(self, letter: Letter) -> None:
        """Raises:
        Temporary: a plugin raised; all are told again later.
        """
        said = sentence(letter.payload)
        if letter.attempts == 1:
            log.warning("%s", said, extra={"organization": str(letter.organization or "")})
        values = {name: str(letter.payload.get(name, "")) for name in _TOLD}
        listed = letter.payload.get("recipients")
        to = tuple(map(str, listed)) if isinstance(listed, list) else ()
        told = {**values, "alert_id": str(letter.id), "sentence": said, "recipients": to}
        failed = self.notify("budget_alert", **told)
        if failed:
            names = "; ".join(f"{one.name}: {one.sentence}" for one in failed)
            raise Temporary(Reason.PLUGIN_FAILED, f"a plugin could not tell of a budget: {names}")


def sentence(payload: Mapping[str, object]) -> str:
    """What happened, for a log, a mail's subject, a chat."""
    whose = _WHOSE.get(str(payload.get("whose")), "somebody")
    budget = f"the {payload.get('period')} budget of {whose} (${payload.get('amount_usd')})"
    renews = datetime.fromisoformat(str(payload.get("ends_at"))).strftime("%Y-%m-%d %H:%M")
    if payload.get("alert") == "exhausted":
        return f"{budget} has no room for another model call until it renews at {renews} UTC, or is raised"
    return f"{budget} has reached {payload.get('alert_percent')} %: ${payload.get('spent_usd')} are spent"
