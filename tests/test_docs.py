"""What is public is documented: a reason, a route or a setting without a word in the docs fails here."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flowforge.api import app as api
from flowforge.api.bells import Bells
from flowforge.api.desk import Desk
from flowforge.api.docs import Docs
from flowforge.api.reasons import shipped_reasons
from flowforge.core.concurrency import Policy
from flowforge.core.errors import Reason
from flowforge.jobs.why import WhyCode
from flowforge.settings import Settings
from tests.unit.api.parts import lonely_parts

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "flowforge" / "docs"


def test_every_reason_is_documented() -> None:
    assert set(shipped_reasons()) == set(Reason)


def served() -> set[tuple[str, str]]:
    """(method, address) of every route, without the converters."""
    with ThreadPoolExecutor(1) as executor:
        parts = lonely_parts(executor)
        desk = Desk(database=parts.database, executor=executor)
        table = api.routes(parts, desk, Bells(), Docs(reasons={}))
    return {(method, re.sub(r":\w+}", "}", template)) for template, method in api.contracts(table)}


def test_every_route_is_documented_and_none_is_invented() -> None:
    rows = re.findall(r"^\| ([A-Z]+) \| `([^`]+)` \|", (DOCS / "rest.md").read_text(), re.MULTILINE)
    assert set(rows) == served()
    assert len(rows) == len(set(rows))


def test_the_documented_rights_are_those_that_are_asked_for() -> None:
    with ThreadPoolExecutor(1) as executor:
        parts = lonely_parts(executor)
        desk = Desk(database=parts.database, executor=executor)
        contracts = api.contracts(api.routes(parts, desk, Bells(), Docs(reasons={})))
    rows = re.findall(
        r"^\| ([A-Z]+) \| `([^`]+)` \|.*\| (\w*) ?\|$", (DOCS / "rest.md").read_text(), re.MULTILINE
    )
    said = {(method, address): needs for method, address, needs in rows}
    for (template, method), contract in contracts.items():
        address = re.sub(r":\w+}", "}", template)
        assert said[method, address] == (str(contract.needs) if contract.needs else ""), address


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_documented(name: str) -> None:
    text = (ROOT / "config" / "default.yaml").read_text()
    assert re.search(rf"^# {name}:", text, re.MULTILINE), name


def test_every_reason_to_wait_is_documented_and_none_is_invented() -> None:
    table = (DOCS / "queue.md").read_text().partition("## Why a job waits")[2]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [code.value for code in WhyCode]


def test_every_policy_of_a_group_is_documented() -> None:
    table = (DOCS / "queue.md").read_text().partition("## Pauses")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(Policy)


def test_every_page_begins_with_its_title() -> None:
    for page in sorted(DOCS.glob("*.md")):
        assert page.read_text().startswith("# "), page.name
