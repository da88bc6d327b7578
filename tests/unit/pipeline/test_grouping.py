"""Which group a definition asks for, as the door that takes a job in can tell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.concurrency import Concurrency
from flowforge.hooks.manager import Registry
from flowforge.pipeline.check import Catalog
from flowforge.pipeline.grouping import of_shipped, of_text
from flowforge.pipeline.load import load_shipped, shipped_definitions

HEAD = "version: 1\nname: x\n"
STAGES = "stages: [{uses: clone}]\n"
DEPLOY = Concurrency(group="deploy", policy="reject", pipeline="x")


@pytest.mark.parametrize("name", sorted(shipped_definitions()))
def test_a_shipped_definition_asks_for_what_it_loads_with(name: str) -> None:
    loaded = load_shipped(name, catalog=Catalog.of(Registry()))
    assert of_shipped(name) == loaded.required().concurrency


def test_a_name_that_does_not_ship_asks_for_nothing() -> None:
    assert of_shipped("nothing") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{HEAD}concurrency: {{group: deploy, policy: reject}}\n{STAGES}", DEPLOY),
        (
            f"{HEAD}concurrency: {{policy: reject}}\n{STAGES}",
            Concurrency(group="branch", policy="reject", pipeline="x"),
        ),
        (f"{HEAD}concurrency: {{}}\n{STAGES}", Concurrency(group="branch", policy="queue", pipeline="x")),
        (
            f"{HEAD}extends: [flowforge:rebase]\n",
            Concurrency(group="branch", policy="supersede", pipeline="x"),
        ),
        (
            f"{HEAD}extends: [flowforge:rebase]\nconcurrency: {{policy: queue}}\n",
            Concurrency(group="branch", policy="queue", pipeline="x"),
        ),
        (f"{HEAD}{STAGES}", None),
        (
            f"{HEAD}extends: [.ci/base.yml]\nconcurrency: {{group: deploy}}\n",
            None,
        ),  # only the worker reads that file
        (f"{HEAD}concurrency: {{group: '{{brnch}}'}}\n{STAGES}", None),  # the worker refuses it
        (f"{HEAD}concurrency: 7\n{STAGES}", None),
        (f"version: 1\nname: [x]\nconcurrency: {{}}\n{STAGES}", None),
        (f'version: 1\nname: "x\\0"\nconcurrency: {{}}\n{STAGES}', None),  # no database keeps that
        ("version: 1\nconcurrency: {}\n", None),
        ("concurrency: [", None),
        ("[concurrency]", None),
    ],
)
def test_a_text_asks_for_what_is_certain(text: str, expected: Concurrency | None) -> None:
    assert of_text(text) == expected


@given(st.text(max_size=60))
def test_any_text_is_an_answer(text: str) -> None:
    of_text(f"{text}concurrency{text}")
