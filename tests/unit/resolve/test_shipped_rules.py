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
from flowforge.merge.weave import DEFINITIONS, IMPORTS, NAMES, REPLACED
from flowforge.merge.wording import BY_WORDS
from flowforge.resolve.priors import CERTAIN, shipped_priors
from tests.golden.rungs import registry

# The next count has these; what the rules of words say apart was counted together under the former words.
WAITING = {*BY_WORDS, BESIDE, BESIDE_NAMES, CHANGED_IMPORTS, SIMILAR, WITHIN, WITHIN_IMPORTS}
FORMERLY = {"words apart", "words close together", "words of a text or comment"}


def test_every_structural_rule_has_a_shipped_count_or_waits_for_one() -> None:
    counted = {
        rule.removeprefix("structural/")
        for rule in shipped_priors().by_rule
        if rule.startswith("structural/")
    }
    assert counted >= {LINES, DEFINITIONS, IMPORTS, NAMES, REPLACED}
    assert counted - {LINES, DEFINITIONS, IMPORTS, NAMES, REPLACED} <= FORMERLY | WAITING


def test_every_shipped_rule_belongs_to_a_rung_that_is_registered() -> None:
    rungs = {resolver.rung for resolver in registry().resolvers.values()}
    assert {rule.partition("/")[0] for rule in (*shipped_priors().by_rule, *CERTAIN)} <= rungs
