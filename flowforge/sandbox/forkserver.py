"""The child side of the pool: one small server that forks, and the children that call functions.

The server (one thread, started with a clean environment) forks a child for each request of the pool and kills
children when told; a child is only reaped by command, so a process id never changes its meaning under the
pool's hands. When the pool's end of the control socket closes, however its process died, the server kills
everything that descends from it and leaves. Children die with the server.

A child answers calls until it is told otherwise or leaves processes behind. Every frame is a one-byte kind,
a length and a pickle; what comes back is read by `pool` with a list of types that it is willing to build.
"""

import contextlib
import ctypes
import importlib
import os
import pickle
import resource
import select
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused

ORDER = struct.Struct("!ci")  # operation and process id
REPLY = struct.Struct("!i")  # process id, or wait status, or minus errno
HEAD = struct.Struct("!cQ")  # kind of frame and length of its pickle
SPAWN, KILL = b"s", b"k"
CALL, DONE, FAILED, LAST = b"c", b"d", b"f", b"l"  # LAST: failed, and this child must be replaced

_DEATH_SIGNAL, _SUBREAPER = 1, 36  # prctl's PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER
_TRACE = 4000  # characters of a traceback that are kept as evidence


@dataclass(frozen=True, kw_only=True)
class Call:
    """One function to call: ``"module:function"``, pickled arguments, bytes it may grow by, bytes it may say."""

    load: str
    arguments: bytes
    memory: int
    result: int


def main(control: int, preload: Sequence[str]) -> None:
    """Serve until the pool goes away. `control` is the descriptor of our end of the control socket."""
    server = socket.socket(fileno=control)
    _prctl(_SUBREAPER, 1)
    for module in preload:
        with contextlib.suppress(Exception):  # a child that needs it will say why it cannot be imported
            importlib.import_module(module)
    children: set[int] = set()
    try:
        _serve(server, children)
    finally:
        for child in children:
            _kill_group(child)
        _kill_orphans(frozenset())


def _serve(server: socket.socket, children: set[int]) -> None:
    while True:
        message, descriptors = _receive_order(server)
        if len(message) < ORDER.size:
            return
        operation, child = ORDER.unpack(message)
        if operation == SPAWN:
            answer = _spawn(server, descriptors[0])
            children.add(answer)
        else:
            answer = _reap(child)
            children.discard(child)
            _kill_orphans(frozenset(children))
        server.sendall(REPLY.pack(answer))


def _receive_order(server: socket.socket) -> tuple[bytes, list[int]]:
    with contextlib.suppress(ConnectionError):
        message, descriptors, _flags, _address = socket.recv_fds(server, ORDER.size, 1)
        return message, descriptors
    return b"", []


def _spawn(server: socket.socket, descriptor: int) -> int:
    """Fork one child that owns `descriptor`; minus errno where the host has no room for it."""
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        os.close(descriptor)
        return -(error.errno or 1)
    if pid:
        os.close(descriptor)
        return pid
    status = 1
    try:
        server.close()
        _become_child(parent)
        _answer_calls(socket.socket(fileno=descriptor))
        status = 0
    finally:
        os._exit(status)  # never return into the server's loop


def _become_child(parent: int) -> None:
    os.setsid()
    _prctl(_DEATH_SIGNAL, signal.SIGKILL)
    _prctl(_SUBREAPER, 1)
    if os.getppid() != parent:  # it died before we asked to die with it
        os._exit(1)


def _answer_calls(calls: socket.socket) -> None:
    me = os.getpid()
    while (frame := read_frame(calls)) is not None:
        request: Call = pickle.loads(frame[1])  # noqa: S301 (from our own parent)
        kind, payload = _run(request)
        if os.getpid() != me:  # a copy made by a function that forked: it has nothing to say
            os._exit(1)
        if kind != LAST and _left_processes():
            kind, payload = LAST, _pickled(_failed(request.load, "left processes behind when it returned"))
        write_frame(calls, kind, payload)


