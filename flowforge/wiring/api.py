"""The API process: settings -> parts -> application -> gunicorn.

gunicorn's asgi worker waits for open connections when it is told to stop, and a live stream never closes by
itself; so `Worker` first calls the function that the application left in the lifespan's state, which ends every
stream at once.
"""

import asyncio
import functools
import importlib
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from uuid import UUID

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers import gasgi
from gunicorn.workers.gasgi import ASGIWorker

import flowforge
from flowforge.accounts.tokens import believe
from flowforge.api.app import App, Parts, create_app
from flowforge.api.lifespan import STOP
from flowforge.api.repositories import Shelf
from flowforge.artifacts.store import Artifacts
from flowforge.core.telemetry import Telemetry
from flowforge.git.names import plain_ref
from flowforge.hooks.manager import Registry
from flowforge.jobs.submit import Door
from flowforge.jobs.tell import Teller
from flowforge.observe.metrics import Metrics, forget_process, keep_looking, shared_by_processes
from flowforge.queues import notify
from flowforge.queues.health import Pulse
from flowforge.settings import Settings
from flowforge.store.database import Database
from flowforge.store.ids import make_ids
from flowforge.wiring.connections import Connection, Connections
from flowforge.wiring.keys import open_vault
from flowforge.wiring.starting import registry_of, teller_of
from flowforge.wiring.urls import app_url, repository_check

SPARE_CONNECTIONS = 4  # beyond the threads: for the health check and a transaction that is being given back


class Worker(ASGIWorker):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's asgi worker, ending live streams before it waits for connections."""

    def init_process(self) -> None:
        self.connections = Connections()
        # gunicorn asks nobody which class to use; this process is a worker and nothing else
        gasgi.ASGIProtocol = Connection
        super().init_process()

    async def _serve(self) -> None:
        watching = asyncio.ensure_future(self.connections.watch())
        try:
            await super()._serve()
        finally:
            watching.cancel()

    def handle_exit_signal(self) -> None:
        """SIGTERM: what runs may finish, what only waits ends now."""
        self._end_streams()
        super().handle_exit_signal()

    def handle_quit_signal(self) -> None:
        """SIGINT, SIGQUIT: everything ends now."""
        self._end_streams()
        super().handle_quit_signal()

    def _end_streams(self) -> None:
        self.connections.stop()
        stop: Callable[[], None] | None = self.state.get(STOP)
        if stop is not None:
            stop()


class HouseLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's log lines among all others of the process, in their form and with secrets masked."""

    def setup(self, cfg: object) -> None:
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn with `config/gunicorn.py`, and what the settings decide on top of it."""

    def __init__(self, load: Callable[[], App], options: Mapping[str, object]) -> None:
        self._load = load
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        ours = vars(importlib.import_module("flowforge_config.gunicorn"))
        for name, value in {**ours, **self._options}.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> App:
        """Called in each worker process: connections must not be shared across a fork."""
        return self._load()


def serve(settings: Settings) -> None:
    """Run the API until a signal ends it; never returns normally (gunicorn exits the process).

    Raises:
        Broken: the settings name no database.
    """
    app_url(settings)
    with shared_by_processes() if settings.api_processes > 1 else nullcontext():
        Server(functools.partial(build, settings), options(settings)).run()


def options(settings: Settings) -> dict[str, object]:
    """What the settings decide about gunicorn."""
    return {
        "bind": [f"{_bracketed(settings.host)}:{settings.port}"],
        "workers": settings.api_processes,
        "loglevel": settings.log_level,
        "proc_name": "flowforge-api",
        "child_exit": lambda _server, worker: forget_process(worker.pid),
    }


def build(settings: Settings) -> App:
    """The application of one process, around a pool of its own."""
    return create_app(parts(settings))


def parts(settings: Settings) -> Parts:
    """Everything the application is handed; no server is asked before the first request.

    Raises:
        Broken: the settings name no database, or no key that can be used.
    """
    threads, redis_url = settings.api_threads, settings.redis_url.get_secret_value()
    database = Database(
        app_url(settings), connections=threads + SPARE_CONNECTIONS, application="flowforge-api"
    )
    executor = ThreadPoolExecutor(threads, thread_name_prefix="api")
    registry, ids = registry_of(settings), make_ids()
    metrics = Metrics(version=flowforge.__version__, repository_label=settings.metrics_repository)
    metrics.on_look(lambda: metrics.gauge("flowforge_db_connections", database.in_use))
    alone = settings.api_processes == 1
    return Parts(
        database=database,
        executor=executor,
        believe=lambda token, address: believe(database, token, address=address),
        door=Door(new_id=ids, check_ref=plain_ref, teller=teller(redis_url, registry, metrics)),
        shelf=Shelf(ids=ids, vault=open_vault(settings, registry), check_url=repository_check(settings)),
        version=flowforge.__version__,
        artifacts=Artifacts(settings.folder / "artifacts"),
        telemetry=metrics,
        metrics=metrics.expose,
        helpers={"redis": Pulse(url=redis_url)} if redis_url else {},
        hear=hearing(redis_url),
        on_close=(
            functools.partial(executor.shutdown, wait=False),
            database.close,
            *(() if alone else (keep_looking(metrics),)),
        ),
        trusted_hops=settings.trusted_hops,
        alive=settings.lease_seconds,
        cap=settings.jobs_per_organization,
    )


def teller(redis_url: str, registry: Registry, telemetry: Telemetry) -> Teller:
    """Who is told that a job moved, where there is a Redis to tell them by."""
    if not redis_url:
        return Teller(notify=registry.notify, telemetry=telemetry)
    return teller_of(notify.Signals(url=redis_url), registry, telemetry)


def hearing(
    redis_url: str,
) -> Callable[[Callable[[UUID], None], Callable[[bool], None]], Awaitable[None]] | None:
    """What listens for news of jobs; None without Redis: live streams then look into Postgres every second."""
    return functools.partial(notify.hear, redis_url) if redis_url else None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
