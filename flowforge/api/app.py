"""The application: which address leads to which handler, and what stands around all of them."""

import functools
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from uuid import UUID

import falcon
import falcon.asgi
import falcon.media

from flowforge.api import errors, openapi
from flowforge.api.auth import Believe, Guard
from flowforge.api.bells import Bells
from flowforge.api.budgets import Budgets
from flowforge.api.calibrations import Calibrations
from flowforge.api.control import Control
from flowforge.api.desk import Desk
from flowforge.api.docs import Docs
from flowforge.api.eager import EagerApp
from flowforge.api.feeds import Feeds, News
from flowforge.api.following import Following
from flowforge.api.jobs import Jobs
from flowforge.api.lifespan import Hear, Lifespan
from flowforge.api.live import Live
from flowforge.api.media import BODY_LIMIT, StrictJSON
from flowforge.api.memory import Memory
from flowforge.api.operation import Contract, contract_of
from flowforge.api.pace import Pace
from flowforge.api.queue import Queues
from flowforge.api.reasons import shipped_reasons
from flowforge.api.repositories import Repositories, Shelf
from flowforge.api.requests import Requests
from flowforge.api.schedules import Schedules
from flowforge.api.sockets import Sockets
from flowforge.api.stories import Stories, news
from flowforge.api.system import Metrics, System
from flowforge.api.usage import Usage
from flowforge.api.watchman import Watchman
from flowforge.artifacts.store import Artifacts
from flowforge.core.access import Principal
from flowforge.core.telemetry import Silent, Telemetry
from flowforge.jobs.submit import Door
from flowforge.jobs.why import ALIVE, CAP, why
from flowforge.store import events
from flowforge.store.database import Database

