"""The relay process: picks, rings, sweeps, and delivers what must leave the house."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

from flowforge.hooks.manager import Registry
from flowforge.jobs.relay import Relay
from flowforge.jobs.submit import REPORT
from flowforge.jobs.tell import Teller
from flowforge.outbound.deliver import Deliver, Post, nobody_to_tell
from flowforge.queues.broker import make_broker
from flowforge.queues.doorbell import Doorbell
from flowforge.queues.notify import Signals
from flowforge.settings import Settings
from flowforge.store.database import Database
from flowforge.store.listen import listening
from flowforge.store.standing import CHANNEL
from flowforge.wiring.urls import system_url
from flowforge.wiring.worker import stopped_by_signals

CONNECTIONS = 4


def serve(settings: Settings, registry: Registry) -> None:
    """Run the relay until a signal ends it.

    Raises:
        Broken: the settings name no database.
    """
    with stopped_by_signals() as stop, made(settings, registry) as relay:
        relay.run(stop)


@contextmanager
def made(settings: Settings, registry: Registry, deliver: Deliver = nobody_to_tell) -> Iterator[Relay]:
    """A relay with a pool and a listener of its own; nothing connects before its first look."""
    url, redis_url = system_url(settings), settings.redis_url.get_secret_value()
    database = Database(url, connections=CONNECTIONS, application="flowforge-relay")
    teller = Teller(publish=Signals(url=redis_url).publish, notify=registry.notify)
    post = Post(database=database, kind=REPORT, deliver=deliver, draw=random.random)
    with listening(url, CHANNEL) as listener:
        yield Relay(
            database=database,
            bell=Doorbell(broker=make_broker(redis_url)),
            wait=listener.wait,
            teller=teller,
            alive=settings.lease_seconds,
            sweep_every=settings.sweep_seconds,
            chores=(post.empty, post.forget),
        )
    database.close()
