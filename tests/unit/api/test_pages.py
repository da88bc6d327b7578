import falcon.asgi
import falcon.testing

from flowforge.api.pages import link_next


class Listing:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        link_next(req, resp, "next-one")


def test_the_link_keeps_the_filters_and_replaces_the_cursor() -> None:
    app: falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response] = falcon.asgi.App()
    app.add_route("/list", Listing())
    answer = falcon.testing.TestClient(app).simulate_get("/list?branch=a%26b%2Fc&cursor=old&limit=2")
    link = answer.headers["link"]
    assert link.startswith("</list?branch=a%26b%2Fc&limit=2&cursor=next-one>")
    assert link.endswith("; rel=next")
    assert "old" not in link
