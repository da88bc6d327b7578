"""The chat-completions format over HTTP: one question, one streamed answer, one deadline.

The rules of money are those of every provider: a call that was refused before it began raises; one that broke
after it began returns, cut, with the most it can have cost. A server that does not say what an answer used has
the most settled, too: with a price of 0 that is 0.
"""

import json
import threading
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import httpx2

from flowforge.plugin import ModelAnswer, ModelRequest, Usage
from flowforge_plugins.models.deadline import direct_client, within
from flowforge_plugins.models.openai_chat_dialect import Dialect, schema_text
from flowforge_plugins.models.openai_chat_errors import Refusal, error_of, read_refusal, refusal_of
from flowforge_plugins.models.openai_chat_reading import Reading, ServerError, events, json_object
from flowforge_plugins.models.provider_settings import address, key, seconds, wrong
from flowforge_plugins.models.service_errors import masked, no_time, unreachable

BASE_URL: Final = "https://api.openai.com/v1"
_OWN_HOST: Final = "api.openai.com"
_ROUTE: Final = "/chat/completions"
_DIALECTS: Final = 5  # questions at most until a server's dialect is known
_ERROR_BODY: Final = 64 << 10  # bytes of a refusal that are looked at

# A tokenizer over bytes makes at most one token of a byte; a server adds its template around the messages.
FRAME_TOKENS: Final = 1024


def connect(settings: Mapping[str, str]) -> "Chat":
    """Build the provider from settings `openai_api_key`, `base_url`, `timeout` (seconds), `effort`.

    Without `base_url` it is OpenAI's own service, which needs a key; a server of your own may need none.

    Raises:
        Broken: the address or the key is none, the timeout is no number above 0, or OpenAI's own service has no key.
    """
    secret = key("openai", settings.get("openai_api_key", ""))
    base = address("openai", settings.get("base_url") or BASE_URL).removesuffix(_ROUTE)
    own = urlsplit(base).hostname == _OWN_HOST
    if own and not secret:
        raise wrong(
            "openai",
            "has no API key",
            "set FLOWFORGE_MODEL_KEY, or model_base_url to a server of your own that needs none",
        )
    return Chat(
        key=secret,
        url=f"{base}{_ROUTE}",
        timeout=seconds(settings.get("timeout", "")),
        effort=settings.get("effort", ""),
        dialect=Dialect(length="max_completion_tokens" if own else "max_tokens"),
    )


class Chat:
    """A `ModelProvider`. Safe for threads; every call has a connection of its own."""

    def __init__(self, *, key: str, url: str, timeout: float, effort: str, dialect: Dialect) -> None:
        self._key = key
        self._url = url
        self._timeout = timeout
        self._effort = effort
        self._dialect = dialect
        self._client = direct_client()
        self._lock = threading.Lock()

    def complete(self, request: ModelRequest, deadline: float) -> ModelAnswer:
        until = time.monotonic() + min(deadline, self._timeout)
        for last in (*[False] * (_DIALECTS - 1), True):
            left = until - time.monotonic()
            if left <= 0:
                raise no_time()
            dialect = self._dialect
            said = self._ask(request, dialect, left)
            if isinstance(said, ModelAnswer):
                return said
            if last or not self._learn(dialect, said):
                return self._refused(said)
        raise no_time()  # never reached: the last question returns or raises

    def _refused(self, refusal: Refusal) -> ModelAnswer:
        if refusal.filtered:
            return ModelAnswer(text="", usage=Usage(), stop="refusal", request_id=self._id(refusal.headers))
        raise error_of(refusal, time.time, self._key)

    def count_tokens(self, request: ModelRequest) -> int:
        """A bound that holds without asking anybody: no token is shorter than a byte; the schema may stand twice."""
        text = request.system + request.shared + request.prompt
        size = len(text.encode(errors="surrogatepass"))
        return size + 2 * len(schema_text(request.schema).encode()) + FRAME_TOKENS

    def _learn(self, dialect: Dialect, refusal: Refusal) -> bool:
        """Remember what the server does not take; False where it refused something else."""
        other = dialect.without(refusal)
        if other is None:
            return False
        with self._lock:
            if self._dialect == dialect:  # another thread may have learnt more meanwhile
                self._dialect = other
        return True

    def _ask(self, request: ModelRequest, dialect: Dialect, left: float) -> ModelAnswer | Refusal:
        reading = Reading(self._worst(request))
        body = json.dumps(dialect.body(request, self._effort), ensure_ascii=False)
        try:
            with self._client.stream(
                "POST",
                self._url,
                content=body.encode(errors="replace"),
                headers=self._headers(),
                timeout=within(left),
            ) as response:
                return self._read(reading, response)
        except ServerError as error:
            return self._broken_off(reading, error)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise unreachable(error) from error
        except (httpx2.HTTPError, ValueError, RecursionError) as error:
            return reading.cut(f"the answer could not be read: {type(error).__name__}")

    def _read(self, reading: Reading, response: httpx2.Response) -> ModelAnswer | Refusal:
        reading.request_id = self._id(response.headers)
        if response.status_code != httpx2.codes.OK:
            return read_refusal(response.status_code, response.headers, _beginning(response))
        if response.headers.get("content-type", "").startswith("application/json"):  # it does not stream
            reading.take(json_object(json.loads(response.read())))
            return reading.answer()
        for event in events(response.iter_bytes()):
            reading.take(event)
        return reading.answer()

    def _broken_off(self, reading: Reading, error: ServerError) -> ModelAnswer:
        """An error inside an answer: it raises where nothing was said before it."""
        if reading.started:
            return reading.cut("the server broke it off")
        body = error.args[0]
        code = body["error"].get("code") if isinstance(body["error"], Mapping) else None
        status = code if isinstance(code, int) else httpx2.codes.INTERNAL_SERVER_ERROR
        raise error_of(refusal_of(status, {}, body), time.time, self._key) from error

    def _headers(self) -> dict[str, str]:
        sent = {"content-type": "application/json", "accept": "text/event-stream, application/json"}
        return {**sent, "authorization": f"Bearer {self._key}"} if self._key else sent

    def _id(self, headers: Mapping[str, str]) -> str:
        return masked(headers.get("x-request-id", ""), self._key)[:200]

    def _worst(self, request: ModelRequest) -> Usage:
        return Usage(input=self.count_tokens(request), output=request.max_output + request.thinking)


def _beginning(response: httpx2.Response) -> str:
    """As much of a refusal as says what it is."""
    data = b""
    for part in response.iter_bytes():
        data += part
        if len(data) > _ERROR_BODY:
            break
    return data[:_ERROR_BODY].decode(errors="replace")
