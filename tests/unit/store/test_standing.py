"""The triggers are generated from the table of moves."""

import re

from flowforge.core.job import FINAL, TABLE, Event, State
from flowforge.store import guards, standing


def test_every_move_of_the_table_is_in_the_function() -> None:
    rows = set(re.findall(r"\('(\w+)', '(\w+)', '(\w+)'\)", standing.machine()))
    assert rows == {(before, after, event) for (before, event), after in TABLE.items()}


def test_a_changed_table_changes_the_function() -> None:
    small = standing.machine({(State.PENDING, Event.CANCEL): State.CANCELLED})
    assert "('pending', 'cancelled', 'cancel')" in small
    assert "validate_ok')" not in small


def test_the_final_states_are_named_once_from_core() -> None:
    assert standing.text_list(FINAL) == "'cancelled', 'failed', 'success', 'superseded'"
    assert standing.text_list(FINAL) in standing.machine()


def test_functions_that_may_do_more_than_their_caller_fix_their_search_path() -> None:
    scripts = guards.TOKENS + guards.PARTITIONS + standing.machine()
    definers = re.findall(r"SECURITY DEFINER([^$]*)AS \$\$", scripts)
    assert len(definers) == 3
    assert all("SET search_path = pg_catalog, public, pg_temp" in found for found in definers)
    assert scripts.count("REVOKE ALL ON FUNCTION") >= len(definers)
