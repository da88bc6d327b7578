"""Message batches: a question is handed in for half the price, and its answer is fetched later.

A batch is one question here. What the house keeps of it is a *ticket*: the service's id and the most that the
question can have cost, since neither the service nor this process remembers the question when an answer got lost.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import anthropic
import httpx2
from anthropic.resources.messages.batches import Batches as BatchesApi

from flowforge.plugin import Broken, FlowForgeError, ModelAnswer, ModelRequest, Reason, Temporary, Usage
from flowforge_plugins.models.anthropic_errors import from_status, from_words
from flowforge_plugins.models.anthropic_reading import whole_answer
from flowforge_plugins.models.anthropic_request import body, input_bound, max_tokens
from flowforge_plugins.models.deadline import within
from flowforge_plugins.models.service_errors import no_time, unreachable

_OURS: Final = "question"  # the id of the one request in each batch
_UNKNOWN: Final = "unknown"
_ENDED, _WORKING = "ended", frozenset({"in_progress", "canceling"})
_OVER: Final = frozenset({400, 404, 409})  # statuses of a cancellation that comes too late
_GONE: Final = 404


@dataclass(frozen=True, kw_only=True)
class Ticket:
    id: str  # of the batch; "unknown" where the service took it, or did not, and nobody was told
    input: int  # tokens that the question can at most be billed as
    output: int

    def __str__(self) -> str:
        return f"{self.id}.{self.input}.{self.output}"

    @property
    def worst(self) -> Usage:
        return Usage(cache_write_hour=self.input, output=self.output)

    def cut(self, why: str) -> ModelAnswer:
        return ModelAnswer(text="", usage=self.worst, stop="cut", request_id=self.id, why=why)


def read_ticket(text: str) -> Ticket:
    """Read what `submit` gave.

    Raises:
        Broken: it did not give this.
    """
    parts = text.split(".")
    try:
        name, most_input, most_output = parts
        return Ticket(id=name, input=int(most_input), output=int(most_output))
    except ValueError:
        raise Broken(
            Reason.INTERNAL_ERROR,
            f"{text!r} is no ticket of a batch",
            next_action="report this to the operator",
        ) from None


class Batches:
    def __init__(self, api: BatchesApi, client: anthropic.Anthropic, *, key: str, effort: str) -> None:
        self._api = api
        self._client = client
        self._key = key
        self._effort = effort

    def submit(self, request: ModelRequest, seconds: float) -> str:
        """Hand in; a batch that may or may not have been taken gets a ticket that is settled at its worst."""
        if seconds <= 0:
            raise no_time()
        unknown = Ticket(id=_UNKNOWN, input=input_bound(request), output=max_tokens(request))
        params: Any = {**body(request, self._effort, "1h"), "max_tokens": max_tokens(request)}
        try:
            made = self._api.create(
                requests=[{"custom_id": _OURS, "params": params}], timeout=within(seconds)
            )
        except anthropic.APIStatusError as error:
            raise from_status(error, time.time, self._key) from error
        except anthropic.APIConnectionError as error:
            if isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout):
                raise unreachable(error) from error
            return str(unknown)
        except (httpx2.HTTPError, json.JSONDecodeError, anthropic.APIError):
            return str(unknown)
        name = getattr(made, "id", None)
        if not isinstance(name, str) or not name or "." in name:
            return str(unknown)
        return str(Ticket(id=name, input=unknown.input, output=unknown.output))

    def collect(self, batch: str, seconds: float) -> ModelAnswer | None:
        """The answer; None while it is being worked on, or while the service cannot say."""
        ticket = read_ticket(batch)
        if ticket.id == _UNKNOWN:
            return ticket.cut("nobody was told whether the batch was taken")
        until = time.monotonic() + seconds
        try:
            found = self._api.retrieve(ticket.id, timeout=within(max(seconds, 0.001)))
            if getattr(found, "processing_status", None) != _ENDED:
                return None
            if not found.results_url:
                return ticket.cut("the results of the batch are no longer kept")
            left = max(until - time.monotonic(), 0.001)
            return self._result(ticket, self._fetch(ticket, left))
        except anthropic.APIStatusError as error:
            return self._unsaid(ticket, error)
        except (httpx2.HTTPError, json.JSONDecodeError, anthropic.APIError):
            return None

    def withdraw(self, batch: str, seconds: float) -> None:
        """Cancel; what the service was in the midst of may still be answered, so it is collected all the same."""
        ticket = read_ticket(batch)
        if ticket.id == _UNKNOWN:
            return
        try:
            self._api.cancel(ticket.id, timeout=within(max(seconds, 0.001)))
        except anthropic.APIStatusError as error:
            if error.status_code not in _OVER:
                raise from_status(error, time.time, self._key) from error
        except (httpx2.HTTPError, json.JSONDecodeError, anthropic.APIError) as error:
            raise unreachable(error) from error

    def _unsaid(self, ticket: Ticket, error: anthropic.APIStatusError) -> ModelAnswer | None:
        """The service did not say what became of it: it is asked again, or the batch is gone, or the key is wrong."""
        if error.status_code == _GONE:
            return ticket.cut("the service knows no such batch any more")
        said = from_status(error, time.time, self._key)
        if isinstance(said, Temporary):
            return None
        raise said from error

    def _fetch(self, ticket: Ticket, seconds: float) -> str:
        """The lines of the results, from where this client talks to: the key goes to no other address."""
        response: httpx2.Response = self._client.get(
            f"/v1/messages/batches/{ticket.id}/results",
            cast_to=httpx2.Response,
            options={"timeout": within(seconds)},
        )
        return response.text

    def _result(self, ticket: Ticket, text: str) -> ModelAnswer | None:
        line = _own_line(text)
        result = line.get("result") if line is not None else None
        if not isinstance(result, dict):
            return None
        match result.get("type"):
            case "succeeded":
                return whole_answer(result.get("message"), ticket.worst, ticket.id)
            case "errored":
                raise self._errored(ticket, result)
            case "expired" | "canceled" as ended:
                raise _without_answer(ticket, str(ended))
        return None

    def _errored(self, ticket: Ticket, result: Mapping[str, Any]) -> FlowForgeError:
        """Nothing was billed; what it was decides whether asking anew can help."""
        said: Any = result.get("error") or {}
        error = (said.get("error") or {}) if isinstance(said, Mapping) else {}
        return from_words(
            str(error.get("type", "api_error")),
            str(error.get("message", "")),
            code=str((error.get("details") or {}).get("error_code", "")),
            request_id=ticket.id,
            secrets=(self._key,),
        )


def _own_line(text: str) -> Mapping[str, Any] | None:
    """The line of JSON about our request; None where what came is no such file."""
    for line in text.split("\n"):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and found.get("custom_id") == _OURS:
            return found
    return None


def _without_answer(ticket: Ticket, ended: str) -> Temporary:
    return Temporary(
        Reason.MODEL_UNAVAILABLE,
        f"the batch ended without an answer: {ended}",
        delay=5.0,
        next_action="nothing: the question is asked anew, and nothing was billed",
        evidence=ticket.id,
    )
