"""A whole service whose organization has no money: nothing is asked, a person is told why, and who raises it goes on."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from flowforge.api.budget_models import BudgetIn, BudgetOut
from flowforge.wiring.model_setup import shipped_prices
from tests.acceptance.house import ending, eventually
from tests.faults.test_models import DONE, GOOD, PERSON, asking, conflicting
from tests.faults.wired import WiredSite, all_end
from tests.modelserver import model_server

OURS = "organization/monthly"


def budget(site: WiredSite, amount: str) -> BudgetOut:
    with site.house.client as client:
        return client.set_budget(OURS, BudgetIn(amount_usd=amount))


def letters(site: WiredSite) -> list[Mapping[str, Any]]:
    query = "SELECT payload->>'alert' AS alert, payload->>'job' AS job FROM outbox WHERE kind = 'budget' AND done_at IS NOT NULL"
    return list(site.house.truth.rows(query))


@pytest.fixture
def no_budget_afterwards(wired: WiredSite) -> Any:
    yield
    with wired.house.client as client:
        client.remove_budget(OURS)


@pytest.mark.usefixtures("no_budget_afterwards")
def test_a_budget_of_nothing_asks_nobody_and_one_that_is_raised_goes_on(wired: WiredSite) -> None:
    with model_server() as server:
        server.answer(GOOD)
        budget(wired, "0")
        poor = conflicting(wired, "poor")
        with asking(wired, server):
            job = poor.submit()
            (end,) = all_end(wired, [job])
            assert ending(end) == PERSON
            assert server.messages == []
            with wired.house.client as client:
                told = client.conflicts(job.id).model_dump_json()
            assert "your organization's monthly budget is $0: no model may be asked" in told
            eventually(lambda: letters(wired), "the relay tells of it")
            assert letters(wired) == [{"alert": "exhausted", "job": str(job.id)}]
            events = "SELECT data FROM job_events WHERE kind = 'job.budget_alert' AND job::text = %(job)s"
            (event,) = wired.house.truth.rows(events, job=job.id)
            assert event["data"]["alert"] == "exhausted"

            budget(wired, "5")
            with wired.house.client as client:
                again = client.retry(job.id)
            (end,) = all_end(wired, [again])
            assert ending(end) == DONE
        billed = server.cost(shipped_prices())
    with wired.house.client as client:
        receipt, stands = client.receipt(again.id), client.budget(OURS)
    assert Decimal(receipt.total.cost_usd) == billed > 0
    assert sum(Decimal(call.cost_usd) for call in receipt.calls) == billed
    assert end.cost == receipt.total
    assert Decimal(stands.spent_usd) >= billed
    assert stands.reserved_usd == "0.00"
    assert json.loads(end.model_dump_json())["cost"]["calls"] == len(receipt.calls) == 1
    wired.keeps_its_promises(job, again)
