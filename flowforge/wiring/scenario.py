"""The demo's repository: a small shop whose branches conflict with main in the ways that conflicts happen.

Everything is written for the demo. The stories: `discounts` conflicts in imports, in a JSON file that both added
and in two functions added at one place, all of which can be answered with certainty; `rounding` disagrees about one
function's body, which only a model or a person can answer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

AUTHORS = ("Ada Merchant <ada@shop.example>", "Ben Ledger <ben@shop.example>")
_START = 1_750_000_000  # the first commit's time; the others follow by the hour
_HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class PlannedCommit:
    """One commit to make: on `branch`, after `parent` (a branch) if the branch is new."""

    branch: str
    message: str
    files: Mapping[str, str]
    author: str = AUTHORS[0]
    parent: str = ""


def fast_import(commits: tuple[PlannedCommit, ...]) -> bytes:
    """The commits as a stream for `git fast-import`: one process makes the whole repository."""
    return b"".join(_commands(commits))


def _commands(commits: tuple[PlannedCommit, ...]) -> Iterator[bytes]:
    for number, commit in enumerate(commits):
        message = commit.message.encode()
        when = f"{_START + number * _HOUR} +0100"
        yield f"commit refs/heads/{commit.branch}\n".encode()
        yield f"author {commit.author} {when}\ncommitter {commit.author} {when}\n".encode()
        yield b"data %d\n%s\n" % (len(message), message)
        if commit.parent:
            yield f"from refs/heads/{commit.parent}\n".encode()
        for path, text in commit.files.items():
            content = text.encode()
            yield f"M 100644 inline {path}\n".encode()
            yield b"data %d\n%s\n" % (len(content), content)
        yield b"\n"


_CART = '''"""A shopping cart."""

import json
{imports}

def subtotal(lines):
    """Sum of price times quantity, in cents."""
    return sum(line["price"] * line["quantity"] for line in lines)


def describe(lines):
    return json.dumps(lines)
{added}'''

_TAX = '''

def with_tax(cents, percent):
    """Price including tax."""
    return cents + cents * percent // 100
'''

_DISCOUNT = '''

def discounted(cents, percent):
    """Price after a discount."""
    return cents - cents * percent // 100
'''

_ROUND = '''"""Rounding of prices."""


def rounded(cents):
    {body}
'''

_TESTS = """import unittest

from shop.cart import subtotal
from shop.rounding import rounded


class ShopTest(unittest.TestCase):
    def test_a_cart_sums_up(self):
        self.assertEqual(subtotal([{"price": 250, "quantity": 2}]), 500)

    def test_rounding_keeps_whole_amounts(self):
        self.assertEqual(rounded(100), 100)
"""

_TEST_COMMAND = "python3 -m unittest -q"

_PIPELINE = f"""version: 1
name: keep-mergeable
stages:
  - {{id: clone, uses: clone}}
  - {{id: rebase, uses: rebase}}
  - {{id: resolve, uses: resolve, with: {{rungs: [mechanical, document, structural, model]}}}}
  - {{id: validate, uses: validate, with: {{checks: [markers, syntax, provenance, security]}}}}
  - {{id: test, uses: test, run: "{_TEST_COMMAND}", timeout: 1m}}
  - {{id: push, uses: push, with: {{to: head, require: tested}}}}
finally:
  - {{uses: report}}
"""

# The same with a model that answers badly, as a request may bring it along; `bad:dangerous` is a script.
DANGEROUS = _PIPELINE.replace(
    "[mechanical, document, structural, model]}",
    '[mechanical, structural, model], model: {provider: scripted, name: "bad:dangerous"}}',
)


def shop() -> tuple[PlannedCommit, ...]:
    """The commits: main moves on while `discounts` and `rounding` are worked on."""
    plain = _CART.format(imports="\n", added="")
    return (
        PlannedCommit(
            branch="main",
            message="Open the shop",
            files={
                ".flowforge.yml": _PIPELINE,
                "shop/__init__.py": "",
                "shop/cart.py": plain,
                "shop/rounding.py": _ROUND.format(body="return cents"),
                "tests/__init__.py": "",
                "tests/test_shop.py": _TESTS,
            },
        ),
        PlannedCommit(
            branch="discounts",
            parent="main",
            author=AUTHORS[1],
            message="Give discounts",
            files={
                "shop/cart.py": _CART.format(imports="import decimal\n\n", added=_DISCOUNT),
                "config/shop.json": '{\n  "discounts": true\n}\n',
            },
        ),
        PlannedCommit(
            branch="discounts",
            author=AUTHORS[1],
            message="Describe the discounts",
            files={"docs/discounts.md": "Discounts are given in percent.\n"},
        ),
        PlannedCommit(
            branch="rounding",
            parent="main",
            author=AUTHORS[1],
            message="Round up to ten cents",
            files={"shop/rounding.py": _ROUND.format(body="return -(-cents // 10) * 10")},
        ),
        PlannedCommit(
            branch="main",
            message="Add tax",
            files={
                "shop/cart.py": _CART.format(imports="import logging\n\n", added=_TAX),
                "config/shop.json": '{\n  "tax_percent": 19\n}\n',
            },
        ),
        PlannedCommit(
            branch="main",
            message="Round down to five cents",
            files={"shop/rounding.py": _ROUND.format(body="return cents // 5 * 5")},
        ),
    )
