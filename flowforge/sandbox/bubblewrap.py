"""The command line of bubblewrap for one command: a pure function, so that every wall can be read and tested.

What the command finds inside: /usr and the few files of /etc that programs need to start, read-only; /workspace,
its own; /tmp and /dev/shm in memory, of limited size; its own processes, network (loopback only), users, host
name and message queues; no capability. /proc is read-only as a whole: seen from a process whose user is root on
the host, files like /proc/sys/kernel/core_pattern could otherwise be written without any capability.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flowforge.sandbox.contract import Command

WORKSPACE = "/workspace"
HOME = "/tmp/home"  # noqa: S108 (inside the sandbox, where /tmp is the command's own)
SEARCH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = (
    "alternatives",
    "ca-certificates",
    "crypto-policies",
    "java-17-openjdk",
    "java-21-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "pki/ca-trust",
    "pki/tls/certs",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
)
_HIDDEN = ("kcore", "keys", "key-users", "kmsg", "latency_stats", "sched_debug", "timer_list", "timer_stats")
_SHARED_MEMORY = 64 << 20  # /dev/shm, bytes, as container runtimes give
_ID = "1000"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What this host's bubblewrap can do, most first; the first that works is used."""

    name: str
    flags: tuple[str, ...]


PROFILES = (
    Profile(
        name="own users, no further ones",
        flags=("--unshare-user", "--disable-userns", "--uid", _ID, "--gid", _ID),
    ),
    Profile(name="own users", flags=("--unshare-user", "--uid", _ID, "--gid", _ID)),
    Profile(name="host's users", flags=()),
)


@dataclass(frozen=True, kw_only=True)
class Descriptors:
    """Open files that bubblewrap reads or writes; the command itself gets none of them."""

    status: int
    passwd: int
    group: int
    hosts: int
    seccomp: int | None = None


ACCOUNTS = f"root:x:0:0:root:/root:/bin/sh\nsandbox:x:{_ID}:{_ID}:sandbox:{HOME}:/bin/sh\n"
GROUPS = f"root:x:0:\nsandbox:x:{_ID}:\n"
HOSTS = "127.0.0.1 localhost sandbox\n::1 localhost\n"


def arguments(
    command: Command, profile: Profile, descriptors: Descriptors, *, tools: Iterable[Path], network: bool
) -> list[str]:
    """Everything between `bwrap` and the command's own words."""
    temporary = str(max(1 << 20, command.memory // 2))
    return [
        *_spaces(profile, network=network),
        *("--json-status-fd", str(descriptors.status)),
        *_system(network=network),
        *_accounts(descriptors),
        *("--proc", "/proc"),
        *(word for path in _present(_HIDDEN) for word in ("--ro-bind", "/dev/null", path)),
        *("--remount-ro", "/proc"),
        *("--dev", "/dev", "--perms", "1777", "--size", str(_SHARED_MEMORY), "--tmpfs", "/dev/shm"),  # noqa: S108
        *("--remount-ro", "/dev"),
        *("--perms", "1777", "--size", temporary, "--tmpfs", "/tmp", "--dir", HOME),  # noqa: S108 (as HOME)
        # after /tmp: an environment may stand in it
        *(word for tool in tools for word in ("--ro-bind", str(tool), str(tool))),
        *("--bind", str(command.folder), WORKSPACE),
        *("--remount-ro", "/", "--chdir", WORKSPACE),
        *([] if descriptors.seccomp is None else ["--seccomp", str(descriptors.seccomp)]),
        *_environment(command.env, tools),
    ]


def _spaces(profile: Profile, *, network: bool) -> list[str]:
    return [
        *profile.flags,
        *("--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"),
        *([] if network else ["--unshare-net"]),
        *("--hostname", "sandbox", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
    ]


def _system(*, network: bool) -> list[str]:
    words = ["--ro-bind", "/usr", "/usr"]
    for name in _LINKS:
        words += _like_host(Path("/") / name)
    for name in (*_ETC, *(["resolv.conf"] if network else [])):
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return words


def _like_host(path: Path) -> list[str]:
    """A link into /usr as the host has it, the folder itself where it is one, nothing where there is none."""
    if path.is_symlink():
        return ["--symlink", str(path.readlink()), str(path)]
    return ["--ro-bind", str(path), str(path)] if path.is_dir() else []


def _present(names: Iterable[str]) -> list[str]:
    return [path for name in names if Path(path := f"/proc/{name}").exists()]


def _accounts(descriptors: Descriptors) -> list[str]:
    """Accounts of the sandbox, not of the host."""
    return [
        *("--ro-bind-data", str(descriptors.passwd), "/etc/passwd"),
        *("--ro-bind-data", str(descriptors.group), "/etc/group"),
        *("--ro-bind-data", str(descriptors.hosts), "/etc/hosts"),
    ]


def _environment(given: Mapping[str, str], tools: Iterable[Path]) -> list[str]:
    paths = ":".join([*(str(tool / "bin") for tool in tools), SEARCH])
    variables = {"PATH": paths, "HOME": HOME, "LANG": "C.UTF-8", "TMPDIR": "/tmp", **given}  # noqa: S108
    return ["--clearenv", *(word for name, text in variables.items() for word in ("--setenv", name, text))]
