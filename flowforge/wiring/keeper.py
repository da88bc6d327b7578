"""Stands between FlowForge and a server it started, so that the server never outlives FlowForge.

Run as a script of its own (`python -I -S keeper.py JSON`), standard library only. Its standard input is a
life line: when the other end closes, for whatever reason (an orderly stop, kill -9 of the parent), the keeper
stops the server, and escalates if the server will not. When the keeper itself is killed, the kernel signals
the server (PDEATHSIG; the lock that server and keeper hold together shows the rest). A plain PDEATHSIG on the
server would not do: it fires when the *thread* that started the server ends.

PostgreSQL refuses to run as root. A root keeper therefore enters a user namespace in which root's own files
belong to an ordinary uid: no system user is added, no folder opened, and nobody else gains access. Where
namespaces are forbidden (most containers) it gives its folder to `nobody` and becomes that user instead.
"""

import ctypes
import json
import os
import pwd
import select
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_CANNOT_EXECUTE = 126


def ordinary_user() -> tuple[int, int]:
    """The uid and gid of an existing user that is not root; initdb looks its own user up by name."""
    users = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    users.sort(key=lambda entry: entry.pw_name != "nobody")
    if not users:
        raise SystemExit("PostgreSQL cannot run as root, and this machine has no other user")
    return users[0].pw_uid, users[0].pw_gid


def own(folder: str, uid: int, gid: int) -> None:
    """Give a folder with all that is in it to `uid`, if it is not theirs already."""
    if Path(folder).stat().st_uid == uid:
        return
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(place, name), uid, gid, follow_symlinks=False)
    os.chown(folder, uid, gid)


def leave_root(folder: str) -> None:
    uid, gid = ordinary_user()
    own(folder, 0, 0)
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(_CLONE_NEWUSER) == 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} 0 1"), ("gid_map", f"{gid} 0 1")):
            Path("/proc/self", name).write_text(text, encoding="ascii")
        return
    own(folder, uid, gid)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def start(argv: list[str], death_signal: int, log: str) -> int:
    """Fork and execute the server; returns its pid."""
    keeper = os.getpid()
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    pid = os.fork()
    if pid:
        return pid
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal)
        if os.getppid() == keeper:
            os.execv(argv[0], argv)  # noqa: S606 (that is its work)
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
    os._exit(_CANNOT_EXECUTE)


def wait(pid: int, stops: list[tuple[int, float]]) -> NoReturn:
    """Wait for the server's end or for a reason to end it; then send each signal and give it its seconds."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    while True:
        exit_if_over(pid)
        ready, _, _ = select.select([0, read], [], [], 30)
        if 0 in ready or (read in ready and set(os.read(read, 64)) - {signal.SIGCHLD}):
            break
    for stop, seconds in stops:
        os.kill(pid, stop)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            exit_if_over(pid)
            select.select([read], [], [], 0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise SystemExit(1)


def exit_if_over(pid: int) -> None:
    over, status = os.waitpid(pid, os.WNOHANG)
    if over:
        raise SystemExit(os.waitstatus_to_exitcode(status) & 0xFF)


def main() -> NoReturn:
    order = json.loads(sys.argv[1])
    if order["leave_root"] and os.geteuid() == 0:
        leave_root(order["folder"])
    os.umask(0o077)
    pid = start(order["argv"], order["stops"][0][0], order["log"])
    wait(pid, order["stops"])


if __name__ == "__main__":
    main()
