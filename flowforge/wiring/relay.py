"""The relay process: picks, rings, sweeps, delivers what must leave the house, and keeps the database in order."""

import logging
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal

import flowforge
from flowforge.accounts.spending import hold_installation_to
from flowforge.artifacts.store import Artifacts
from flowforge.core.errors import FlowForgeError, Temporary
from flowforge.core.telemetry import Silent, Telemetry
from flowforge.git.names import plain_ref
from flowforge.hooks.manager import Registry
from flowforge.jobs.archive import MOST, REMOVED, LogKeeper
from flowforge.jobs.bundles import MOST as JOBS
from flowforge.jobs.bundles import BundleKeeper
from flowforge.jobs.due import Starter
from flowforge.jobs.gauges import Counting
from flowforge.jobs.relay import Relay
from flowforge.jobs.submit import REPORT, Door
from flowforge.jobs.tell import Teller
from flowforge.observe.listener import metrics_at
from flowforge.observe.metrics import Metrics
from flowforge.outbound.budgets import BudgetTeller
from flowforge.outbound.deliver import Deliver, Post, nobody_to_tell
from flowforge.queues.broker import make_broker
from flowforge.queues.doorbell import Doorbell
from flowforge.queues.notify import Signals
from flowforge.queues.wake import RELAY, Ear
from flowforge.settings import Settings
from flowforge.store import decisions, ledger
from flowforge.store.alerts import LETTER
from flowforge.store.database import Database
from flowforge.store.ids import make_ids
from flowforge.store.scope import Scope
from flowforge.wiring.maintain import retention_of, turn
from flowforge.wiring.urls import system_url
from flowforge.wiring.worker import stopped_by_signals

CONNECTIONS = 4
MOVES = 15.0  # seconds between two looks for logs of finished jobs
TURNS = 15.0  # seconds between two looks whether a turn of maintenance is due, which is every hour or where work is left
MINUTE, HOUR, ONCE = 60.0, 3600.0, math.inf  # seconds between two times of a chore

_log = logging.getLogger(__name__)


def serve(settings: Settings, registry: Registry) -> None:
    """Run the relay until a signal ends it.

    Raises:
        Broken: the settings name no database.
    """
    metrics = Metrics(version=flowforge.__version__, repository_label=settings.metrics_repository)
    with stopped_by_signals() as stop, made(settings, registry, telemetry=metrics) as relay:
        watched(settings, relay.database, metrics)
        with metrics_at(settings.metrics_host, settings.metrics_port, metrics.expose):
            relay.run(stop)


def watched(settings: Settings, database: Database, metrics: Metrics) -> None:
    """Let who looks at the metrics see the whole installation, and this process' connections."""
    metrics.on_look(Counting(database=database, telemetry=metrics, alive=settings.lease_seconds))
    metrics.on_look(lambda: metrics.gauge("flowforge_db_connections", database.in_use))


@contextmanager
def made(
    settings: Settings,
    registry: Registry,
    deliver: Deliver = nobody_to_tell,
    telemetry: Telemetry | None = None,
) -> Iterator[Relay]:
    """A relay with a pool and an ear of its own; nothing connects before its first look."""
    url, redis_url = system_url(settings), settings.redis_url.get_secret_value()
    database = Database(url, connections=CONNECTIONS, application="flowforge-relay")
    teller = Teller(
        publish=Signals(url=redis_url).publish, notify=registry.notify, telemetry=telemetry or Silent()
    )
    door = Door(new_id=make_ids(), check_ref=plain_ref, teller=teller)
    post = Post(database=database, kind=REPORT, deliver=deliver, draw=random.random)
    tell = BudgetTeller(notify=registry.notify)
    alerts = Post(database=database, kind=LETTER, deliver=tell, draw=random.random)
    broker = make_broker(redis_url)
    with closing(Ear(client=broker.client, channel=RELAY)) as ear:
        yield Relay(
            database=database,
            bell=Doorbell(broker=broker),
            wait=ear.wait,
            teller=teller,
            alive=settings.lease_seconds,
            sweep_every=settings.sweep_seconds,
            cap=settings.jobs_per_organization,
            first=(Starter(database=database, door=door),),
            chores=(
                post.empty,
                alerts.empty,
                *seldom_chores(settings, database),
            ),  # maintenance forgets what was delivered
        )
    database.close()


@dataclass(kw_only=True)
class Seldom:
    """A chore that is due at once, and then every so many seconds; or with the next step, where it did as much as it
    may do at once.

    A database that is away leaves it due. Any other trouble is logged and waits for the next time: what rings for
    jobs must not end over what tidies up.
    """

    chore: Callable[[], object]
    name: str
    every: float  # seconds
    full: int = 0  # what a chore returns that did as much as it may; 0 = that is not known
    clock: Callable[[], float] = time.monotonic
    _due: float = -math.inf

    def __call__(self) -> None:
        if self.clock() < self._due:
            return
        done: object = None
        try:
            done = self.chore()
        except Temporary:
            raise
        except FlowForgeError as error:
            _log.error("%s could not be done: %s; %s", self.name, error.sentence, error.next_action)
        more = bool(self.full) and done == self.full
        self._due = self.clock() + (0.0 if more else self.every)


def seldom_chores(settings: Settings, database: Database) -> Sequence[Seldom]:
    """The installation's own cap as the settings have it, money that dead workers reserved, old rows, logs and
    texts.
    """

    def cap() -> None:
        hold_installation_to(database, Decimal(str(settings.model_monthly_usd)), make_ids())

    def expire() -> None:
        with database.transaction(Scope.system()) as tx:
            ledger.expire(tx)

    def forget() -> None:
        with database.transaction(Scope.system()) as tx:
            decisions.erase(tx)

    artifacts, keep = Artifacts(settings.folder / "artifacts"), retention_of(settings)
    logs = LogKeeper(database=database, artifacts=artifacts, days=keep.logs)
    bundles = BundleKeeper(database=database, artifacts=artifacts, days=keep.of)
    return (
        Seldom(chore=cap, name="setting the installation's budget", every=ONCE),
        Seldom(chore=expire, name="booking of overdue reservations", every=MINUTE),
        Seldom(chore=lambda: turn(database, settings), name="maintenance of the database", every=TURNS),
        Seldom(chore=logs.move, name="moving logs to artifacts", every=MOVES, full=MOST),
        Seldom(chore=logs.remove, name="removing old logs", every=HOUR, full=REMOVED),
        Seldom(chore=bundles.remove, name="removing commits of old jobs", every=HOUR, full=JOBS),
        Seldom(chore=forget, name="forgetting texts that persons were asked about", every=HOUR),
    )
