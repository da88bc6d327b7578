from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import falcon.testing
import pytest

from flowforge.api.app import Parts, create_app
from flowforge.api.live import Pace
from flowforge.api.repositories import Shelf
from flowforge.core.access import Principal, Role
from flowforge.core.errors import Reason, Refused
from flowforge.git.names import check_url, plain_ref
from flowforge.jobs.submit import Door
from flowforge.store.ids import make_ids
from flowforge.vault.envelope import Vault
from tests.conftest import TestDatabase
from tests.integration.jobs.world import World, make_world


@dataclass(kw_only=True)
class Tokens:
    """Who is believed: tokens of tests, by principal."""

    known: dict[str, Principal] = field(default_factory=dict)

    def give(self, principal: Principal) -> str:
        token = f"ff_{uuid4().hex}"
        self.known[token] = principal
        return token

    def believe(self, token: str, _address: str) -> Principal:
        if token not in self.known:
            raise Refused(Reason.NOT_SIGNED_IN, "no such token", next_action="use another")
        return self.known[token]


@dataclass(frozen=True, kw_only=True)
class Api:
    """The whole application over a real Postgres, as somebody with a token sees it."""

    world: World
    tokens: Tokens
    client: falcon.testing.TestClient
    token: str

    def ask(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> falcon.testing.Result:
        bearer = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        body = {} if json is None else {"json": json}
        return self.client.simulate_request(
            method, path, headers={**bearer, **(headers or {})}, **body, **more
        )

    def get(self, path: str, **more: Any) -> falcon.testing.Result:
        return self.ask("GET", path, **more)

    def submit(self, **wanted: object) -> falcon.testing.Result:
        headers = wanted.pop("headers", None)
        body = {"repository": str(self.world.repository), "branch": "feature", "target": "main", **wanted}
        return self.ask("POST", "/api/v1/jobs", json=body, headers=headers)  # type: ignore[arg-type]  # a test's own

    def submitted(self, **wanted: object) -> UUID:
        return UUID(self.submit(**wanted).json["id"])

    def acting(self, role: Role = Role.USER, **changes: Any) -> "Api":
        """The same service, seen by somebody with another role or scope."""
        principal = replace(self.world.principal, role=role, **changes)
        return replace(self, token=self.tokens.give(principal))

    def elsewhere(self) -> "Api":
        """The same service, seen by another organization."""
        other = self.world.organization("other")
        return replace(self, world=other, token=self.tokens.give(other.principal))


class PlainKeys:
    """A key provider that turns bytes around: the vault's own tests are elsewhere."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        return key[::-1]

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        return wrapped[::-1]


def checked(url: str) -> str:
    return check_url(url, {"https", "ssh"})


@pytest.fixture
def make_parts(database: TestDatabase) -> Iterator[Callable[..., Parts]]:
    with ThreadPoolExecutor(8) as executor:

        def make(**changes: Any) -> Parts:
            standing: dict[str, Any] = {
                "database": database.app,
                "executor": executor,
                "believe": Tokens().believe,
                "door": Door(new_id=make_ids(), check_ref=plain_ref),
                "shelf": Shelf(ids=make_ids(), vault=Vault(PlainKeys()), check_url=checked),
                "version": "0.1.0",
                "pace": Pace(deaf=0.02),
            }
            return Parts(**{**standing, **changes})

        yield make


@pytest.fixture
def api(database: TestDatabase, make_parts: Callable[..., Parts]) -> Api:
    tokens, world = Tokens(), make_world(database)
    app = create_app(make_parts(believe=tokens.believe))
    principal = replace(world.principal, role=Role.MAINTAINER)
    return Api(
        world=world, tokens=tokens, client=falcon.testing.TestClient(app), token=tokens.give(principal)
    )
