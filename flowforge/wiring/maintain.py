"""The database's own chores with the settings' urls and days: for the relay's turn and for `flowforge db`."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flowforge.cli.db import Report
from flowforge.settings import Settings, read_settings
from flowforge.store import chores, vacuum
from flowforge.store.database import Database
from flowforge.store.maintenance import CHORE, Maintained, foresee, maintain, note, take_turn
from flowforge.store.retention import PARTITIONED, Retention
from flowforge.store.scope import Scope
from flowforge.wiring.upgrade import run as upgrade
from flowforge.wiring.urls import system_url

EVERY = 3600.0  # seconds between two turns, of whichever relay

_log = logging.getLogger(__name__)


def retention_of(settings: Settings) -> Retention:
    return Retention(
        events=settings.event_days,
        logs=settings.log_days,
        executions=settings.execution_days,
        audit=settings.audit_days,
        texts=settings.text_days,
        stages=settings.stage_days,
        pushes=settings.push_days,
        usage=settings.usage_days,
        memory=settings.memory_days,
    )


def turn(database: Database, settings: Settings) -> Maintained | None:
    """The relay's turn, if it is due; what it did goes to the log.

    Raises:
        Temporary: the database is away.
    """
    done = take_turn(database, retention_of(settings), EVERY)
    if done is None:
        return None
    for trouble in done.trouble:
        _log.warning("maintenance of the database: %s", trouble)
    _log.info("maintained the database: %s", told(done))
    with database.transaction(Scope.system(), read_only=True) as transaction:
        hints = vacuum.hints(vacuum.look(transaction, PARTITIONED))
    for hint in hints:
        _log.warning("the database, %s: %s; %s", hint.table or "server", hint.sentence, hint.next_action)
    return done


def told(done: Maintained) -> str:
    """What was done, without what was not."""
    said = {name: value for name, value in vars(done).items() if value and name != "trouble"}
    return ", ".join(f"{name} {_short(value)}" for name, value in said.items()) or "nothing was due"


def _short(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def report(*, dry_run: bool) -> Report:
    """Do all of it, or say what would be done; and how the tables stand.

    Raises:
        Broken: no database is named.
        Temporary: it does not answer.
    """
    settings = read_settings()
    keep = retention_of(settings)
    with _opened(settings) as database:
        with database.transaction(Scope.system(), read_only=True) as transaction:
            before = chores.last(transaction, CHORE)
        done = foresee(database, keep) if dry_run else maintain(database, keep)
        if not dry_run:
            note(database, done)
        with database.transaction(Scope.system(), read_only=True) as transaction:
            health = vacuum.look(transaction, PARTITIONED)
    return Report(dry_run=dry_run, done=done, health=health, hints=vacuum.hints(health), before=before)


@contextmanager
def _opened(settings: Settings) -> Iterator[Database]:
    database = Database(system_url(settings), connections=1, application="flowforge-maintain")
    try:
        yield database
    finally:
        database.close()


@dataclass(frozen=True, kw_only=True)
class Verbs:
    """What `flowforge db` is handed."""

    upgrade: Callable[[], tuple[str, ...]]
    maintain: Callable[..., Report]


VERBS = Verbs(upgrade=upgrade, maintain=report)
