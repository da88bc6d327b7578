"""The Messages API through its SDK: one question, one streamed answer, one deadline.

Two rules of money. A call that was refused before it began raises. A call that broke after it began *returns*,
with stop `cut` and the most it can have cost, because it will be billed and the caller must settle it.
"""

import time
from collections.abc import Mapping
from typing import Final

import anthropic
import httpx2

from flowforge.plugin import ModelAnswer, ModelRequest
from flowforge_plugins.models.anthropic_batches import Batches
from flowforge_plugins.models.anthropic_errors import from_status
from flowforge_plugins.models.anthropic_reading import Reading
from flowforge_plugins.models.anthropic_request import body, input_bound, max_tokens, worst
from flowforge_plugins.models.deadline import direct_client, within
from flowforge_plugins.models.provider_settings import address, key, seconds, wrong
from flowforge_plugins.models.service_errors import no_time, unreachable

BASE_URL: Final = "https://api.anthropic.com"
EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")


def connect(settings: Mapping[str, str]) -> "Messages":
    """Build the provider from settings `anthropic_api_key`, `base_url`, `timeout` (seconds), `effort`.

    Reaches nobody, so it may be called early, in a thread of its own: importing this module imports the SDK.

    Raises:
        Broken: there is no key, the address is none, the timeout is no number above 0, or there is no such effort.
    """
    secret = key("anthropic", settings.get("anthropic_api_key", ""))
    effort = settings.get("effort", "")
    if not secret:
        raise wrong(
            "anthropic",
            "has no API key",
            "set FLOWFORGE_MODEL_KEY, or leave the model rung out of the pipeline",
        )
    if effort and effort not in EFFORTS:
        raise wrong("anthropic", f"knows no effort {effort!r}", f"set one of {', '.join(EFFORTS)}")
    return Messages(
        key=secret,
        base_url=address("anthropic", settings.get("base_url") or BASE_URL),
        timeout=seconds(settings.get("timeout", "")),
        effort=effort,
    )


class Messages:
    """A `BatchProvider`. Safe for threads; every call has a connection of its own."""

    def __init__(self, *, key: str, base_url: str, timeout: float, effort: str = "") -> None:
        self._timeout = timeout
        self._effort = effort
        self._key = key
        self._client = anthropic.Anthropic(
            api_key=key,
            base_url=base_url,
            max_retries=0,  # the service above owns retries, since each one costs money
            http_client=direct_client(),
            open_telemetry=False,  # a trace of the SDK's could hold what was asked
        )
        # The SDK takes headers from a variable of the environment too, and has no switch against it: what stands
        # there is for other programs, and may be a key of theirs.
        self._client._custom_headers = {}  # noqa: SLF001
        self._batches = Batches(self._client.messages.batches, self._client, key=key, effort=effort)

    def complete(self, request: ModelRequest, deadline: float) -> ModelAnswer:
        left = min(deadline, self._timeout)
        if left <= 0:
            raise no_time()
        reading = Reading(worst(request))
        try:
            stream = self._client.messages.create(
                **body(request, self._effort),
                max_tokens=max_tokens(request),
                stream=True,
                timeout=within(left),
            )
            with stream:
                reading.request_id = stream.response.headers.get("request-id", "")
                for event in stream:
                    reading.take(event)
        except anthropic.APIStatusError as error:
            return self._broken_off(reading, error)
        except anthropic.APIConnectionError as error:
            return _unreached(reading, error)
        except (httpx2.HTTPError, ValueError, RecursionError, anthropic.APIError, AttributeError) as error:
            # An AttributeError is an event without what its kind has: the SDK does not check what it is sent.
            return reading.cut(f"the answer could not be read: {type(error).__name__}")
        return reading.answer()

    def count_tokens(self, request: ModelRequest) -> int:
        """A bound that holds without asking anybody: no token is shorter than a byte."""
        return input_bound(request)

    def measure_tokens(self, request: ModelRequest, deadline: float) -> int:
        """The service's own count, which is an estimate: for figures, never for a reservation."""
        try:
            counted = self._client.messages.count_tokens(
                **body(request, self._effort), timeout=within(min(deadline, self._timeout))
            )
        except anthropic.APIStatusError as error:
            raise from_status(error, time.time, self._key) from error
        except (httpx2.HTTPError, anthropic.APIError) as error:
            raise unreachable(error) from error
        return counted.input_tokens

    def submit(self, request: ModelRequest, deadline: float) -> str:
        return self._batches.submit(request, min(deadline, self._timeout))

    def collect(self, batch: str, deadline: float) -> ModelAnswer | None:
        return self._batches.collect(batch, min(deadline, self._timeout))

    def withdraw(self, batch: str, deadline: float) -> None:
        self._batches.withdraw(batch, min(deadline, self._timeout))

    def _broken_off(self, reading: Reading, error: anthropic.APIStatusError) -> ModelAnswer:
        if reading.started:
            return reading.cut(f"the service broke it off: {error.type or error.status_code}")
        raise from_status(error, time.time, self._key) from error


def _unreached(reading: Reading, error: anthropic.APIConnectionError) -> ModelAnswer:
    """Where the connection was never made nothing can be billed; else the question may have been read."""
    if isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout):
        raise unreachable(error) from error
    return reading.cut(f"the connection broke: {type(error.__cause__ or error).__name__}")
