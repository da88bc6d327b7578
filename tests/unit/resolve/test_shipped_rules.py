"""The words that resolvers say and the words that policy knows must be the same."""

from flowforge.merge.relations import (
    BESIDE,
    BESIDE_NAMES,
    CHANGED_IMPORTS,
    LINES,
    SIMILAR,
    WITHIN,
    WITHIN_IMPORTS,
)
from flowforge.merge.weave import (
    DEFINITIONS,
    IMPORTS,
    JOINED,
    NAMES,
    OPEN_IMPORTS,
    REPLACED,
    UNKNOWN_IMPORTS,
)
from flowforge.merge.wording import BY_WORDS
from flowforge.resolve.priors import CERTAIN, shipped_priors
from tests.golden.rungs import registry

WORDS = {*BY_WORDS, LINES, BESIDE, BESIDE_NAMES, SIMILAR, WITHIN, DEFINITIONS}
OF_IMPORTS = {
    IMPORTS,
    JOINED,
    NAMES,
    REPLACED,
    OPEN_IMPORTS,
    UNKNOWN_IMPORTS,
    CHANGED_IMPORTS,
    WITHIN_IMPORTS,
}


def test_every_structural_rule_has_a_shipped_count_and_no_other_has() -> None:
    counted = {
        rule.removeprefix("structural/")
        for rule in shipped_priors().by_rule
        if rule.startswith("structural/")
    }
    assert counted == WORDS | OF_IMPORTS


def test_every_shipped_rule_belongs_to_a_rung_that_is_registered() -> None:
    rungs = {resolver.rung for resolver in registry().resolvers.values()}
    assert {rule.partition("/")[0] for rule in (*shipped_priors().by_rule, *CERTAIN)} <= rungs
