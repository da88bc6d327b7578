"""What is public is documented: a reason, a route or a setting without a word in the docs fails here."""

import ast
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flowforge.api import app as api
from flowforge.api.bells import Bells
from flowforge.api.desk import Desk
from flowforge.api.docs import Docs
from flowforge.api.reasons import shipped_reasons
from flowforge.api.sockets import Close
from flowforge.core.concurrency import Policy
from flowforge.core.errors import Reason
from flowforge.core.job import Event
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


KIND = re.compile(r"[a-z]+\.[a-z_]+")


def emitted(text: str) -> set[str]:
    """Kinds of events that a module names: where it tells one, gives one back to be told, or writes one in SQL."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Attribute(attr="event" | "tell"), args=args):
                found |= {a.value for a in args if isinstance(a, ast.Constant) and isinstance(a.value, str)}
            case ast.Return(value=ast.Tuple(elts=[ast.Constant(value=str(kind)), _])):
                found.add(kind)
            case ast.Constant(value=str(sql)) if "INTO job_events" in sql:
                found |= set(re.findall(r"'((?!ff\.)[a-z]+\.[a-z_]+)'", sql))
    return {kind for kind in found if KIND.fullmatch(kind)}


def test_every_kind_of_event_is_documented_and_none_is_invented() -> None:
    told = {f"job.{event}" for event in Event} | {"job.submit"}
    for path in sorted((ROOT / "flowforge").rglob("*.py")):
        if "cli" not in path.parts:  # shows events, and its own of a run without a service
            told |= emitted(path.read_text())
    table = (DOCS / "events.md").read_text().partition("## Kinds of events")[2]
    assert set(re.findall(r"^\| `([a-z]+\.[a-z_]+)` \|", table, re.MULTILINE)) == told


def test_every_close_code_is_documented_and_none_is_invented() -> None:
    rows = re.findall(r"^\| (\d{4}) \|", (DOCS / "events.md").read_text(), re.MULTILINE)
    assert [int(row) for row in rows] == sorted(Close)


def test_every_page_begins_with_its_title() -> None:
    for page in sorted(DOCS.glob("*.md")):
        assert page.read_text().startswith("# "), page.name
