"""Values on their way to the driver, and ids."""

import json
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.store.ids import make_ids, uuid7
from flowforge.store.scope import Scope
from flowforge.store.values import as_json, to_database, to_python


class Word(StrEnum):
    ONE = "one"


@given(st.text())
def test_text_without_oddities_stays_as_it_is(text: str) -> None:
    cleaned = to_database(text)
    assert "\0" not in cleaned
    cleaned.encode()
    if "\0" not in text and text.isprintable():
        assert cleaned == text


@pytest.mark.parametrize("value", [1, 1.5, None, True, b"x", Decimal("1.1"), UUID(int=1), ["a"], Word.ONE])
def test_other_values_pass_unchanged(value: object) -> None:
    assert to_database(value) is value


def test_a_mapping_becomes_jsonb_with_ids_and_money_as_text() -> None:
    quoted = to_database(
        {"id": UUID(int=1), "cost": Decimal("1.10"), "set": {1}, "word": Word.ONE}
    ).getquoted()
    assert quoted.endswith(b"::jsonb")
    text = quoted.removesuffix(b"::jsonb").strip(b"'")
    assert json.loads(text) == {"id": str(UUID(int=1)), "cost": "1.10", "set": [1], "word": "one"}


def test_a_number_that_json_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        as_json({"x": float("nan")}).getquoted()


def test_bytes_come_back_as_bytes() -> None:
    assert to_python(memoryview(b"x")) == b"x"
    assert isinstance(to_python(memoryview(b"x")), bytes)


@given(st.integers(min_value=0, max_value=(1 << 48) - 1), st.binary(min_size=10, max_size=10))
def test_an_id_is_of_version_7_and_carries_its_time(milliseconds: int, random: bytes) -> None:
    made = uuid7(milliseconds, random)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == milliseconds


def test_ids_sort_by_the_clock() -> None:
    ticks = iter(range(0, 100_000_000, 1_000_000))
    ids = make_ids(clock=lambda: next(ticks), random=lambda n: b"\xff" * n)
    made = [ids() for _ in range(50)]
    assert made == sorted(made)
    assert len(set(made)) == 50


def test_a_scope_is_an_organization_or_everything_or_nothing() -> None:
    id_ = UUID(int=5)
    assert (Scope.organization(id_).setting, Scope.organization(id_).all_rows) == (str(id_), False)
    assert (Scope.system().setting, Scope.system().all_rows) == ("", True)
    assert (Scope.nobody().setting, Scope.nobody().all_rows) == ("", False)
