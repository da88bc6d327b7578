"""A wire that can be made to misbehave: a TCP proxy on loopback in front of Postgres, Redis or a git host.

    with Proxy(upstream_of(url)) as wire:
        through(url, wire)                                    # the same url, by way of the proxy
        wire.trouble(Trouble(do="cut", on=(b"COMMIT",)))      # the connection breaks; COMMIT is not passed on
        wire.trouble(Trouble(do="swallow", on=(b"COMMIT",)))  # passed on; its answer is dropped and the wire breaks
        wire.trouble(Trouble(do="lose", on=(b"COMMIT",)))     # passed on; its answer never comes, the wire stays
        wire.trouble(Trouble(do="delay", seconds=2.0))        # every piece comes so much later
        wire.trouble(Trouble(do="throttle", rate=1.0, way="down"))    # one byte a second
        wire.trouble(Trouble(do="hang", on=(rb"ff_insert_jobs", rb"COMMIT")))   # silence, until `heal`
        wire.trouble(Trouble(do="cut", way="down", after=500))    # half-way through an answer
        wire.trouble(Trouble(do="cut", connection=3, times=1))    # only the third connection, only once
        wire.refuse(); wire.accept()                          # nobody listens; somebody does again
        wire.cut_all()                                        # every connection that stands breaks
        wire.heal()                                           # no more troubles; what hung goes on
        wire.struck                                           # what has happened, in order: (connection, trouble)

Patterns are regular expressions over the bytes that go one way, found across the borders of packets; several must
be seen in this order on one connection. A connection is numbered from 1 in the order in which it came.
"""

import re
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

Way = Literal["up", "down"]  # to the server | to the client
Do = Literal["cut", "swallow", "lose", "delay", "throttle", "hang"]
Address = tuple[str, int] | str  # host and port, or the path of a Unix socket

