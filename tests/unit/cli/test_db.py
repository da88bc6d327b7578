"""How `flowforge db maintain` tells what it did. What is told is made here; the doing is tested where it is done."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from flowforge.cli import db
from flowforge.cli.app import run_verb
from flowforge.cli.db import Report
from flowforge.core.errors import Reason, Temporary
from flowforge.store.chores import Chore
from flowforge.store.maintenance import Maintained
from flowforge.store.vacuum import Ahead, Health, Hint, TableHealth

Said = pytest.CaptureFixture[str]

JOBS = TableHealth(name="jobs", live=3, dead=1, bytes=8192, needed=None, vacuums=0, vacuumed_at=None, age=100)
HEALTH = Health(autovacuum=True, tables=(JOBS,), partitions=(Ahead(name="audit_logs", ahead=90.5, rest=0),))
HINT = Hint(table="jobs", code="dead_rows", sentence="half of it is dead", next_action="VACUUM jobs;")


@dataclass
class Chores:
    done: Maintained
    hints: tuple[Hint, ...] = ()
    before: Chore | None = None
    asked: list[bool] = field(default_factory=list)

    def maintain(self, *, dry_run: bool) -> Report:
        self.asked.append(dry_run)
        return Report(dry_run=dry_run, done=self.done, health=HEALTH, hints=self.hints, before=self.before)


def test_it_tells_what_it_did_and_nothing_of_what_it_did_not(capsys: Said) -> None:
    chores = Chores(Maintained(made=("audit_logs_20260105", "audit_logs_20260112"), events=17))
    assert run_verb(db.app, "db", ["maintain"], chores) == 0
    written = capsys.readouterr()
    assert written.out.splitlines() == [
        "       2  partitions made: audit_logs_20260105, audit_logs_20260112",
        "      17  events forgotten",
    ]
    assert (written.err, chores.asked) == ("", [False])


@pytest.mark.parametrize(
    ("words", "done", "expected"),
    [
        ([], Maintained(), ["nothing was due"]),
        (["--dry-run"], Maintained(), ["nothing is due"]),
        (
            ["--dry-run"],
            Maintained(texts=3),
            ["this would be done:", "       3  finished jobs whose texts were erased"],
        ),
    ],
)
def test_a_dry_run_says_that_it_is_one(
    words: list[str], done: Maintained, expected: list[str], capsys: Said
) -> None:
    chores = Chores(done)
    assert run_verb(db.app, "db", ["maintain", *words], chores) == 0
    assert capsys.readouterr().out.splitlines() == expected
    assert chores.asked == [bool(words)]


def test_a_hint_comes_with_what_to_do(capsys: Said) -> None:
    began = datetime(2026, 1, 5, 3, tzinfo=UTC)
    before = Chore(name="maintain", began_at=began, ended_at=None)
    assert run_verb(db.app, "db", ["maintain"], Chores(Maintained(), (HINT,), before)) == 0
    written = capsys.readouterr()
    assert written.out.splitlines()[1:] == [
        "the server's own housekeeping:",
        "  jobs: half of it is dead",
        "    do: VACUUM jobs;",
    ]
    assert written.err == "the run before this one began at 2026-01-05 03:00 UTC\n"


def test_what_could_not_be_done_is_talk_and_code_3(capsys: Said) -> None:
    chores = Chores(Maintained(trouble=("making partitions: somebody holds the table",)))
    assert run_verb(db.app, "db", ["maintain"], chores) == 3
    assert capsys.readouterr().err == "not done: making partitions: somebody holds the table\n"


def test_the_same_as_json(capsys: Said) -> None:
    assert run_verb(db.app, "db", ["maintain", "--json"], Chores(Maintained(dropped=("p",)), (HINT,))) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (told["dry_run"], told["autovacuum"], told["before"]) == (False, True, None)
    assert told["done"]["dropped"] == ["p"]
    assert told["tables"][0]["dead_share"] == 0.25
    assert told["hints"] == [vars(HINT)]
    assert told["partitions"] == [{"name": "audit_logs", "ahead": 90.5, "rest": 0}]


def test_a_database_that_is_away_is_an_error_of_the_house(capsys: Said) -> None:
    @dataclass
    class Away:
        maintain: Callable[..., Report]

    def away(**_words: bool) -> Report:
        raise Temporary(Reason.SERVICE_UNAVAILABLE, "Postgres is away", next_action="start it")

    assert run_verb(db.app, "db", ["maintain"], Away(away)) == 3
    assert "reason: service_unavailable" in capsys.readouterr().err
