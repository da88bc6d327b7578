"""Which stages there are."""

from dataclasses import replace

from flowforge.hooks.contracts import Stage
from flowforge.hooks.manager import Registry
from flowforge.pipeline.calibrating import CALIBRATE
from flowforge.pipeline.options import OPTIONS
from flowforge.pipeline.stages import clone
from flowforge.pipeline.table import BUILT_IN, stage_table
from flowforge.pipeline.undoing import UNDO


def test_every_built_in_stage_but_undo_and_calibrate_may_stand_in_a_definition_and_has_options() -> None:
    assert set(BUILT_IN) == set(OPTIONS) | {UNDO, CALIBRATE}
    assert UNDO not in OPTIONS


def test_plugins_stand_beside_the_built_in_stages_and_never_in_their_place() -> None:
    added = {name: Stage(name=name, load="m:f") for name in ("deploy", "clone")}
    table = stage_table(replace(Registry(), stages=added))
    assert set(table) == {*BUILT_IN, "deploy"}
    assert table["clone"] is clone.run


def test_without_plugins_the_table_is_the_built_in_one() -> None:
    assert stage_table(Registry()) == dict(BUILT_IN)