_PIECE = 1 << 16
_REMEMBERED = 4096  # bytes of the past in which a pattern may begin


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What to do with a connection, and when. After `cut` and `swallow` the connection is gone."""

    do: Do
    on: tuple[bytes, ...] = ()  # patterns to see first, in order; none = at once
    way: Way = "up"  # where the patterns are looked for, and what is delayed, throttled or cut
    after: int = 0  # bytes to let through on that way first
    connection: int = 0  # which one; 0 = any
    times: int = -1  # how often in all; -1 = for ever
    seconds: float = 0.0  # of `delay`
    rate: float = 1.0  # bytes a second of `throttle`


@dataclass(kw_only=True, eq=False)
class _Link:
    """One connection: its two ends, and what has been seen on it."""

    number: int
    client: socket.socket
    server: socket.socket
    past: dict[Way, bytes] = field(default_factory=lambda: {"up": b"", "down": b""})
    passed: Counter[Way] = field(default_factory=Counter)
    stage: Counter[int] = field(default_factory=Counter)  # by trouble: how many of its patterns were seen
    deaf: Trouble | None = None  # answers are dropped
    broken: bool = False
    ended: int = 0  # ways on which nothing goes any more

    def ends(self, way: Way) -> tuple[socket.socket, socket.socket]:
        return (self.client, self.server) if way == "up" else (self.server, self.client)

    def cut(self) -> None:
        """Wake both ways, which then close with a reset: so does a machine that has lost its memory."""
        self.broken = True
        for end in (self.client, self.server):
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        self.client.close()
        self.server.close()


class Proxy:
    """Listens on a port of loopback that stays the same until the `with` block ends. Thread-safe."""

    def __init__(self, upstream: Address) -> None:
        self.upstream = upstream  # may be set anew: the next connection goes there
        self.struck: list[tuple[int, Trouble]] = []
        self.connections = 0
        self._troubles: list[Trouble] = []
        self._used: Counter[int] = Counter()
        self._links: set[_Link] = set()
        self._lock = threading.Lock()
        self._healed = threading.Event()
        self._listener = _listen(0)
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._serve()
        return self

    def __exit__(self, *error: object) -> None:
        self.heal()
        self.refuse()
        while self._links:
            self.cut_all()
            time.sleep(0.005)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def trouble(self, *troubles: Trouble) -> None:
        """From now on, these, the first that fits; connections that stand are met by them too."""
        with self._lock:
            self._healed = threading.Event()
            self._used.clear()
            self._troubles = list(troubles)
            for link in self._links:
                link.stage.clear()
                link.passed.clear()

    def heal(self) -> None:
        with self._lock:
            self._troubles = []
            self._healed.set()

    def refuse(self) -> None:
        """Nobody listens any more; connections that stand go on."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def accept(self) -> None:
        """Listen again, on the same port."""
        self._listener = _listen(self.port)
        self._serve()

    def cut_all(self) -> None:
        with self._lock:
            links = tuple(self._links)
        for link in links:
            link.cut()

    @property
    def open(self) -> int:
        """Connections that stand."""
        return len(self._links)

    # ------------------------------------------------------------------------------------------------------ wires

    def _serve(self) -> None:
        self._thread = threading.Thread(target=self._take, args=(self._listener,), daemon=True)
        self._thread.start()

    def _take(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # closed: nobody listens here any more
                return
            try:
                server = _connect(self.upstream)
            except OSError:
                client.close()
                continue
            with self._lock:
                self.connections += 1
                link = _Link(number=self.connections, client=client, server=server)
                self._links.add(link)
            for way in ("up", "down"):
                threading.Thread(target=self._pump, args=(link, way), daemon=True).start()

    def _pump(self, link: _Link, way: Way) -> None:
        source, sink = link.ends(way)
        try:
            while (piece := source.recv(_PIECE)) and not link.broken:
                self._pass(link, way, piece, sink)
            if not link.broken:
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            link.cut()
        with self._lock:
            link.ended += 1
            over = link.ended == len(link.past)
        if over:
            link.close()
            self._links.discard(link)

    def _pass(self, link: _Link, way: Way, piece: bytes, sink: socket.socket) -> None:
        """One piece on its way."""
        if way == "down" and link.deaf is not None:
            if link.deaf.do == "swallow":
                link.cut()
            return
        trouble = self._meets(link, way, piece)
        if trouble is not None:
            piece = self._strike(link, way, piece, trouble)
        if piece and not link.broken:
            sink.sendall(piece)
            link.passed[way] += len(piece)

    def _strike(self, link: _Link, way: Way, piece: bytes, trouble: Trouble) -> bytes:
        """Let the trouble happen; returns what is still to be passed on."""
        sink = link.ends(way)[1]
        match trouble.do:
            case "cut":
                sink.sendall(piece[: max(0, trouble.after - link.passed[way])])
                link.cut()
            case "swallow" | "lose":
                link.deaf = trouble
            case "hang":
                self._healed.wait()
            case "delay":
                self._healed.wait(trouble.seconds)
            case "throttle":
                self._drip(link, piece, sink, trouble.rate)
                return b""
        return piece

    def _drip(self, link: _Link, piece: bytes, sink: socket.socket, rate: float) -> None:
        for at in range(len(piece)):
            if link.broken:
                return
            sink.sendall(piece[at : at + 1])
            self._healed.wait(1 / rate)

    def _meets(self, link: _Link, way: Way, piece: bytes) -> Trouble | None:
        """The trouble that this piece runs into, counted."""
        with self._lock:
            seen, link.past[way] = link.past[way] + piece, (link.past[way] + piece)[-_REMEMBERED:]
            old = len(seen) - len(piece)
            for number, trouble in enumerate(self._troubles):
                used_up = 0 <= trouble.times <= self._used[number]
                if trouble.way != way or trouble.connection not in {0, link.number} or used_up:
                    continue
                if link.passed[way] + len(piece) <= trouble.after:
                    continue
                if not self._patterns_seen(link, number, trouble, seen, old):
                    continue
                link.stage[number] = 0
                self._used[number] += 1
                self.struck.append((link.number, trouble))
                return trouble
        return None

    def _patterns_seen(self, link: _Link, number: int, trouble: Trouble, seen: bytes, old: int) -> bool:
        """Whether the last pattern ends in the new bytes, the others having been seen before it."""
        at = 0
        for pattern in trouble.on[link.stage[number] :]:
            found = next((m for m in re.finditer(pattern, seen, re.DOTALL) if m.end() > max(at, old)), None)
            if found is None:
                return False
            at = found.end()
            link.stage[number] += 1
        return True


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


def _connect(upstream: Address) -> socket.socket:
    if isinstance(upstream, tuple):
        return socket.create_connection(upstream)
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect(upstream)
    except OSError:
        server.close()
        raise
    return server


def upstream_of(url: str) -> Address:
    """Where the server of a postgresql://, redis://, unix:// or http:// url listens."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return unquote(parts.path)
    asked = parse_qs(parts.query)
    if parts.scheme.startswith("postgres") and "host" in asked:
        return f"{asked['host'][0]}/.s.PGSQL.{asked.get('port', ['5432'])[0]}"
    ports = {"redis": 6379, "postgresql": 5432, "postgres": 5432, "http": 80}
    return parts.hostname or "127.0.0.1", parts.port or ports[parts.scheme]


def through(url: str, proxy: Proxy) -> str:
    """The same url by way of the proxy."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        number = parse_qs(parts.query).get("db", ["0"])[0]
        return f"redis://127.0.0.1:{proxy.port}/{number}"
    login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    query = "" if parts.scheme.startswith("postgres") else parts.query
    return urlunsplit((parts.scheme, f"{login}127.0.0.1:{proxy.port}", parts.path, query, ""))
