"""Commands on this machine: walled in by bubblewrap and control groups, or not at all where a setting says so.

Every command starts as a shell that waits for one line, so that its group and limits hold before its first
instruction; what it starts is born inside them. It ends when its first process ends: the rest is killed.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from flowforge.core.errors import Broken, Reason, Refused
from flowforge.core.pipeline import Network
from flowforge.sandbox import bubblewrap, seccomp
from flowforge.sandbox.bubblewrap import Descriptors, Profile
from flowforge.sandbox.cgroup import Group, Groups, open_group
from flowforge.sandbox.contract import Command, Finished, Limit, Why
from flowforge.sandbox.limits import PER_PROCESS, set_limits
from flowforge.sandbox.stragglers import kill_stragglers
from flowforge.sandbox.supervise import DiskWatch, Supervisor, Watched

_WAIT_THEN_RUN = 'read -r _ || exit 125; exec "$@" </dev/null'
_OUTSIDE = {
    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "LANG": "C.UTF-8",
}  # of the shell, not of the command
_PATIENCE = 5.0  # seconds for a killed process space to be gone
_FEWER_PROCESSES = 'exec prlimit --nproc="$0" -- "$@"'


@dataclass(frozen=True, kw_only=True)
class LocalSandbox:
    """bubblewrap on this machine. Made by `choose.choose_sandbox`, which finds out what works here.

    `tools` are folders (a virtual environment and its interpreter, say) shown read-only at their own place,
    each with its `bin` on the PATH. `host_network` lets a stage that asks for the network have the host's.
    """

    bwrap: str
    profile: Profile
    groups: Groups
    unique: Callable[[], str]  # a fresh name at each call
    tools: tuple[Path, ...] = ()
    host_network: bool = False
    machine: str = field(default_factory=lambda: os.uname().machine)
    user: int = field(default_factory=os.geteuid)

    @property
    def name(self) -> str:
        return "bubblewrap"

    def missing(self) -> Mapping[Limit, str]:
        lacking = dict(self.groups.missing)
        if Limit.MEMORY in lacking:
            lacking[Limit.MEMORY] = PER_PROCESS
        if Limit.PROCESSES in lacking and self.user == 0:
            lacking[Limit.PROCESSES] = (
                "no writable control group, and the kernel does not count root's processes"
            )
        elif Limit.PROCESSES in lacking:
            lacking[Limit.PROCESSES] = "counted per user inside the sandbox: no writable control group"
        if seccomp.program(self.machine) is None:
            lacking[Limit.SYSTEM_CALLS] = f"no filter is known for {self.machine}"
        return lacking

    def run(
        self, command: Command, on_output: Callable[[bytes], None], cancelled: Callable[[], bool]
    ) -> Finished:
        refuse_nonsense(command)
        network = self._network(command)
        with _open_group(self.groups, self.unique(), command) as group, contextlib.ExitStack() as files:
            status = files.enter_context(tempfile.TemporaryFile())
            inner = files.enter_context(_memory_file(b""))
            handed = self._descriptors(files, status)
            words = bubblewrap.arguments(command, self.profile, handed, tools=self.tools, network=network)
            _fill(inner, b"".join(word.encode() + b"\0" for word in words))
            passed = [n for n in (inner.fileno(), *_numbers(handed)) if n is not None]
            argv = [self.bwrap, "--args", str(inner.fileno()), "--", *self._inside(command)]
            watched = _run(argv, _OUTSIDE, command, self.missing(), group, passed, on_output, cancelled)
            _settle(watched, status)
            missing = dict(self.missing())
            if network:
                missing[Limit.NETWORK] = (
                    "the stage was granted the host's network, loopback services included"
                )
            return _finished(watched, group, missing)

    def _inside(self, command: Command) -> Sequence[str]:
        """Without a control group, processes are counted per user: inside, where that user is alone."""
        if Limit.PROCESSES not in self.groups.missing:
            return command.argv
        return ["/bin/sh", "-c", _FEWER_PROCESSES, str(command.processes), *command.argv]

    def _network(self, command: Command) -> bool:
        if command.network is Network.NONE:
            return False
        if command.network is Network.FULL and self.host_network:
            return True
        raise Refused(
            Reason.INVALID_REQUEST,
            f"a stage asks for `network: {command.network}`, which this sandbox does not grant",
            next_action="remove it, or let the operator set sandbox_host_network (for `network: full` only)",
        )

    def _descriptors(self, files: contextlib.ExitStack, status: IO[bytes]) -> Descriptors:
        def hold(content: str | bytes) -> int:
            data = content.encode() if isinstance(content, str) else content
            return files.enter_context(_memory_file(data)).fileno()

        filter_ = seccomp.program(self.machine)
        return Descriptors(
            status=status.fileno(),
            passwd=hold(bubblewrap.ACCOUNTS),
            group=hold(bubblewrap.GROUPS),
            hosts=hold(bubblewrap.HOSTS),
            seccomp=None if filter_ is None else hold(filter_),
        )


@dataclass(frozen=True, kw_only=True)
class Unsandboxed:
    """No walls: for a person's own code on a person's own machine, by `sandbox: none` only.

    `warn` gets one loud line at each command. The command has the host's files and network; its environment is
    clean, its time, output and file size are limited, and it is killed with all that it started.
    """

    warn: Callable[[str], None]
    unique: Callable[[], str]
    groups: Groups
    tools: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        return "none"

    def missing(self) -> Mapping[Limit, str]:
        told = "the setting `sandbox: none` switches it off"
        walls = dict.fromkeys((Limit.NETWORK, Limit.FILES, Limit.SYSTEM_CALLS), told)
        lost = {
            limit: PER_PROCESS if limit is Limit.MEMORY else why for limit, why in self.groups.missing.items()
        }
        return {**walls, **lost}

    def run(
        self, command: Command, on_output: Callable[[bytes], None], cancelled: Callable[[], bool]
    ) -> Finished:
        refuse_nonsense(command)
        self.warn(f"NOT SANDBOXED (sandbox: none): {' '.join(command.argv)[:200]}")
        with (
            _open_group(self.groups, self.unique(), command) as group,
            tempfile.TemporaryDirectory(prefix="flowforge-run-") as home,
        ):
            paths = ":".join([*(str(tool / "bin") for tool in self.tools), _OUTSIDE["PATH"]])
            env = {**_OUTSIDE, "PATH": paths, "HOME": home, "TMPDIR": home, **command.env}
            try:
                watched = _run(
                    list(command.argv), env, command, self.missing(), group, [], on_output, cancelled
                )
            finally:
                if Limit.PROCESSES in self.groups.missing:
                    kill_stragglers(home.encode())
            return _finished(watched, group, self.missing())


def refuse_nonsense(command: Command) -> None:
    """Refuse what no sandbox could run: NUL bytes, no words, names that are none, a folder that is not there."""
    words = [*command.argv, *command.env.values(), *command.env]
    wrong = (
        "it has no words" if not command.argv
        else "a word holds a NUL byte" if any("\0" in word for word in words)
        else "a variable has no usable name" if any(not name or "=" in name for name in command.env)
        else f"{str(command.folder)!r} is no folder" if not command.folder.is_dir()
        else ""
    )  # fmt: skip
    if wrong:
        raise Refused(
            Reason.INVALID_REQUEST, f"this command cannot be run: {wrong}", next_action="mend the stage"
        )


@contextlib.contextmanager
def _open_group(groups: Groups, name: str, command: Command) -> Iterator[Group]:
    with contextlib.ExitStack() as opened:
        try:
            group = opened.enter_context(open_group(groups, name, command))
        except OSError as error:
            raise Broken(
                Reason.SANDBOX_UNAVAILABLE,
                f"a control group could not be made or limited: {error}",
                next_action="look at it with: flowforge doctor",
            ) from error
        yield group


def _run(
    argv: list[str],
    env: Mapping[str, str],
    command: Command,
    missing: Mapping[Limit, str],
    group: Group,
    passed: Sequence[int],
    on_output: Callable[[bytes], None],
    cancelled: Callable[[], bool],
) -> Watched:
    with _pipe() as (gate_out, gate), _pipe() as (said, saying):
        process = subprocess.Popen(
            ["/bin/sh", "-c", _WAIT_THEN_RUN, "sh", *argv],
            env=env,
            cwd=command.folder,
            stdin=gate_out,
            stdout=saying,
            stderr=saying,
            pass_fds=passed,
            start_new_session=True,
        )
        saying.close()  # ours must not keep the pipe open when theirs have ended
        disk = DiskWatch(folder=command.folder, allowed=command.disk)
        supervisor = Supervisor(
            process=process,
            said=said.fileno(),
            timeout=command.timeout,
            allowed=command.output,
            on_output=on_output,
            cancelled=cancelled,
            kill=lambda: _kill(process.pid, group),
            broken=lambda: _broken(group, disk),
        )
        return supervisor.watch(lambda: _release(process.pid, gate, command, missing, group))


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    out, in_ = os.pipe()
    with os.fdopen(out, "rb", buffering=0) as reading, os.fdopen(in_, "wb", buffering=0) as writing:
        yield reading, writing


def _release(pid: int, gate: IO[bytes], command: Command, missing: Mapping[Limit, str], group: Group) -> None:
    """Put the waiting shell into its group and under its limits, then let it go."""
    group.add(pid)
    set_limits(pid, command, missing)
    gate.write(b"\n")
    gate.close()


def _broken(group: Group, disk: DiskWatch) -> Why:
    if group.out_of_memory():
        return Why.MEMORY_LIMIT
    return Why.DISK_LIMIT if disk.grown() else Why.EXITED


def _kill(pid: int, group: Group) -> None:
    """The session's group first (bubblewrap takes its process space along), then all the control group holds."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    group.kill()


