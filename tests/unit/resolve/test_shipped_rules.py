"""The words that resolvers say and the words that policy knows must be the same."""

from flowforge.merge.structural import LINES
from flowforge.merge.weave import DEFINITIONS, IMPORTS, NAMES, NEAR_WORDS, REPLACED, TEXTS, WORDS
from flowforge.resolve.priors import CERTAIN, shipped_priors
from tests.golden.rungs import registry


def test_every_structural_rule_has_a_shipped_count() -> None:
    said = {
        f"structural/{rule}"
        for rule in (LINES, DEFINITIONS, IMPORTS, NAMES, NEAR_WORDS, REPLACED, TEXTS, WORDS)
    }
    assert said == {rule for rule in shipped_priors().by_rule if rule.startswith("structural/")}


def test_every_shipped_rule_belongs_to_a_rung_that_is_registered() -> None:
    rungs = {resolver.rung for resolver in registry().resolvers.values()}
    assert {rule.partition("/")[0] for rule in (*shipped_priors().by_rule, *CERTAIN)} <= rungs