def _run(request: Call) -> tuple[bytes, bytes]:
    """Call the function under its memory limit and put whatever happens into one frame."""
    try:
        with _memory(request.memory):
            result = _function(request.load)(*pickle.loads(request.arguments))  # noqa: S301 (as above)
        payload = pickle.dumps(result, protocol=pickle.HIGHEST_PROTOCOL)
    except FlowForgeError as error:
        return FAILED, _pickled(error)
    except MemoryError:
        return LAST, _pickled(_out_of_memory(request))
    except BaseException as error:  # noqa: BLE001 (a stranger's code may raise anything, SystemExit too)
        return FAILED, _pickled(_raised(request.load, error))
    if len(payload) > request.result:
        return FAILED, _pickled(_too_large(request, len(payload)))
    return DONE, payload


def _function(load: str) -> Callable[..., object]:
    module, _, name = load.partition(":")
    function: Callable[..., object] = getattr(importlib.import_module(module), name)
    return function


@contextlib.contextmanager
def _memory(grow: int) -> Iterator[None]:
    """Let the address space grow by `grow` bytes over what it is now."""
    with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 (no pathlib in a process that starts often)
        pages = int(statm.read().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + grow
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _raised(load: str, error: BaseException) -> Broken:
    said = f"raised {type(error).__name__}: {str(error)[:500]}"
    trace = "".join(traceback.format_exception(error))[-_TRACE:]
    return _failed(load, said, evidence=trace)


def _failed(load: str, what: str, evidence: str = "") -> Broken:
    return Broken(
        Reason.PLUGIN_FAILED,
        f"{load!r} {what}",
        next_action="tell the author of this plugin, or switch it off",
        evidence=evidence,
    )


def _out_of_memory(request: Call) -> Refused:
    return Refused(
        Reason.MEMORY_LIMIT,
        f"{request.load!r} needed more than {request.memory >> 20} MiB",
        next_action="hand this file to a person, or raise the limit",
    )


def _too_large(request: Call, size: int) -> Refused:
    return Refused(
        Reason.TOO_LARGE,
        f"{request.load!r} answered with {size} bytes, {request.result} are allowed",
        next_action="hand this file to a person",
    )


def _pickled(error: FlowForgeError) -> bytes:
    return pickle.dumps(error, protocol=pickle.HIGHEST_PROTOCOL)


def _left_processes() -> bool:
    """Whether the call left any process, waited for or not; its orphans are ours (we are their subreaper)."""
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def _reap(child: int) -> int:
    _kill_group(child)
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(child, 0)[1]
    return 0


def _kill_group(child: int) -> None:
    for kill in (os.killpg, os.kill):  # before its setsid a child leads no group yet
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(child, signal.SIGKILL)


def _kill_orphans(known: frozenset[int]) -> None:
    """Kill what dead children left in sessions of their own; it has come to us as their subreaper."""
    for _round in range(100):
        orphans = [pid for pid in _children() if pid not in known]
        if not orphans:
            return
        for pid in orphans:
            _reap(pid)


def _children() -> list[int]:
    me = os.getpid()
    try:
        with open(f"/proc/{me}/task/{me}/children", "rb") as children:  # noqa: PTH123 (as above)
            return [int(pid) for pid in children.read().split()]
    except OSError:
        return []


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def read_frame(calls: socket.socket) -> tuple[bytes, bytes] | None:
    """One whole frame as (kind, payload); None where the other end is gone."""
    head = _read(calls, HEAD.size)
    if head is None:
        return None
    kind, length = HEAD.unpack(head)
    payload = _read(calls, length)
    return None if payload is None else (kind, payload)


def write_frame(calls: socket.socket, kind: bytes, payload: bytes) -> None:
    calls.sendall(HEAD.pack(kind, len(payload)) + payload)


def _read(calls: socket.socket, length: int) -> bytes | None:
    parts: list[bytes] = []
    while length:
        ready, _, _ = select.select([calls], [], [])
        part = ready[0].recv(min(length, 1 << 20))
        if not part:
            return None
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
