"""A repository whose branch meets main in every way that this folder asks about. Written for these tests."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.gitrepo import Repository

BEN = "Bén Ledger <ben@shop.example>"

CART = """\"\"\"A shopping cart.\"\"\"

import json
{imports}

def subtotal(lines):
    return sum(line["price"] * line["quantity"] for line in lines)


def describe(lines):
    return json.dumps(lines)\x20\x20


TAIL = "{tail}"\t
"""

GO = """package store

import "fmt"

func first() int {{
	return {first}
}}
func second() int {{
	return {second}
}}

func Show() string {{
	return fmt.Sprint(first(), second())
}}
{added}"""

TAX = """
func Tax(cents int) int {
	return cents * 19 / 100
}
"""

DISCOUNT = """
func Discount(cents int) int {
	return cents / 10
}
"""

FEE = """\"\"\"What handling costs.\"\"\"


def fee(cents):
{body}    return cents
"""

TESTS = """import unittest

from shop.cart import subtotal
from shop.fee import fee


class ShopTest(unittest.TestCase):
    def test_a_cart_sums_up(self):
        self.assertEqual(subtotal([{"price": 250, "quantity": 2}]), 500)

    def test_a_fee_is_no_loss(self):
        self.assertGreaterEqual(fee(10), 10)
"""

BOTH_FEES = """
    def test_handling_is_added_before_the_fee_is_doubled(self):
        self.assertEqual(fee(10), 30)
"""


def pipeline(
    *,
    rungs: str = "mechanical, document, structural",
    model: str = "",
    test: str = "python3 -m unittest -q",
    more: str = "",
    require: str = "tested",
    to: str = "head",
    ask: str = "",
    hand_back: bool = False,
) -> str:
    """A definition with all stages; `model` names the scripted rule, `more` are further keys of the test stage.

    `ask` is a path that a person must approve; with `hand_back` open conflicts wait for a person.
    """
    asked = f', model: {{provider: scripted, name: "{model}"}}' if model else ""
    asked += f', ask: ["{ask}"]' if ask else ""
    words = f"{rungs}, model" if model else rungs
    failure = ", on_failure: hand_back" if hand_back else ""
    return f"""version: 1
name: keep-mergeable
stages:
  - {{id: clone, uses: clone}}
  - {{id: rebase, uses: rebase}}
  - {{id: resolve, uses: resolve, with: {{rungs: [{words}]{asked}}}{failure}}}
  - {{id: validate, uses: validate, with: {{checks: [markers, syntax, provenance, security]}}}}
  - {{id: test, uses: test, run: "{test}", timeout: 1m{more}}}
  - {{id: push, uses: push, with: {{to: {to}, require: {require}}}}}
finally:
  - {{uses: report}}
"""


@dataclass(frozen=True, kw_only=True)
class Story:
    """The commits made: main's tip, the branch's tip, and the branch's own commits, oldest first."""

    main: str
    branch: str
    own: tuple[str, ...]


def shop(definition: str) -> dict[str, str]:
    return {
        ".flowforge.yml": definition,
        "shop/__init__.py": "",
        "shop/cart.py": CART.format(imports="\n", tail="old"),
        "shop/fee.py": FEE.format(body=""),
        "store/store.go": GO.format(first=1, second=2, added=""),
        "tests/__init__.py": "",
        "tests/test_shop.py": TESTS,
    }


def four_conflicts(repository: Repository, definition: str) -> Story:
    """Imports, Go functions (added and changed at one place) and a JSON file in the branch's first commit; a clean
    second one; and in the third a function that both sides changed, where only judgement helps."""
    start = shop(definition)
    base = repository.commit(start, branch="main", message="Open the shop")
    main = repository.commit(
        {
            **start,
            "shop/cart.py": CART.format(imports="import logging\n\n", tail="new"),
            "shop/fee.py": FEE.format(body="    cents = cents + 5\n"),
            "store/store.go": GO.format(first=10, second=2, added=TAX),
            "config/shop.json": '{\n  "tax_percent": 19\n}\n',
        },
        base,
        branch="main",
        message="Add tax and handling",
    )
    first = {
        **start,
        "shop/cart.py": CART.format(imports="import decimal\n\n", tail="old"),
        "store/store.go": GO.format(first=1, second=20, added=DISCOUNT),
        "config/shop.json": '{\n  "discounts": true\n}\n',
    }
    second = {**first, "docs/discounts.md": "Discounts are given in percent.\r\n"}
    third = {
        **second,
        "shop/fee.py": FEE.format(body="    cents = cents * 2\n"),
    }
    own = (
        one := repository.commit(
            first, base, author=BEN, zone="-0730", message="Give discounts\n\nBody: two lines\n of it\n"
        ),
        two := repository.commit(
            second, one, author=BEN, message="Gr\xfc\xdfe".encode("latin-1"), encoding="ISO-8859-1"
        ),
        repository.commit(third, two, zone="+1245", message="Double the fee", branch="topic"),
    )
    return Story(main=main, branch=own[-1], own=own)


def apart(
    repository: Repository,
    definition: str,
    *,
    base: Mapping[str, str] = {},
    branch: Mapping[str, str] = {"docs/topic.md": "by the branch\n"},
    name: str = "topic",
) -> Story:
    """main and a branch that touch different files."""
    start = {**shop(definition), **base}
    root = repository.commit(start, branch="main", message="Open the shop")
    main = repository.commit({**start, "docs/main.md": "by main\n"}, root, branch="main", message="Move on")
    tip = repository.commit({**start, **branch}, root, author=BEN, branch=name, message="Work on a topic")
    return Story(main=main, branch=tip, own=(tip,))