def _finished(watched: Watched, group: Group, missing: Mapping[Limit, str]) -> Finished:
    code = watched.returncode
    return Finished(
        status=128 - code if code < 0 else code,
        seconds=watched.seconds,
        why=watched.why,
        missing=missing,
        output=watched.output,
        memory_peak=group.memory_peak(),
        cpu_seconds=group.cpu_seconds(),
    )


def _settle(watched: Watched, status: IO[bytes]) -> None:
    """Wait until the command's process space is gone, and refuse an end without a beginning.

    bubblewrap tells the process id of the space's first process, and an exit code for a command that it could
    start; where it ended by itself without one, the walls did not stand.
    """
    status.seek(0)
    told: dict[str, int] = {}
    for line in status.read().splitlines():
        told |= json.loads(line)
    _await_gone(told.get("child-pid", 0))
    if watched.why is Why.EXITED and watched.returncode >= 0 and "exit-code" not in told:
        raise Broken(
            Reason.SANDBOX_UNAVAILABLE,
            f"bubblewrap could not build the sandbox (exit status {watched.returncode}); see the log for its words",
            next_action="look at it with: flowforge doctor",
        )


def _await_gone(pid: int) -> None:
    """It is dying already; killed with its parent, and it takes all of its space along."""
    with contextlib.suppress(OSError):
        alive = os.pidfd_open(pid)
        try:
            select.select([alive], [], [], _PATIENCE)
        finally:
            os.close(alive)


def _numbers(handed: Descriptors) -> tuple[int | None, ...]:
    return handed.status, handed.passwd, handed.group, handed.hosts, handed.seccomp


@contextlib.contextmanager
def _memory_file(content: bytes) -> Iterator[IO[bytes]]:
    """A file that has no name and stands in no folder."""
    with os.fdopen(os.memfd_create("flowforge"), "w+b", buffering=0) as file:
        _fill(file, content)
        yield file


def _fill(file: IO[bytes], content: bytes) -> None:
    file.write(content)
    file.seek(0)
