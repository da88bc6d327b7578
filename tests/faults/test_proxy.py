"""The wire that the other tests cut: it does what it is told and nothing else."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.faults.proxy import Proxy, Trouble, through, upstream_of


class Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            self.server.heard.append(line)  # type: ignore[attr-defined]  # set below
            self.wfile.write(line.upper())


class EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.heard: list[bytes] = []


@pytest.fixture
def server() -> Iterator[EchoServer]:
    with EchoServer() as made:
        threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture
def wire(server: EchoServer) -> Iterator[Proxy]:
    with Proxy(("127.0.0.1", server.server_address[1])) as made:
        yield made


class Talk:
    def __init__(self, wire: Proxy, patience: float = 10.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", wire.port), timeout=patience)
        self.file = self.socket.makefile("rwb", buffering=0)

    def say(self, line: bytes) -> None:
        self.socket.sendall(line + b"\n")

    def hears(self) -> bytes:
        """The next line; b"" when the connection is gone."""
        try:
            return self.file.readline().strip()
        except ConnectionError:
            return b""

    def ask(self, line: bytes) -> bytes:
        with suppress(ConnectionError):
            self.say(line)
        return self.hears()

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture
def talk(wire: Proxy) -> Iterator[Talk]:
    made = Talk(wire)
    yield made
    made.close()


def test_without_trouble_it_passes_everything_on(talk: Talk) -> None:
    assert talk.ask(b"hello") == b"HELLO"
    assert talk.ask(b"x" * 100_000) == b"X" * 100_000


def test_cut_breaks_before_the_words_arrive(wire: Proxy, talk: Talk, server: EchoServer) -> None:
    wire.trouble(Trouble(do="cut", on=(b"commit",)))
    assert talk.ask(b"begin") == b"BEGIN"
    assert talk.ask(b"commit") == b""
    assert server.heard == [b"begin\n"]
    assert [number for number, _ in wire.struck] == [1]


def test_swallow_breaks_after_the_words_arrived(wire: Proxy, talk: Talk, server: EchoServer) -> None:
    wire.trouble(Trouble(do="swallow", on=(b"commit",)))
    assert talk.ask(b"commit") == b""
    assert server.heard == [b"commit\n"]


def test_lose_leaves_the_wire_standing_and_silent(wire: Proxy, server: EchoServer) -> None:
    wire.trouble(Trouble(do="lose", on=(b"commit",)))
    talk = Talk(wire, patience=0.3)
    with pytest.raises(TimeoutError):
        talk.ask(b"commit")
    assert server.heard == [b"commit\n"]
    assert wire.open == 1
    talk.close()


def test_words_must_come_in_order_and_may_come_in_pieces(wire: Proxy, talk: Talk) -> None:
    wire.trouble(Trouble(do="cut", on=(b"insert", b"commit")))
    assert talk.ask(b"commit") == b"COMMIT"
    assert talk.ask(b"insert") == b"INSERT"
    talk.socket.sendall(b"com")
    time.sleep(0.05)
    assert talk.ask(b"mit") == b""


def test_a_trouble_may_strike_once_or_one_connection_only(wire: Proxy) -> None:
    wire.trouble(Trouble(do="cut", connection=2), Trouble(do="cut", on=(b"once",), times=1))
    first, second, third = Talk(wire), Talk(wire), Talk(wire)
    assert first.ask(b"hello") == b"HELLO"
    assert second.ask(b"hello") == b""
    assert third.ask(b"once") == b""
    assert first.ask(b"once") == b"ONCE"
    for talk in (first, second, third):
        talk.close()


def test_an_answer_is_cut_after_so_many_bytes(wire: Proxy, talk: Talk) -> None:
    wire.trouble(Trouble(do="cut", way="down", after=3))
    talk.say(b"hello")
    assert talk.socket.recv(100) == b"HEL"


def test_hang_lasts_until_it_is_healed(wire: Proxy, talk: Talk) -> None:
    wire.trouble(Trouble(do="hang", on=(b"hello",)))
    talk.say(b"hello")
    while not wire.struck:
        time.sleep(0.01)
    wire.heal()
    assert talk.hears() == b"HELLO"
    assert talk.ask(b"more") == b"MORE"


@pytest.mark.parametrize(
    "trouble", [Trouble(do="delay", seconds=0.2), Trouble(do="throttle", rate=40.0, way="down")]
)
def test_slow_wires_deliver_everything_late(wire: Proxy, talk: Talk, trouble: Trouble) -> None:
    wire.trouble(trouble)
    began = time.monotonic()
    assert talk.ask(b"0123456789") == b"0123456789"
    assert time.monotonic() - began >= 0.2


def test_nobody_listens_and_then_somebody_does_on_the_same_port(wire: Proxy, talk: Talk) -> None:
    assert talk.ask(b"hello") == b"HELLO"  # else it may stand in the queue of those that are not taken yet
    wire.refuse()
    assert talk.ask(b"still") == b"STILL"
    with pytest.raises(ConnectionRefusedError):
        Talk(wire)
    wire.accept()
    again = Talk(wire)
    assert again.ask(b"hello") == b"HELLO"
    again.close()


def test_all_connections_can_be_cut_at_once(wire: Proxy, talk: Talk) -> None:
    assert talk.ask(b"hello") == b"HELLO"
    wire.cut_all()
    assert talk.ask(b"hello") == b""


def test_urls_lead_through_it(wire: Proxy) -> None:
    postgres = "postgresql://postgres:p%2Fw@/flowforge?host=%2Ftmp%2Fx&port=5432"
    assert upstream_of(postgres) == "/tmp/x/.s.PGSQL.5432"
    assert through(postgres, wire) == f"postgresql://postgres:p%2Fw@127.0.0.1:{wire.port}/flowforge"
    assert upstream_of("unix:///tmp/r/redis.sock?db=0") == "/tmp/r/redis.sock"
    assert through("unix:///tmp/r/redis.sock?db=3", wire) == f"redis://127.0.0.1:{wire.port}/3"
    assert upstream_of("http://127.0.0.1:81/x.git") == ("127.0.0.1", 81)
    assert through("http://127.0.0.1:81/x.git", wire) == f"http://127.0.0.1:{wire.port}/x.git"
