"""The system calls that no test needs and every way out of a sandbox begins with, as a filter program.

A deny-list, like the ones of container runtimes: name spaces and mounts, kernel keyrings, modules, tracing of
the kernel, raw handles, io_uring, fake terminal input, and sockets of families that a network name space does
not cover (vsock reaches the machine's host). Numbers are the kernel's own and never change. For a machine that
is not in the table there is no program, and the sandbox says that system calls are not filtered.
"""

import errno
import struct
from dataclasses import dataclass

_NUMBERS = {  # name -> (x86_64, aarch64); None where the machine has no such call
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "migrate_pages": (256, 238),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}


@dataclass(frozen=True, kw_only=True)
class _Machine:
    column: int  # in _NUMBERS
    audit: int  # the kernel's AUDIT_ARCH word
    clone: int
    clone3: int
    ioctl: int
    socket: int
    foreign: int  # numbers from here on are another ABI (x32), 0 = none


_MACHINES = {
    "x86_64": _Machine(
        column=0, audit=0xC000003E, clone=56, clone3=435, ioctl=16, socket=41, foreign=0x40000000
    ),
    "aarch64": _Machine(column=1, audit=0xC00000B7, clone=220, clone3=435, ioctl=29, socket=198, foreign=0),
}

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _FIRST, _SECOND, _THIRD = 0, 4, 16, 24, 32  # offsets in seccomp_data; low halves of arguments
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NEW_SPACES = 0x02000000 | 0x00020000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000 | 0x80
_FAKE_INPUT, _CONSOLE = 0x5412, 0x541C  # TIOCSTI, TIOCLINUX
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_ROUTE = 0  # the one netlink protocol that looking up one's own addresses needs


def numbers_for(machine: str) -> dict[str, int]:
    """Name -> number of every call that the filter looks at on `machine`."""
    facts = _MACHINES.get(machine)
    if facts is None:
        return {}
    denied = {name: number for name, row in _NUMBERS.items() if (number := row[facts.column]) is not None}
    looked_at = {"clone": facts.clone, "clone3": facts.clone3, "ioctl": facts.ioctl, "socket": facts.socket}
    return denied | looked_at


def program(machine: str) -> bytes | None:
    """The filter for `machine` (as `os.uname` names it), in the kernel's form; None where there is none."""
    facts = _MACHINES.get(machine)
    if facts is None:
        return None
    rows = [_row(_LOAD, _ARCH), _row(_EQUAL, facts.audit, yes=1), _answer(_KILL), _row(_LOAD, _NUMBER)]
    if facts.foreign:
        rows += [_row(_AT_LEAST, facts.foreign, no=1), _answer(_ERRNO | errno.ENOSYS)]
    for numbers in _NUMBERS.values():
        if (number := numbers[facts.column]) is not None:
            rows += _refuse(number, errno.EPERM)
    rows += _refuse(facts.clone3, errno.ENOSYS)  # its flags stand in memory; callers fall back to clone
    rows += _when(facts.clone, [_row(_LOAD, _FIRST), _row(_ANY_BIT, _NEW_SPACES, no=1), _denied()])
    rows += _when(
        facts.ioctl,
        [_row(_LOAD, _SECOND), _row(_EQUAL, _FAKE_INPUT, yes=1), _row(_EQUAL, _CONSOLE, no=1), _denied()],
    )
    rows += _when(facts.socket, _families())
    return b"".join([*rows, _answer(_ALLOW)])


def _families() -> list[bytes]:
    """Only unix, internet and the routing part of netlink."""
    return [
        _row(_LOAD, _FIRST),
        _row(_EQUAL, _UNIX, yes=6),
        _row(_EQUAL, _INET, yes=5),
        _row(_EQUAL, _INET6, yes=4),
        _row(_EQUAL, _NETLINK, no=2),
        _row(_LOAD, _THIRD),
        _row(_EQUAL, _ROUTE, yes=1),
        _answer(_ERRNO | errno.EAFNOSUPPORT),
    ]


def _when(number: int, rows: list[bytes]) -> list[bytes]:
    """Rows for one call; what falls through them is allowed."""
    return [_row(_EQUAL, number, no=len(rows) + 1), *rows, _answer(_ALLOW)]


def _refuse(number: int, code: int) -> list[bytes]:
    return [_row(_EQUAL, number, no=1), _answer(_ERRNO | code)]


def _denied() -> bytes:
    return _answer(_ERRNO | errno.EPERM)


def _answer(action: int) -> bytes:
    return _row(_RETURN, action)


def _row(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """One instruction: a jump skips `yes` rows when true and `no` rows when not."""
    return struct.pack("=HBBI", code, yes, no, value)
