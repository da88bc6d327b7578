"""A slice of the search through the machine's model, and that it finds what it is there to find.

`python -m tests.faults.machine --steps 10000` is the whole of it.
"""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowforge.jobs import pushing
from flowforge.store import jobs as table
from flowforge.store.jobs import Pushes
from tests.conftest import TestDatabase
from tests.faults.ground import Ground, ground
from tests.faults.hands import Stale
from tests.faults.machine import walk

pytestmark = pytest.mark.services

STEPS = 1000
ENOUGH = 10_000  # steps within which a broken machine is found; most are after a few hundred
Patch = pytest.MonkeyPatch


@pytest.fixture
def here(database: TestDatabase, tmp_path: Path) -> Iterator[Ground]:
    with ground(database, tmp_path) as made:
        yield made


def test_a_thousand_steps_in_any_order_break_no_promise(
    here: Ground, record_property: Callable[[str, object], None]
) -> None:
    start = secrets.randbelow(1 << 32)
    print(f"seed {start}")  # again with: python -m tests.faults.machine --steps 1000 --seed ...
    walk(here, STEPS, start)
    record_property("seed", start)
    record_property("count", here.steps)
    assert here.steps >= STEPS
    assert here.ran["work: after looked: pushed"], "it has come as far as a push"


def without_the_fence(patch: Patch, _here: Ground) -> None:
    patch.setattr(table, "_MINE", table._MINE.replace("AND fence = %(fence)s", ""))


def two_may_write_one_ref(patch: Patch, here: Ground) -> None:
    with here.connection.cursor() as cursor:
        cursor.execute("DROP INDEX jobs_one_writer")
    cut = table._CLAIM.replace("w.ref_key = j.ref_key", "false")
    assert cut != table._CLAIM
    patch.setattr(table, "_CLAIM", cut)


def push_by_force(patch: Patch, _here: Ground) -> None:
    honest = Stale.push

    def push(self: Stale, *argv: str, ref: str, sha: str, deadline: float) -> bytes:
        forced = ("--force" if word.startswith("--force-with-lease") else word for word in argv)
        return honest(self, *forced, ref=ref, sha=sha, deadline=deadline)

    patch.setattr(Stale, "push", push)


def intents_are_forgotten(patch: Patch, _here: Ground) -> None:
    patch.setattr(table, "pushes", lambda _tx, _job: Pushes(pushed=False, unsettled=False))


def what_landed_is_pushed_again(patch: Patch, _here: Ground) -> None:
    patch.setattr(pushing, "landed", lambda _earlier, _old: "")


def a_key_makes_two_jobs(_patch: Patch, here: Ground) -> None:
    with here.connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " NEW.idempotency_key := NULL; RETURN NEW; END $$"
        )
        cursor.execute("CREATE TRIGGER a_forget BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION forget()")


@pytest.mark.parametrize(
    ("spoil", "start"),  # a seed that comes upon it soon
    [
        (without_the_fence, 1),
        (two_may_write_one_ref, 2),
        (push_by_force, 2),
        (intents_are_forgotten, 2),
        (what_landed_is_pushed_again, 2),
        (a_key_makes_two_jobs, 2),
    ],
)
def test_a_machine_that_was_spoilt_is_found(
    here: Ground, monkeypatch: Patch, spoil: Callable[[Patch, Ground], None], start: int
) -> None:
    spoil(monkeypatch, here)
    with pytest.raises(AssertionError):
        walk(here, ENOUGH, start)
    print(f"{spoil.__name__} was found after {here.steps} steps")
