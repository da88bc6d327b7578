"""A git host on loopback for tests: `git http-backend` behind a small Python server, with faults on demand.

    with GitServer(tmp_path) as server:
        repo = server.repository("team/app")         # tests.gitrepo.Repository; reflogs are on
        server.url("team/app")                       # http://127.0.0.1:PORT/team/app.git
        server.users["bot"] = "secret"               # from now on basic auth is needed
        server.fault = Fault(status=500)             # every request from now on; None heals
        server.fault = Fault(status=503, times=2)    # the next two requests that match
        server.fault = Fault(on="git-receive-pack", drop_reply=True)   # the push lands, its answer is lost
        server.requests                              # what came in: method, path, authorization, service

`on` limits a fault to requests whose path or query contains the word: "info/refs", "git-upload-pack" (fetch),
"git-receive-pack" (push); both services are also asked for by `info/refs?service=...`, so `on="/git-upload-pack"`
means the pack itself only. Use `Door(protocols=frozenset({"http", "file"}))` to reach it.
"""

import base64
import os
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar, Self
from urllib.parse import urlsplit

from tests.gitrepo import Repository

PUSHER = (
    "host@example.org"  # who moves refs for those that come over http; a person in a test is somebody else
)
KEPT = "pushed"  # a repository's own list of what came over http: the reflog of a ref that is deleted goes with it
KEEP = f"""#!/bin/sh
[ "$GIT_COMMITTER_EMAIL" = {PUSHER} ] && cat >> {KEPT}
exit 0
"""


@dataclass
class Fault:
    """What to do instead of, or around, an honest answer."""

    on: str = ""  # only requests whose path or query contains this
    status: int = 0  # answer with this status and no body
    headers: dict[str, str] = field(default_factory=dict)  # sent with `status`, e.g. Retry-After
    redirect: str = ""  # answer 302 to this base url plus the request's own path
    truncate: int = -1  # send only so many bytes of the body, then cut the connection
    delay: float = 0.0  # seconds before the answer begins
    hold: float = 0.0  # seconds between the work and its answer
    trickle: float = 0.0  # seconds between two bytes of the body
    garbage: bool = False  # answer 200 with a page of HTML
    drop_reply: bool = False  # do the work, then cut the connection without an answer
    times: int = -1  # how often; -1 is for ever


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    path: str  # with query
    authorization: str  # the header as it came, "" = none


class GitServer:
    """Serves the bare repositories below `root` until the `with` block ends."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.users: dict[str, str] = {}
        self.fault: Fault | None = None
        self.requests: list[Request] = []
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def url(self, name: str) -> str:
        return f"{self.base}/{name}.git"

    def repository(self, name: str) -> Repository:
        """Make an empty bare repository that may be pushed to."""
        made = Repository(self.root / f"{name}.git")
        made.git("config", "http.receivepack", "true")
        hook = made.path / "hooks" / "post-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(KEEP)
        hook.chmod(0o755)
        return made

    def take_fault(self, path: str) -> Fault:
        """The fault for this request, counted; an empty one where there is none."""
        fault = self.fault
        if fault is None or fault.on not in path or fault.times == 0:
            return Fault()
        fault.times -= 1
        return fault

    def wait(self, seconds: float) -> None:
        """Sleep, but not past the end of the server."""
        self._stopping.wait(seconds)

    def allows(self, authorization: str) -> bool:
        if not self.users:
            return True
        kind, _, word = authorization.partition(" ")
        if kind.lower() != "basic":
            return False
        user, _, secret = base64.b64decode(word).decode("utf-8", "replace").partition(":")
        return self.users.get(user) == secret


class _Handler(BaseHTTPRequestHandler):
    host: ClassVar[GitServer]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *words: object) -> None:
        """Say nothing on the test's terminal."""

    def _serve(self) -> None:
        authorization = self.headers.get("Authorization", "")
        self.host.requests.append(Request(method=self.command, path=self.path, authorization=authorization))
        body = self._body()
        fault = self.host.take_fault(self.path)
        self.host.wait(fault.delay)
        if fault.redirect:
            self._answer(302, {"Location": fault.redirect + self.path}, b"")
        elif fault.status:
            self._answer(fault.status, fault.headers, b"")
        elif fault.garbage:
            self._answer(200, {"Content-Type": "text/html"}, b"<html>not git</html>")
        elif not self.host.allows(authorization):
            self._answer(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"")
        else:
            self._backend(body, fault)

    def _backend(self, body: bytes, fault: Fault) -> None:
        status, headers, answer = run_backend(self.host.root, self, body)
        self.host.wait(fault.hold)
        if fault.drop_reply:
            self.close_connection = True
            self.connection.close()
        elif fault.truncate >= 0:
            self._answer(status, headers, answer, send=fault.truncate)
        else:
            self._answer(status, headers, answer, pause=fault.trickle)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        whole = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(whole)

    def _answer(
        self, status: int, headers: dict[str, str], body: bytes, *, send: int = -1, pause: float = 0.0
    ) -> None:
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self._write(body if send < 0 else body[:send], pause)
        except OSError:  # the client hung up first
            self.close_connection = True
        if send >= 0:
            self.close_connection = True
            self.connection.close()

    def _write(self, body: bytes, pause: float) -> None:
        if not pause:
            self.wfile.write(body)
            return
        for at in range(len(body)):
            self.wfile.write(body[at : at + 1])
            self.wfile.flush()
            self.host.wait(pause)


def _handler(server: GitServer) -> type[_Handler]:
    return type("Handler", (_Handler,), {"host": server})


def run_backend(
    root: Path, request: BaseHTTPRequestHandler, body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """One request through `git http-backend`: status, headers, body."""
    parts = urlsplit(request.path)
    env = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "PATH_INFO": parts.path,
        "QUERY_STRING": parts.query,
        "REQUEST_METHOD": request.command,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "REMOTE_ADDR": "127.0.0.1",
        "GIT_COMMITTER_NAME": "host",
        "GIT_COMMITTER_EMAIL": PUSHER,
    }
    done = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True, check=False)
    head, _, answer = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200 OK").split(" ")[0])
    return status, headers, answer
