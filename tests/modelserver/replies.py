"""What a request gets, and the documented words for what the service says no to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

ERRORS = {  # status -> error type, as documented
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What one request gets.

    `how`: ok | error (with `status`) | hang | trickle | cut | error_event | first_error (before anything else) |
    empty | garbage | bad_event | flood (text without end) | no_usage (as some gateways) | drop (the connection is closed without a byte);
    for a request in a batch also errored | expired | canceled.
    """

    text: str = '{"hunks": []}'
    how: str = "ok"
    status: int = 200
    stop: str = "end_turn"
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = "scripted error"
    error: str = ""  # error type where it is not the status's usual one
    code: str = ""  # `details.error_code`
    output_tokens: int = 0  # 0 = counted from the text
    thinking: str = ""  # what it thinks first, in a block of its own
    told: Mapping[str, int] = field(
        default_factory=dict
    )  # counts that it tells in place of those that it bills
    polls: int = 0  # a batch with it is still being worked on when it is looked at so many times


def refuse(
    status: int, *, error: str = "", message: str = "scripted error", code: str = "", **headers: str
) -> Reply:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(how="error", status=status, headers=names, error=error, message=message, code=code)


Answer = Reply | Callable[[Mapping[str, Any]], Reply]


def error_body(reply: Reply, request_id: str) -> dict[str, Any]:
    usual = "api_error" if reply.status >= 500 else "invalid_request_error"
    kind = reply.error or ERRORS.get(reply.status, usual)
    error: dict[str, Any] = {"type": kind, "message": reply.message}
    if reply.code:
        error["details"] = {"error_code": reply.code}
    return {"type": "error", "error": error, "request_id": request_id}
