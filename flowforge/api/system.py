"""What operators and their machines ask: is it alive, is it ready, what is it, how is it doing."""

from collections.abc import Callable, Mapping

import falcon.asgi

from flowforge.api.desk import Desk
from flowforge.api.models import Health, Readiness, VersionOut
from flowforge.api.operation import Contract, operation
from flowforge.core.errors import Temporary

Metrics = Callable[[], tuple[bytes, str]]  # the exposition and its media type


class System:
    """`ping` raises Temporary where nothing can be answered, each of `helpers` where answers only come later."""

    def __init__(
        self,
        *,
        desk: Desk,
        ping: Callable[[], None],
        metrics: Metrics,
        version: str,
        helpers: Mapping[str, Callable[[], None]],
    ) -> None:
        self._desk = desk
        self._ping = ping
        self._helpers = helpers
        self._metrics = metrics
        self._version = version

    @operation(Contract(name="healthz", tag="system", needs=None, answers={200: Health}))
    async def on_get_healthz(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Whether this process lives. Asks nothing else, so that a database's fault restarts nobody."""
        resp.media = Health(status="ok")

    @operation(Contract(name="readyz", tag="system", needs=None, answers={200: Readiness}, refuses=(503,)))
    async def on_get_readyz(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Whether requests can be answered: Postgres gives a sign of life. Without Redis they are: `degraded`."""
        await self._desk.call(self._ping)
        away = await self._desk.call(
            lambda: [name for name, ask in self._helpers.items() if not answers(ask)]
        )
        resp.media = Readiness(status="degraded" if away else "ready", degraded=away)

    @operation(
        Contract(name="metrics", tag="system", needs=None, answers={200: None}, media={200: "text/plain"})
    )
    async def on_get_metrics(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Figures for Prometheus."""
        resp.data, resp.content_type = await self._desk.call(self._metrics)

    @operation(Contract(name="version", tag="system", needs=None, answers={200: VersionOut}))
    async def on_get_version(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Which FlowForge this is."""
        resp.media = VersionOut(version=self._version, api="v1")


def answers(ask: Callable[[], None]) -> bool:
    try:
        ask()
    except Temporary:
        return False
    return True
