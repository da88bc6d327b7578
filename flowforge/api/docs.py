"""The pages that explain the API: its document, its routes, its problems. No script, nothing from another host."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

import falcon.asgi

from flowforge.api.operation import Contract, operation
from flowforge.api.reasons import Explained
from flowforge.core.errors import Reason, Refused

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ccc;text-align:left;padding:.3rem}"
    "code{background:#f3f3f3;padding:.1rem .2rem}"
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


def page(title: str, body: str) -> bytes:
    """A whole HTML page; `body` is HTML already."""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'.encode()


def routes_body(document: Mapping[str, Any]) -> str:
    """Every route of an OpenAPI document as a table."""
    rows = [
        f"<tr><td><code>{method.upper()}</code></td><td><code>{escape(path)}</code></td>"
        f"<td>{escape(described['summary'])}</td><td>{escape(needed(described))}</td></tr>"
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]
    head = "<tr><th>method</th><th>address</th><th>what it does</th><th>token must allow</th></tr>"
    return (
        f"<h1>FlowForge API</h1><p>Version {escape(document['info']['version'])}. The whole contract: "
        '<a href="/api/v1/openapi.json">/api/v1/openapi.json</a>. '
        'Errors: <a href="/api/docs/problems">their reasons</a>.</p>'
        f"<table>{head}{''.join(rows)}</table>"
    )


def needed(described: Mapping[str, Any]) -> str:
    """What a token must allow for one operation of the document; "" where none is asked for."""
    return ", ".join(
        scope for scheme in described.get("security", ()) for s in scheme.values() for scope in s
    )


def reasons_body(reasons: Mapping[str, Explained]) -> str:
    rows = "".join(
        f'<tr><td><a href="/api/docs/problems/{word}"><code>{word}</code></a></td><td>{_text(row.means)}</td></tr>'
        for word, row in reasons.items()
    )
    return f"<h1>Reasons</h1><table><tr><th>reason</th><th>what it means</th></tr>{rows}</table>"


def reason_body(word: str, row: Explained) -> str:
    return (
        f"<h1><code>{escape(word)}</code></h1><p>{_text(row.means)}</p>"
        f"<p><strong>What to do next:</strong> {_text(row.next_action)}</p>"
        '<p><a href="/api/docs/problems">All reasons</a></p>'
    )


def _text(markdown: str) -> str:
    """The one mark that the table uses: code between backticks."""
    parts = escape(markdown).split("`")
    return "".join(f"<code>{part}</code>" if odd % 2 else part for odd, part in enumerate(parts))


def _html(resp: falcon.asgi.Response, title: str, body: str) -> None:
    resp.content_type = falcon.MEDIA_HTML
    resp.set_header("Content-Security-Policy", _POLICY)
    resp.data = page(title, body)


class Docs:
    """The document is set once, after every route was added: it describes this resource too."""

    def __init__(self, *, reasons: Mapping[str, Explained]) -> None:
        self._reasons = reasons
        self._openapi = b""
        self._routes = ""

    def describe(self, document: Mapping[str, Any]) -> None:
        self._openapi = json.dumps(document, indent=1, ensure_ascii=False).encode()
        self._routes = routes_body(document)

    @operation(
        Contract(
            name="read_openapi", tag="docs", needs=None, answers={200: None}, media={200: "application/json"}
        )
    )
    async def on_get_openapi(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """The OpenAPI 3.1 document of all of it."""
        resp.content_type = falcon.MEDIA_JSON
        resp.data = self._openapi

    @operation(
        Contract(name="read_docs", tag="docs", needs=None, answers={200: None}, media={200: "text/html"})
    )
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Every route, as a page for people."""
        _html(resp, "FlowForge API", self._routes)

    @operation(
        Contract(name="list_reasons", tag="docs", needs=None, answers={200: None}, media={200: "text/html"})
    )
    async def on_get_reasons(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Every reason with which a job ends or a request is refused."""
        _html(resp, "Reasons", reasons_body(self._reasons))

    @operation(
        Contract(
            name="explain_reason",
            tag="docs",
            needs=None,
            answers={200: None},
            media={200: "text/html"},
            refuses=(404,),
        )
    )
    async def on_get_reason(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, reason: str) -> None:
        """What one reason means and what to do next."""
        if reason not in self._reasons:
            raise Refused(
                Reason.NOT_FOUND,
                "there is no such reason",
                next_action="see /api/docs/problems for all of them",
            )
        _html(resp, reason, reason_body(reason, self._reasons[reason]))
