"""`flowforge serve worker`: claims jobs and runs them until a signal tells it to hand them over."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import flowforge
from flowforge.artifacts.store import Artifacts
from flowforge.core.errors import Broken, FlowForgeError, Reason
from flowforge.core.telemetry import Telemetry
from flowforge.hooks.manager import Registry
from flowforge.jobs.run import Workbench
from flowforge.observe.listener import metrics_at
from flowforge.observe.metrics import Metrics
from flowforge.queues.notify import Signals
from flowforge.queues.presence import Presence
from flowforge.sandbox.pool import Pool
from flowforge.settings import Settings
from flowforge.store.database import Database
from flowforge.store.ids import make_ids
from flowforge.store.schedule import Worker
from flowforge.wiring.keys import open_vault
from flowforge.wiring.models import Services
from flowforge.wiring.runner import HOUR, PipelineRunner, model_ports
from flowforge.wiring.starting import registry_of, start_logs, teller_of
from flowforge.wiring.urls import system_url
from flowforge.wiring.worker import (
    WorkerProcess,
    doorbells,
    limits_of,
    pace_of,
    stopped_by_signals,
    worker_of_this_process,
)
from flowforge.worker.supervisor import Supervisor

_LEASE_CONNECTIONS = 2
_SPARE_CONNECTIONS = 4  # beyond two a job: the log's writer and the job's thread


def serve(settings: Settings) -> bool:
    """Run a worker until a signal ends it; True when every job was handed over."""
    start_logs("worker", settings)
    redis_url = settings.redis_url.get_secret_value()
    if not redis_url:
        raise Broken(
            Reason.CONFIGURATION,
            "no Redis is named, so no doorbell can be heard",
            next_action="set FLOWFORGE_REDIS_URL, or start everything on this machine: flowforge up",
        )
    threads = settings.worker_threads
    limits = limits_of(settings.lease_seconds)
    database = Database(
        system_url(settings),
        connections=2 * threads + _SPARE_CONNECTIONS,
        limits=limits,
        application="flowforge-worker",
    )
    registry = registry_of(settings)
    metrics = Metrics(version=flowforge.__version__, repository_label=settings.metrics_repository)
    teller = teller_of(Signals(url=redis_url), registry, metrics)
    with (
        stopped_by_signals() as stop,
        Pool(size=threads) as pool,
        workspaces(settings.folder / "workspaces") as folder,
    ):
        artifacts = Artifacts(settings.folder / "artifacts")
        runner = runner_of(settings, registry, database, artifacts, pool, metrics, folder)
        runner.services.warm()
        bench = Workbench(
            database=database,
            artifacts=artifacts,
            run_pipeline=runner,
            teller=teller,
            patience=settings.model_outage_hours * HOUR,
        )
        leases = Database(
            system_url(settings),
            connections=_LEASE_CONNECTIONS,
            limits=limits,
            application="flowforge-leases",
        )
        worker = worker_of_this_process(threads)
        supervisor = Supervisor(
            worker=worker,
            work=bench.run,
            database=database,
            leases=leases,
            pace=pace_of(settings),
            teller=teller,
            signs=signs_of(worker, artifacts, settings),
        )
        metrics.on_look(lambda: metrics.gauge("flowforge_db_connections", database.in_use + leases.in_use))
        process = WorkerProcess(supervisor=supervisor, broker=doorbells(redis_url, threads))
        with metrics_at(settings.metrics_host, settings.metrics_port, metrics.expose):
            return process.run(stop)


def runner_of(
    settings: Settings,
    registry: Registry,
    database: Database,
    artifacts: Artifacts,
    pool: Pool,
    telemetry: Telemetry,
    workspaces: Path,
) -> PipelineRunner:
    """Everything that the jobs of this worker share."""
    vault = open_vault(settings, registry)
    return PipelineRunner(
        settings=settings,
        registry=registry,
        database=database,
        vault=vault,
        artifacts=artifacts,
        pool=pool,
        telemetry=telemetry,
        services=Services(registry, settings, model_ports(database, make_ids(), telemetry, vault, settings)),
        workspaces=workspaces,
    )


def signs_of(worker: Worker, artifacts: Artifacts, settings: Settings) -> Presence:
    """Where the worker says that it lives, and by which word those know it who share its artifact storage."""
    try:
        identity = artifacts.identity()
    except FlowForgeError:
        identity = ""  # a storage that is full or away now is told by what needs it
    return Presence(
        url=settings.redis_url.get_secret_value(),
        worker=worker.id,
        keep=settings.lease_seconds,
        more={"artifacts": identity},
    )


@contextmanager
def workspaces(root: Path) -> Iterator[Path]:
    """A folder for this process' jobs, removed at its end; those of processes that were killed are removed too.

    Whose folder is still in use is told by a lock on it, which the system drops with its process.
    """
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    own = root / f"{os.getpid()}-{os.urandom(4).hex()}"
    with _alone_in(root):  # a folder that is made but not locked yet looks like one that was left
        for left in root.iterdir():
            _remove_unused(left)
        own.mkdir(mode=0o700)
        handle = os.open(own, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
        os.close(handle)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _remove_unused(folder: Path) -> None:
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)
