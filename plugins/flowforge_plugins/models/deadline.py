"""An HTTP client with a hard deadline and a hard size for each whole exchange, and no way round them.

The HTTP library limits each read by itself, so a server that sends one byte now and then holds a call for ever.
Here the read timeout of a request is taken for the time of the *whole* answer: when it is over, the socket is
shut down and the read that waits on it fails at once. An answer of more bytes than any that was asked for fails
too. Proxies of the environment are not used and redirects are not followed, so that a key goes nowhere else.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any, Final

import httpx2

CONNECT_TIMEOUT: Final = 10.0
MAX_BODY: Final = 16 << 20  # bytes of an answer as it is sent, frames included


def direct_client() -> httpx2.Client:
    """A client whose every request is one exchange on a connection of its own. Safe for threads."""
    return httpx2.Client(transport=DeadlineTransport(), follow_redirects=False, trust_env=False)


def within(seconds: float) -> httpx2.Timeout:
    """The timeout to give a request that must be answered, whole, in so many seconds."""
    return httpx2.Timeout(seconds, connect=min(CONNECT_TIMEOUT, seconds))


class Watch:
    """Shuts the connection of one exchange down after `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.expired = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(max(seconds, 0.001), self._expire)
        self._timer.daemon = True
        self._timer.start()

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Learn the socket as it is made: once for TCP, again when TLS wraps it."""
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self._socket = info["return_value"].get_extra_info("socket")
            if self.expired:
                self._expire()

    def cancel(self) -> None:
        self._timer.cancel()

    def _expire(self) -> None:
        self.expired = True
        if self._socket is not None:
            with contextlib.suppress(OSError):  # the peer may have closed it in this moment
                # On the plain socket: shutting TLS down would wait for the peer.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    @contextlib.contextmanager
    def guard(self, request: httpx2.Request) -> Iterator[None]:
        """Turn whatever the broken connection raises into the timeout that it is."""
        try:
            yield
        except Exception as error:
            self.cancel()
            if self.expired:
                raise httpx2.ReadTimeout("the deadline of this call is over", request=request) from error
            raise


class WatchedStream(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, watch: Watch, request: httpx2.Request) -> None:
        self._stream, self._watch, self._request = stream, watch, request

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        with self._watch.guard(self._request):
            for part in self._stream:
                size += len(part)
                if size > MAX_BODY:
                    raise httpx2.DecodingError("the answer is longer than any that was asked for")
                yield part
            if self._watch.expired:
                raise httpx2.ReadTimeout("the deadline of this call is over", request=self._request)

    def close(self) -> None:
        self._watch.cancel()
        self._stream.close()


class DeadlineTransport(httpx2.BaseTransport):
    """Wraps a transport; needs connections of its own, so it keeps none open between calls."""

    def __init__(self) -> None:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        self._inner = httpx2.HTTPTransport(limits=limits)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        watch = Watch(request.extensions["timeout"]["read"])
        request.extensions = {**request.extensions, "trace": watch.trace}
        with watch.guard(request):
            response = self._inner.handle_request(request)
        if not isinstance(response.stream, httpx2.SyncByteStream):  # never, by the transport's contract
            raise TypeError(f"the transport answered with {type(response.stream).__name__}")
        response.stream = WatchedStream(response.stream, watch, request)
        return response

    def close(self) -> None:
        self._inner.close()
