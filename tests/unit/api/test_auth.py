from uuid import UUID

import falcon.asgi
import falcon.testing
import pytest

from flowforge.api import errors
from flowforge.api.auth import Guard, bearer, principal_of
from flowforge.api.models import Health
from flowforge.api.operation import Contract
from flowforge.core.access import Operation, Principal, Role
from flowforge.core.errors import Reason, Refused

GOOD = "ff_goodgoodgood"


class Thing:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.media = {"role": principal_of(req).role.name}

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.media = await req.get_media()


def contract(needs: Operation | None) -> Contract:
    return Contract(name="x", tag="x", needs=needs, answers={200: Health})


def client(principal: Principal) -> falcon.testing.TestClient:
    async def believe(_req: falcon.asgi.Request, token: str) -> Principal:
        if token != GOOD:
            raise Refused(Reason.NOT_SIGNED_IN, "no such token")
        return principal

    routes = {("/thing", "GET"): contract(Operation.READ), ("/thing", "POST"): contract(Operation.CONFIGURE)}
    app: falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response] = falcon.asgi.App(
        middleware=[Guard(routes=routes, believe=believe)]
    )
    errors.install(app)
    app.add_route("/thing", Thing())
    return falcon.testing.TestClient(app)


def somebody(role: Role = Role.USER, *scopes: Operation) -> Principal:
    return Principal(
        organization=UUID(int=1), user=None, role=role, scopes=frozenset(scopes or tuple(Operation))
    )


def asking(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_believed_token_lets_the_handler_run() -> None:
    assert client(somebody()).simulate_get("/thing", headers=asking(GOOD)).json == {"role": "USER"}


@pytest.mark.parametrize(
    "header", [None, "", "Basic dTpw", "Bearer", "Bearer x", "Bearer ff_", f"Token {GOOD}"]
)
def test_no_token_of_ours_is_401_with_the_scheme(header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = client(somebody()).simulate_get("/thing", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json["reason"] == "not_signed_in"


def test_an_unknown_token_is_401_and_not_repeated() -> None:
    answer = client(somebody()).simulate_get("/thing", headers=asking("ff_secretsecret"))
    assert answer.status_code == 401
    assert "secretsecret" not in answer.text


def test_a_role_too_low_is_403() -> None:
    answer = client(somebody(Role.USER)).simulate_post("/thing", headers=asking(GOOD), json={})
    assert answer.status_code == 403
    assert "configure" in answer.json["detail"]


def test_a_scope_that_is_not_granted_is_403() -> None:
    reader = somebody(Role.ADMIN, Operation.READ)
    assert client(reader).simulate_get("/thing", headers=asking(GOOD)).status_code == 200
    assert client(reader).simulate_post("/thing", headers=asking(GOOD), json={}).status_code == 403


def test_a_stranger_is_refused_before_the_body_is_read() -> None:
    answer = client(somebody()).simulate_post("/thing", body=b"{no json")
    assert answer.status_code == 401


def test_an_unsupported_method_is_405_without_a_token() -> None:
    assert client(somebody()).simulate_delete("/thing").status_code == 405


@pytest.mark.parametrize(
    "header", [f"Bearer {GOOD}", f"bearer {GOOD}", f"BEARER   {GOOD}", f" Bearer {GOOD} "]
)
def test_the_scheme_is_read_in_any_case(header: str) -> None:
    assert bearer(header) == GOOD


@pytest.mark.parametrize("header", [f"Bearer {GOOD} {GOOD}", f"Bearer {GOOD},x", "Bearer ff_" + "a" * 300])
def test_what_only_looks_like_a_token_is_refused(header: str) -> None:
    with pytest.raises(Refused):
        bearer(header)
