"""The OpenAPI 3.1 document and the validation of requests, both from what the handlers declare.

spectree reads the models from a handler's `json` and `query` annotations and checks requests against them; what
it finds is answered as a problem without the input. What it cannot say (problem+json, streams, request headers)
is added to its document here.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from types import MethodType
from typing import Any

import falcon.asgi
from pydantic import BaseModel, ValidationError
from spectree import Response, SpecTree
from spectree.models import SecureType, SecurityScheme, SecuritySchemeData

from flowforge.api.errors import MEDIA_PROBLEM, unreadable
from flowforge.api.models import Asked, EventOut, Incoming, NoQuery, Problem
from flowforge.api.operation import Contract, contract_of

Document = dict[str, Any]

_TOKEN = "token"  # noqa: S105 (name of the scheme in the document)


def make_spec(version: str) -> SpecTree:
    """One spec for one app: spectree keeps the models that it meets."""
    return SpecTree(
        "falcon-asgi",
        before=_before,
        after=_after,
        validation_error_model=Problem,
        naming_strategy=lambda model: model.__name__,
        nested_naming_strategy=lambda _parent, child: child,
        title="FlowForge",
        description="Keeps branches mergeable: rebase, resolve, validate, test, push, and refuse when in doubt.",
        version=version,
        page_templates={},
        security_schemes=[
            SecurityScheme(
                name=_TOKEN,
                data=SecuritySchemeData(
                    type=SecureType.HTTP, scheme="bearer", description="A token that begins with ff_"
                ),
            )
        ],
    )


def bind(spec: SpecTree, resource: object) -> None:
    """Put validation around every handler of `resource`.

    Raises:
        TypeError: a handler has no contract, so nobody said who may call it.
    """
    for name, handler, contract in handlers(resource):
        if name.startswith("on_websocket"):
            continue  # OpenAPI knows no streams of this kind, and a handshake has no body
        wrapped = spec.validate(
            query=NoQuery,  # unless the handler's annotation says otherwise
            resp=_answers(contract),
            tags=[contract.tag],
            security={_TOKEN: [str(contract.needs)]} if contract.needs else None,
            operation_id=contract.name,
        )(handler)
        setattr(resource, name, MethodType(wrapped, resource))


def handlers(resource: object) -> Iterator[tuple[str, Callable[..., Any], Contract]]:
    for name in dir(type(resource)):
        if not name.startswith("on_"):
            continue
        handler = getattr(type(resource), name)
        contract = contract_of(handler)
        if contract is None:
            raise TypeError(f"{type(resource).__name__}.{name} has no contract")
        yield name, handler, contract


def _answers(contract: Contract) -> Response:
    coded = {f"HTTP_{status}": model for status, model in contract.answers.items()}
    return Response(**coded)


def _before(
    req: falcon.asgi.Request,
    resp: falcon.asgi.Response,
    error: Exception | None,
    resource: object,
    adapter: object,
) -> None:
    if isinstance(error, ValidationError):
        raise unreadable(error, "body" if error.title in _names(Incoming) else "parameter") from None


def _names(kind: type[BaseModel]) -> frozenset[str]:
    return frozenset(model.__name__ for model in kind.__subclasses__())


def _after(
    req: falcon.asgi.Request,
    resp: falcon.asgi.Response,
    error: Exception | None,
    resource: object,
    adapter: object,
) -> None:
    if error is not None:
        raise TypeError(f"{type(resource).__name__} answered with another shape than it declares") from error


def document(spec: SpecTree, app: "falcon.asgi.App[Any, Any]", contracts: Mapping[str, Contract]) -> Document:
    """The whole document, once every route is added. `contracts` by operationId."""
    spec.app = app
    made: Document = spec.spec
    made["components"]["schemas"] = _schemas(made["components"]["schemas"])
    # spectree escapes a dot in an address as if it were a pattern
    made["paths"] = {path.replace("\\", ""): _http(made["paths"][path]) for path in sorted(made["paths"])}
    made["paths"] = {path: methods for path, methods in made["paths"].items() if methods}
    for path in made["paths"].values():
        for operation in path.values():
            _complete(operation, contracts[operation["operationId"]])
    return made


def _http(methods: Document) -> Document:
    return {method: described for method, described in methods.items() if method != "websocket"}


def _schemas(found: Document) -> Document:
    """Shapes of bodies and answers; query parameters stand with their operations already."""
    asked = _names(Asked)
    ours = {model.__name__: model.model_json_schema(mode="serialization") for model in (Problem, EventOut)}
    nested = ours["Problem"].pop("$defs", {})
    text = json.dumps({**nested, **ours}).replace('"#/$defs/', '"#/components/schemas/')
    shown = {**json.loads(text), **{name: shape for name, shape in found.items() if name not in asked}}
    return {name: shown[name] for name in sorted(shown)}


def _complete(operation: Document, contract: Contract) -> None:
    """Say what spectree does not: problems, other media types, headers of both directions."""
    responses = operation["responses"]
    for status in refusals(contract, body="requestBody" in operation):
        responses[str(status)] = _problem(status)
    for status, media in contract.media.items():
        content = responses[str(status)].setdefault("content", {})
        content[media] = {"schema": {"type": "string"}}
    for status in contract.answers:
        if contract.sends:
            responses[str(status)]["headers"] = {name: _header(m) for name, m in contract.sends.items()}
    operation["parameters"] += [
        {"name": name, "in": "header", "required": False, **_header(meaning)}
        for name, meaning in contract.headers.items()
    ]
    operation["responses"] = {code: responses[code] for code in sorted(responses)}


def refusals(contract: Contract, *, body: bool) -> list[int]:
    """Every status with which this operation may refuse; 422 for one: no operation takes unknown parameters."""
    statuses = {*contract.refuses, 422, 500}
    if contract.needs is not None:
        statuses |= {401, 403, 503}
    if body:
        statuses |= {400, 413, 415}
    return sorted(statuses)


_PHRASES = {  # RFC 9110's; Python's own changed between its versions
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def _header(meaning: str) -> Document:
    return {"description": meaning, "schema": {"type": "string"}}


def _problem(status: int) -> Document:
    return {
        "description": _PHRASES[status],
        "content": {MEDIA_PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