App = EagerApp
Route = tuple[str, object, str]  # template, resource, suffix of its handlers


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What `wiring` (or a test) hands to the application."""

    database: Database  # of role ff_app
    executor: Executor  # no more threads than the database has connections
    believe: Callable[[str, str], Principal]  # token, address -> principal; raises Refused(not_signed_in)
    door: Door  # what jobs.submit and jobs.retry need
    shelf: Shelf  # what accounts.repositories needs
    version: str
    artifacts: Artifacts | None = None  # where the logs of finished jobs are
    telemetry: Telemetry = field(default_factory=Silent)
    metrics: Metrics = lambda: (b"", "text/plain; version=0.0.4")
    helpers: Mapping[str, Callable[[], None]] = field(default_factory=dict)  # see api.system
    hear: Hear | None = None  # signals of news; without it live streams look into Postgres every second
    on_close: Sequence[Callable[[], None]] = ()  # called when the process has drained
    pace: Pace = field(default_factory=Pace)
    body_limit: int = BODY_LIMIT  # bytes
    trusted_hops: int = 0  # proxies of ours in front
    alive: float = ALIVE  # seconds since a worker's last beat within which its slots count, as for the relay
    cap: int = CAP  # running jobs of an organization that names no number of its own, as for the relay
    new_request_id: Callable[[], object] = uuid.uuid4


def create_app(parts: Parts) -> App:
    """Build the whole application around `parts`; nothing is connected yet.

    Raises:
        TypeError: a handler has no contract.
    """
    bells = Bells()
    docs = Docs(reasons=shipped_reasons())
    desk = Desk(database=parts.database, executor=parts.executor, trusted_hops=parts.trusted_hops)
    table = routes(parts, desk, bells, docs)
    spec = openapi.make_spec(parts.version)
    for resource in {id(resource): resource for _, resource, _ in table}.values():
        openapi.bind(spec, resource)
    app = EagerApp(
        middleware=[
            Requests(telemetry=parts.telemetry, body_limit=parts.body_limit, new_id=parts.new_request_id),
            Guard(routes=contracts(table), believe=in_thread(desk, parts.believe)),
            Lifespan(
                bells=bells,
                hear=parts.hear,
                watch=watchman(desk, bells, parts.pace).run,
                on_close=parts.on_close,
            ),
        ]
    )
    _configure(app, parts.body_limit)
    for template, resource, suffix in table:
        app.add_route(template, resource, **({"suffix": suffix} if suffix else {}))
    docs.describe(openapi.document(spec, app, {c.name: c for c in contracts(table).values()}))
    return app


def routes(parts: Parts, desk: Desk, bells: Bells, docs: Docs) -> list[Route]:
    """Every address of the service, and who answers there."""
    live = Live(bells=bells, pace=parts.pace)
    jobs = Jobs(
        desk=desk, live=live, door=parts.door, why=functools.partial(why, alive=parts.alive, cap=parts.cap)
    )
    queues = Queues(desk=desk, door=parts.door, alive=parts.alive, cap=parts.cap)
    stories = Stories(desk=desk, artifacts=parts.artifacts)
    following = Following(desk=desk, live=live, stories=stories)
    sockets = Sockets(desk=desk, live=live, feeds=feeds(desk, bells, parts.pace), stories=stories)
    repositories = Repositories(desk=desk, shelf=parts.shelf)
    control = Control(desk=desk, door=parts.door, vault=parts.shelf.vault)
    schedules = Schedules(desk=desk, door=parts.door)
    memory = Memory(desk=desk, vault=parts.shelf.vault)
    calibrations = Calibrations(desk=desk, door=parts.door, artifacts=parts.artifacts)
    system = System(
        desk=desk,
        ping=parts.database.ping,
        metrics=parts.metrics,
        version=parts.version,
        helpers=parts.helpers,
    )
    return [
        ("/api/v1/jobs", jobs, ""),
        ("/api/v1/jobs/{job:uuid}", jobs, "one"),
        ("/api/v1/jobs/{job:uuid}/cancel", jobs, "cancel"),
        ("/api/v1/jobs/{job:uuid}/retry", jobs, "retry"),
        ("/api/v1/jobs/{job:uuid}/undo", control, "undo"),
        ("/api/v1/jobs/{job:uuid}/decision", control, "decision"),
        ("/api/v1/jobs/{job:uuid}/logs", following, "logs"),
        ("/api/v1/jobs/{job:uuid}/events", following, "events"),
        ("/api/v1/jobs/{job:uuid}/live", sockets, "job"),
        ("/api/v1/jobs/{job:uuid}/conflicts", jobs, "conflicts"),
        ("/api/v1/repositories", repositories, ""),
        ("/api/v1/repositories/{repository:uuid}", repositories, "one"),
        ("/api/v1/schedules", schedules, ""),
        ("/api/v1/schedules/{schedule:uuid}", schedules, "one"),
        ("/api/v1/repositories/{repository:uuid}/live", sockets, "repository"),
        ("/api/v1/live", sockets, ""),
        ("/api/v1/queue", queues, ""),
        ("/api/v1/pauses", queues, "pauses"),
        ("/api/v1/pauses/{pause:uuid}", queues, "pause"),
        ("/api/v1/repositories/{repository:uuid}/memory", memory, ""),
        ("/api/v1/repositories/{repository:uuid}/memory/{key}", memory, "one"),
        ("/api/v1/repositories/{repository:uuid}/calibrate", calibrations, ""),
        ("/api/v1/repositories/{repository:uuid}/calibrate/page", calibrations, "page"),
        *money(parts, desk),
        ("/healthz", system, "healthz"),
        ("/readyz", system, "readyz"),
        ("/metrics", system, "metrics"),
        ("/version", system, "version"),
        ("/api/v1/openapi.json", docs, "openapi"),
        ("/api/docs", docs, ""),
        ("/api/docs/problems", docs, "reasons"),
        ("/api/docs/problems/{reason}", docs, "reason"),
    ]


def money(parts: Parts, desk: Desk) -> list[Route]:
    """The addresses of budgets, of what was used, and of what a job cost."""
    budgets = Budgets(desk=desk, new_id=parts.door.new_id)
    usage = Usage(desk=desk)
    return [
        ("/api/v1/budgets", budgets, ""),
        ("/api/v1/budgets/organization/{period}", budgets, "organization"),
        ("/api/v1/budgets/users/{user}/{period}", budgets, "user"),
        ("/api/v1/budgets/installation/{period}", budgets, "installation"),
        ("/api/v1/usage", usage, ""),
        ("/api/v1/jobs/{job:uuid}/cost", usage, "job"),
    ]


def feeds(desk: Desk, bells: Bells, pace: Pace) -> Feeds:
    async def look(organization: UUID, seen: str, upto: str) -> News:
        return await desk.look(organization, lambda tx: news(tx, organization, seen, upto))

    return Feeds(bells=bells, pace=pace, read=look)


def watchman(desk: Desk, bells: Bells, pace: Pace) -> Watchman:
    async def heads(organization: UUID, jobs: Collection[UUID]) -> Mapping[UUID, int]:
        return await desk.look(organization, lambda tx: events.heads(tx, tuple(jobs)))

    return Watchman(bells=bells, pace=pace, heads=heads)


def contracts(table: Sequence[Route]) -> dict[tuple[str, str], Contract]:
    """(template, method) -> contract, by the names that the framework gives to handlers."""
    found = {}
    for template, resource, suffix in table:
        for method in falcon.COMBINED_METHODS:
            name = f"on_{method.lower()}" + (f"_{suffix}" if suffix else "")
            contract = contract_of(getattr(resource, name, None))
            if contract is not None:
                found[template, method] = contract
    return found


def in_thread(desk: Desk, believe: Callable[[str, str], Principal]) -> Believe:
    """Tokens to principals, away from the event loop."""
    return lambda req, token: desk.call(lambda: believe(token, desk.address(req)))


def _configure(app: App, body_limit: int) -> None:
    errors.install(app)
    handler = StrictJSON(body_limit)
    app.req_options.media_handlers = falcon.media.Handlers({falcon.MEDIA_JSON: handler})
    app.resp_options.media_handlers = falcon.media.Handlers({falcon.MEDIA_JSON: handler})
    app.req_options.keep_blank_qs_values = True
    app.req_options.auto_parse_form_urlencoded = False
    app.req_options.strip_url_path_trailing_slash = False
