"""Telling of budgets: what is said, by whom it is heard, and what a plugin that raises does."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID

import pytest

from flowforge.core.errors import Reason, Temporary
from flowforge.hooks.manager import EntryPoint, load_plugins
from flowforge.outbound.budgets import BudgetTeller, sentence
from flowforge.plugin import hookimpl
from flowforge.store.outbox import Letter

PAYLOAD = {
    "alert": "threshold",
    "budget": str(UUID(int=1)),
    "whose": "organization",
    "organization": str(UUID(int=2)),
    "user": "",
    "period": "monthly",
    "starts_at": "2026-03-01T00:00:00+00:00",
    "ends_at": "2026-04-01T00:00:00+00:00",
    "amount_usd": "10.00",
    "spent_usd": "8.50",
    "reserved_usd": "0.25",
    "alert_percent": 80,
    "job": "",
    "recipients": ["ann@example.org"],
}
LETTER = Letter(
    id=7,
    organization=UUID(int=2),
    job=None,
    kind="budget",
    payload=PAYLOAD,
    attempts=1,
    created_at=datetime(2026, 3, 2, tzinfo=UTC),
)


class Mail:
    """A plugin that would send mail."""

    def __init__(self) -> None:
        self.sent: list[Mapping[str, object]] = []

    @hookimpl
    def budget_alert(
        self, alert_id: str, sentence: str, whose: str, spent_usd: str, recipients: Sequence[str]
    ) -> None:
        told = {"id": alert_id, "sentence": sentence, "whose": whose, "spent": spent_usd}
        self.sent.append({**told, "to": recipients})


class Broken:
    @hookimpl
    def budget_alert(self) -> None:
        raise OSError("no route to the mail server")


def teller(*plugins: object) -> BudgetTeller:
    def point(plugin: object) -> EntryPoint:
        name = type(plugin).__name__
        return SimpleNamespace(name=name, value=name, load=lambda: plugin)

    registry = load_plugins([point(plugin) for plugin in plugins])
    assert registry.failed == ()
    return BudgetTeller(notify=registry.notify)


def test_a_plugin_hears_what_it_asks_for_and_the_log_has_a_line(caplog: pytest.LogCaptureFixture) -> None:
    mail = Mail()
    with caplog.at_level(logging.WARNING):
        teller(mail)(LETTER)
    said = "the monthly budget of an organization ($10.00) has reached 80 %: $8.50 are spent"
    assert mail.sent == [
        {"id": "7", "sentence": said, "whose": "organization", "spent": "8.50", "to": ("ann@example.org",)}
    ]
    assert [record.getMessage() for record in caplog.records] == [said]


def test_one_that_raises_is_named_and_all_are_told_again_without_another_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mail = Mail()
    tell = teller(Broken(), mail)
    for attempt in (1, 2):
        with pytest.raises(Temporary) as caught:
            tell(replace(LETTER, attempts=attempt))
        assert caught.value.reason is Reason.PLUGIN_FAILED
        assert "Broken: budget_alert: OSError: no route" in caught.value.sentence
    assert len(mail.sent) == 2
    assert len(caplog.records) == 1


def test_without_a_plugin_the_log_is_told() -> None:
    teller()(LETTER)


def test_exhausted_says_when_it_renews() -> None:
    said = sentence({**PAYLOAD, "alert": "exhausted", "whose": "installation", "period": "daily"})
    assert said == (
        "the daily budget of the installation ($10.00) has no room for another model call until it renews at "
        "2026-04-01 00:00 UTC, or is raised"
    )
