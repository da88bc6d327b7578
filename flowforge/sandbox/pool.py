"""Functions called in child processes, each with a deadline and a memory limit: merge work and validators.

`Pool.call("module:function", *args)` answers what the function returned or raises what went wrong, typed. A
child that is late, dies or is left dirty is killed with everything it started, and replaced on the next use.
Children have a clean environment (no secret of this process is in it), one fixed hash seed so that the same
input gives the same answer, and no standard streams. Nothing is started before the first call or `warm`.
"""

import contextlib
import errno
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.sandbox.answers import unpack
from flowforge.sandbox.forkserver import CALL, HEAD, KILL, LAST, ORDER, REPLY, SPAWN, Call

MEGABYTE = 1 << 20
_GRACE = 10.0  # seconds the server has to kill its children, before it is killed and takes them along
_USES = 500  # calls that one child answers: what a plugin leaks ends with it
_LOOK = 0.1  # seconds between two looks at `cancelled`
_START = """
import sys
sys.path[:] = {path!r}
from flowforge.sandbox.answers import unpack
from flowforge.sandbox.forkserver import main
main({control}, {preload!r})
"""
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}


@dataclass(eq=False, kw_only=True)
class _Child:
    """One child of the forkserver: its process id, a handle that tells its death, and the socket of calls."""

    pid: int
    alive: int | None  # a pidfd: readable once it is dead; None where the system has none
    calls: socket.socket
    server: "_Server"
    used: int = 0  # calls it has answered

    def close(self) -> None:
        self.calls.close()
        if self.alive is not None:
            os.close(self.alive)
            self.alive = None


