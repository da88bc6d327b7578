"""`/metrics` of a process that answers nothing else: the relay and the workers.

Several of them on one machine need no settings of their own: each takes the first free port of a short row. That
none is free costs the metrics of that process, never its work.
"""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import cast

PORTS = 16  # how many are tried, from the one that the settings name
_PATIENCE = 5.0  # seconds that a client may be silent
_AT_ONCE = 8  # clients; who scrapes is one or two

_log = logging.getLogger(__name__)

Expose = Callable[[], tuple[bytes, str]]  # body and content type


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, host: str, port: int, expose: Expose) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.expose = expose
        self.free = threading.Semaphore(_AT_ONCE)
        super().__init__((host, port), _Answer)

    def verify_request(self, request: object, client_address: object) -> bool:  # noqa: ARG002 (the library's names)
        return self.free.acquire(blocking=False)

    def process_request_thread(self, request: object, client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]  # theirs
        finally:
            self.free.release()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 (the library's names)
        _log.debug("a client of the metrics has gone", exc_info=True)


class _Answer(BaseHTTPRequestHandler):
    timeout = _PATIENCE
    server_version, sys_version = "FlowForge", ""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(HTTPStatus.NOT_FOUND, "Here is only /metrics")
            return
        body, media = cast("_Server", self.server).expose()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Who reads the metrics is no news."""


@contextmanager
def metrics_at(host: str, port: int, expose: Expose) -> Iterator[str]:
    """Answer `GET /metrics` while the block runs, on the first free port from `port` on; yields the address.

    The address is "" where nothing listens: with port 0, and where no port can be had, which is logged.
    """
    server = _bound(host, port, expose) if port else None
    if server is None:
        yield ""
        return
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    url = f"http://{f'[{host}]' if ':' in host else host}:{server.server_address[1]}/metrics"
    _log.info("metrics are at %s", url)
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _bound(host: str, port: int, expose: Expose) -> _Server | None:
    trouble = ""
    for one in range(port, min(port + PORTS, 1 << 16)):
        try:
            return _Server(host, one, expose)
        except OSError as error:
            trouble = error.strerror or str(error)
    _log.warning("no metrics of this process: ports %s and following of %s: %s", port, host, trouble)
    return None
