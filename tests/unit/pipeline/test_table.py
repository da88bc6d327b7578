"""Which stages there are."""

from dataclasses import replace

from flowforge.hooks.contracts import Stage
from flowforge.hooks.manager import Registry
from flowforge.pipeline.options import OPTIONS
from flowforge.pipeline.stages import clone
from flowforge.pipeline.table import BUILT_IN, stage_table


def test_every_built_in_stage_has_options_and_the_other_way_round() -> None:
    assert set(BUILT_IN) == set(OPTIONS)


def test_plugins_stand_beside_the_built_in_stages_and_never_in_their_place() -> None:
    added = {name: Stage(name=name, load="m:f") for name in ("deploy", "clone")}
    table = stage_table(replace(Registry(), stages=added))
    assert set(table) == {*BUILT_IN, "deploy"}
    assert table["clone"] is clone.run


def test_without_plugins_the_table_is_the_built_in_one() -> None:
    assert stage_table(Registry()) == dict(BUILT_IN)