class Pool:
    """At most `size` calls at one time; the next ones wait. Threads may share it; a fork may not.

    `preload` names modules that the server imports once, so that children have them from the start.
    `result` is the most bytes an answer may take.
    """

    def __init__(self, size: int = 2, *, preload: Sequence[str] = (), result: int = 64 * MEGABYTE) -> None:
        self._size = size
        self._preload = tuple(preload)
        self._result = result
        self._slots = threading.Semaphore(size)
        self._lock = threading.Lock()  # over _idle, _server and _closed
        self._idle: list[_Child] = []
        self._server: _Server | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def warm(self) -> None:
        """Start the server now, so that it comes up while the caller does something else; returns at once."""
        with self._lock:
            if self._server is None and not self._closed:
                self._server = _Server(self._preload)

    def close(self) -> None:
        """Kill every child and the server; calls that still run end with `cancelled`."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            server, self._server = self._server, None
        for child in idle:
            child.close()
        if server is not None:
            server.close()

    def call(
        self,
        load: str,
        *args: object,
        deadline: float,
        memory: int = 512 * MEGABYTE,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> object:
        """Call ``"module:function"`` with `args` in a child and return its answer.

        `deadline` is seconds from when a child is free; `memory` the bytes the child may grow by.

        Raises:
            Refused: `timeout`, `memory_limit`, `too_large`, `cancelled`, or what the function refused.
            Broken: `plugin_failed`: it could not be imported, raised, died, or left processes behind.
            Temporary: what the function raised as such, or the pool lost its server.
        """
        arguments = pickle.dumps(args, protocol=pickle.HIGHEST_PROTOCOL)
        request = Call(load=load, arguments=arguments, memory=memory, result=self._result)
        while not self._slots.acquire(timeout=_LOOK):
            _refuse_cancelled(load, cancelled)
        try:
            child = self._take()
            return self._ask(child, request, deadline, cancelled)
        finally:
            self._slots.release()

    def _ask(self, child: _Child, request: Call, deadline: float, cancelled: Callable[[], bool]) -> object:
        clean = False
        try:
            kind, payload = _Exchange(child=child, load=request.load, deadline=deadline).run(
                pickle.dumps(request), cancelled
            )
            clean = kind != LAST
        except _Died:
            raise self._death(request.load, child) from None
        finally:
            self._give_back(child, clean=clean)
        return unpack(request.load, kind, payload)

    def _take(self) -> _Child:
        with self._lock:
            if self._closed:
                raise Refused(Reason.CANCELLED, "the pool of child processes is closed")
            while self._idle:
                child = self._idle.pop()
                if not _dead(child):
                    return child
                self._bury(child)
            if self._server is not None and self._server.gone:
                self._server.close()
                self._server = None
            if self._server is None:
                self._server = _Server(self._preload)
            server = self._server
        return server.spawn()

    def _give_back(self, child: _Child, *, clean: bool) -> None:
        with self._lock:
            child.used += 1
            fresh = child.used < _USES
            if clean and fresh and not self._closed and child.server is self._server:
                self._idle.append(child)
                return
        self._bury(child)

    @staticmethod
    def _bury(child: _Child) -> int:
        """Kill a child with all it started; its wait status, 0 where it was buried before."""
        if child.alive is None and child.calls.fileno() < 0:
            return 0
        child.close()
        return child.server.kill(child.pid)

    def _death(self, load: str, child: _Child) -> FlowForgeError:
        status = self._bury(child)
        if self._closed:
            return Refused(Reason.CANCELLED, f"{load!r} was stopped: the pool was closed")
        if child.server.gone:
            return Temporary(
                Reason.INFRASTRUCTURE, f"{load!r} was lost with its forkserver", next_action="try again"
            )
        return _how_it_died(load, status)


class _Died(Exception):
    """The child closed its socket or is dead."""


@dataclass(kw_only=True)
class _Exchange:
    """One request sent and one answer received, never later than the deadline."""

    child: _Child
    load: str
    deadline: float  # seconds
    _end: float = field(init=False)

    def __post_init__(self) -> None:
        self._end = time.monotonic() + self.deadline

    def run(self, payload: bytes, cancelled: Callable[[], bool]) -> tuple[bytes, bytes]:
        self.child.calls.setblocking(False)
        out = memoryview(HEAD.pack(CALL, len(payload)) + payload)
        answer = bytearray()
        while (frame := _whole(answer)) is None:
            self._wait(cancelled, writing=bool(out))
            try:
                if out:
                    out = out[self.child.calls.send(out) :]
                else:
                    self._receive(answer)
            except BlockingIOError:
                continue
            except OSError as error:
                raise _Died from error
        return frame

    def _receive(self, answer: bytearray) -> None:
        part = self.child.calls.recv(1 << 20)
        if not part:
            raise _Died
        answer += part

    def _wait(self, cancelled: Callable[[], bool], *, writing: bool) -> None:
        poll = select.poll()
        poll.register(self.child.calls, select.POLLOUT if writing else select.POLLIN)
        if self.child.alive is not None:
            poll.register(self.child.alive, select.POLLIN)
        while True:
            left = self._end - time.monotonic()
            if left <= 0:
                raise _late(self.load, self.deadline)
            ready = {descriptor for descriptor, _event in poll.poll(min(left, _LOOK) * 1000)}
            if self.child.calls.fileno() in ready:
                return
            if ready:
                raise _Died
            _refuse_cancelled(self.load, cancelled)


class _Server:
    """Our end of the forkserver process."""

    def __init__(self, preload: tuple[str, ...]) -> None:
        self._lock = threading.Lock()
        self.gone = False
        ours, theirs = socket.socketpair()
        with theirs:
            path = [entry for entry in sys.path if entry]  # "" would be whatever folder somebody stands in
            start = _START.format(path=path, control=theirs.fileno(), preload=preload)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-s", "-c", start],
                env=_ENVIRONMENT,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._control = ours

    def spawn(self) -> _Child:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                pid = self._order(SPAWN, 0, [theirs.fileno()])
        except BaseException:
            ours.close()
            raise
        if pid < 0:
            ours.close()
            raise Temporary(
                Reason.INFRASTRUCTURE,
                f"no child process could be made: {os.strerror(-pid)}",
                next_action="look at the machine's process and memory limits",
            )
        return _Child(pid=pid, alive=_pidfd(pid), calls=ours, server=self)

    def kill(self, pid: int) -> int:
        """Kill a child with all it started and reap it; its wait status."""
        try:
            return self._order(KILL, pid, [])
        except Temporary:
            return signal.SIGKILL  # the server took it along

    def _order(self, operation: bytes, pid: int, descriptors: list[int]) -> int:
        with self._lock:
            try:
                socket.send_fds(self._control, [ORDER.pack(operation, pid)], descriptors)
                reply = self._control.recv(REPLY.size, socket.MSG_WAITALL)
            except OSError:
                reply = b""
        if len(reply) < REPLY.size:
            self.gone = True
            raise Temporary(
                Reason.INFRASTRUCTURE, "the forkserver of the pool is gone", next_action="try again"
            )
        return int(REPLY.unpack(reply)[0])

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.gone = True
        self._control.close()


def _whole(answer: bytearray) -> tuple[bytes, bytes] | None:
    if len(answer) < HEAD.size:
        return None
    kind, length = HEAD.unpack_from(answer)
    if len(answer) < HEAD.size + length:
        return None
    return kind, bytes(answer[HEAD.size : HEAD.size + length])


def _pidfd(pid: int) -> int | None:
    """A handle on a child's life; Linux only, elsewhere the closing of its socket must do."""
    try:
        return os.pidfd_open(pid) if sys.platform == "linux" else None
    except OSError as error:
        if error.errno in {errno.ENOSYS, errno.EPERM}:
            return None
        raise


def _dead(child: _Child) -> bool:
    watched = [child.calls.fileno()] + ([] if child.alive is None else [child.alive])
    return bool(select.select(watched, [], [], 0)[0])  # an idle child has nothing to say but its end


def _refuse_cancelled(load: str, cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise Refused(Reason.CANCELLED, f"{load!r} was stopped: the job was cancelled")


def _late(load: str, deadline: float) -> Refused:
    return Refused(
        Reason.TIMEOUT,
        f"{load!r} was stopped after {deadline:g} s",
        next_action="hand this file to a person, or raise the limit",
    )


def _how_it_died(load: str, status: int) -> FlowForgeError:
    action = "tell the author of this plugin, or switch it off"
    if not os.WIFSIGNALED(status):
        code = os.waitstatus_to_exitcode(status)
        return Broken(
            Reason.PLUGIN_FAILED, f"{load!r} ended its process with status {code}", next_action=action
        )
    name = signal.Signals(os.WTERMSIG(status)).name
    return Broken(Reason.PLUGIN_FAILED, f"{load!r} was killed by {name}", next_action=action)
