"""Prompts as they are sent, with fixed random words: three conflicts written for a reader.

`python -m tests.golden.prompts_of` writes them anew; what changed is then to be read.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flowforge.core.conflict import Abstain
from flowforge.git.hiding import secrets_in
from flowforge.hooks.contracts import ModelRequest
from flowforge.merge.defined import Definition
from flowforge.merge.surroundings import surroundings
from flowforge.resolve.prompt import CONTEXT, Delimiters, Facts, build
from flowforge.resolve.templates import FILES, read_templates
from tests.golden.conflictcases import conflict_of
from tests.golden.rungs import registry

PROMPTS = Path(__file__).parents[2] / "config" / "prompts"
FOLDER = Path(__file__).parent / "prompts"
TEMPLATES = read_templates({name: (PROMPTS / name).read_text() for name in FILES})
WORDS = Delimiters(shared="COMMITCOMMITCOMMIT", request="REQUESTREQUESTREQUEST")
SECRET = "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF6hI9"  # put together here; no scanner takes it for one

SHOP = '''import decimal

from shop.rates import rate_of

LIMIT = decimal.Decimal(100)


def rounded(amount):
    return amount.quantize(decimal.Decimal("0.01"))


class Basket:
    """What somebody is about to buy."""

    def __init__(self, lines):
        self.lines = lines

    def total(self, country):
        """With tax."""
        {first}
        for line in self.lines:
            amount += line.price
        {second}

    def clear(self):
        self.lines = []
'''
DIFF = """diff --git a/shop/basket.py b/shop/basket.py
--- a/shop/basket.py
+++ b/shop/basket.py
@@ -18,5 +18,6 @@ class Basket:
         \"\"\"With tax.\"\"\"
         amount = decimal.Decimal(0)
         for line in self.lines:
             amount += line.price
-        return amount * rate_of(country)
+        with_tax = amount * rate_of(country)
+        return rounded(with_tax)
"""
LONG = "".join(
    f"def step_{n}(value):\n    if value > {n}:\n        return value - {n}\n    return value\n\n\n"
    for n in range(40)
)


@dataclass(frozen=True, kw_only=True)
class Case:
    path: str
    texts: tuple[str, str, str]  # base, upstream, commit
    facts: Facts
    context: int = CONTEXT


def _shop(first: str, second: str) -> str:
    return SHOP.format(first=first, second=second)


CASES: Mapping[str, Case] = {
    "a_function": Case(
        path="shop/basket.py",
        texts=(
            _shop("amount = decimal.Decimal(0)", "return amount * rate_of(country)"),
            _shop("amount = decimal.Decimal(0)", "return min(amount, LIMIT) * rate_of(country)"),
            _shop(
                "amount = decimal.Decimal(self.start)",
                "with_tax = amount * rate_of(country)\n        return rounded(with_tax)",
            ),
        ),
        facts=Facts(
            onto="b" * 40,
            message="Round what is paid\n\nThe bank refuses fractions of a cent.\n",
            diff=DIFF,
            paths=("shop/basket.py",),
            upstream_commits=("0123456789 Pay at most the limit",),
            definitions=(
                Definition(
                    name="rate_of", path="shop/rates.py", text="def rate_of(country, day=None):", whole=False
                ),
            ),
            repository=("Lines are indented by 4 spaces.", "Strings are in double quotes."),
        ),
    ),
    "a_secret_beside_it": Case(
        path="ci/deploy.sh",
        texts=tuple(f"set -e\nexport TOKEN={SECRET}\nregion=eu\npush --times {n}\ndone\n" for n in "123"),  # type: ignore[arg-type]  # three
        facts=Facts(
            onto="b" * 40,
            message=f"Try three times\n\nThe token {SECRET} stays.\n",
            diff=f"diff --git a/ci/deploy.sh b/ci/deploy.sh\n@@ -2,3 +2,3 @@\n export TOKEN={SECRET}\n-push --times 1\n+push --times 3\n",
            paths=("ci/deploy.sh",),
        ),
    ),
    "two_functions": Case(
        path="steps.py",
        texts=tuple(
            LONG.replace("value - 3\n", f"value - {x}\n").replace("value - 33\n", f"value - {x}{x}\n")
            for x in ("3", "4", "5")
        ),  # type: ignore[arg-type]  # three
        facts=Facts(onto="b" * 40, message="Take other steps\n"),
    ),
}


def sent(name: str) -> str:
    """Every request of a case, whole."""
    case = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        conflict = conflict_of(case.path, *(text.encode() for text in case.texts), folder=Path(folder))
    languages = registry().languages
    language = next((one for one in languages.values() if f"*{Path(case.path).suffix}" in one.globs), None)
    near = surroundings(conflict, language)
    facts = {
        **{field: getattr(case.facts, field) for field in Facts.__dataclass_fields__},
        "language": language.id if language else "",
        "places": near.places,
        "definitions": (*near.known.definitions, *case.facts.definitions),
    }
    made = build(
        conflict,
        Facts(**facts),
        TEMPLATES,
        model="m",
        delimiters=WORDS,
        secrets=secrets_in,
        context=case.context,
    )
    if isinstance(made, Abstain):
        return f"{made.why}: {made.sentence}\n"
    return "\n".join(_request(number, one.request) for number, one in enumerate(made, start=1))


def _request(number: int, request: ModelRequest) -> str:
    parts = {
        "rules": "(as in config/prompts/resolve.system.txt)",
        "commit": request.shared,
        "own": request.prompt,
    }
    return "\n".join(f"======== request {number}: {name}\n{text}" for name, text in parts.items())


def main() -> None:
    for name in CASES:
        (FOLDER / f"{name}.golden").write_text(sent(name))


if __name__ == "__main__":
    main()
