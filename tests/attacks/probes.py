"""Attacks that run inside a sandbox as a job's own test suite would. Standard library only.

Called as ``python probes.py facts.json``: tries every attack in a process of its own and prints one line for
each: its name, DENIED or ESCAPED, and what was seen. `facts.json` tells what there is to reach on the host.
"""

import array
import ctypes
import errno
import fcntl
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path

FACTS = json.loads(Path(sys.argv[1]).read_text()) if len(sys.argv) > 1 else {}
LIBC = ctypes.CDLL(None, use_errno=True)
HANDED_IN = [n for n in range(3, 256) if Path(f"/proc/self/fd/{n}").exists()]  # before we open anything
PROBES: dict[str, Callable[[], object]] = {}


def probe(attack: Callable[[], object]) -> Callable[[], object]:
    PROBES[attack.__name__] = attack
    return attack


def syscall(name: str, *args: object) -> int:
    """Make a system call by its name; raise what the kernel answers."""
    words = [a if isinstance(a, ctypes._SimpleCData | bytes) or a is None else ctypes.c_long(a) for a in args]
    answer = LIBC.syscall(ctypes.c_long(FACTS["syscalls"][name]), *words)
    if answer < 0:
        raise OSError(ctypes.get_errno(), name)
    return answer


def call(name: str, *args: object) -> int:
    answer = getattr(LIBC, name)(*args)
    if answer < 0:
        raise OSError(ctypes.get_errno(), name)
    return answer


def connect(family: int, address: object, kind: int = socket.SOCK_STREAM) -> str:
    with socket.socket(family, kind) as client:
        client.settimeout(2)
        client.connect(address)
        return "connected"


# ------------------------------------------------------------------------------------------------- network


@probe
def tcp_to_a_service_on_the_hosts_loopback() -> str:
    return connect(socket.AF_INET, ("127.0.0.1", FACTS["tcp"]))


@probe
def tcp_to_the_hosts_own_address() -> str:
    return connect(socket.AF_INET, (FACTS["address"], FACTS["tcp"]))


@probe
def tcp_to_a_public_address() -> str:
    return connect(socket.AF_INET, ("1.1.1.1", 53))


@probe
def tcp_to_the_cloud_metadata_address() -> str:
    return connect(socket.AF_INET, ("169.254.169.254", 80))


@probe
def tcp6_to_the_metadata_address() -> str:
    return connect(socket.AF_INET6, ("fd00:ec2::254", 80))


@probe
def udp_to_a_public_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        return str(client.sendto(b"x", ("1.1.1.1", 53)))


@probe
def broadcast() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        return str(client.sendto(b"x", ("255.255.255.255", 9)))


@probe
def look_up_a_name() -> str:
    return str(socket.getaddrinfo("example.com", 80))


@probe
def a_unix_socket_of_the_host() -> str:
    return connect(socket.AF_UNIX, FACTS["unix"])


@probe
def an_abstract_unix_socket_of_the_host() -> str:
    return connect(socket.AF_UNIX, "\0" + FACTS["abstract"])


@probe
def the_container_runtimes_socket() -> str:
    return connect(socket.AF_UNIX, "/var/run/docker.sock")


@probe
def the_message_bus() -> str:
    return connect(socket.AF_UNIX, "/run/dbus/system_bus_socket")


@probe
def a_vsock_to_the_hypervisor() -> str:
    return connect(40, (2, 1024))


@probe
def a_raw_socket() -> str:
    return str(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))


@probe
def a_packet_socket() -> str:
    return str(socket.socket(17, socket.SOCK_RAW))


@probe
def the_kernels_crypto_by_socket() -> str:
    return str(socket.socket(38, socket.SOCK_SEQPACKET))


@probe
def kernel_events_by_netlink() -> str:
    return str(socket.socket(16, socket.SOCK_RAW, 15))


@probe
def a_bluetooth_socket() -> str:
    return str(socket.socket(31, socket.SOCK_RAW, 1))


@probe
def give_an_interface_an_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sHH4s8s", b"lo", socket.AF_INET, 0, socket.inet_aton("10.0.0.1"), b"")
        return str(fcntl.ioctl(control, 0x8916, request))


# --------------------------------------------------------------------------------------------- file system


@probe
def read_a_secret_of_the_host() -> str:
    return Path(FACTS["secret"]).read_text()


@probe
def read_a_secret_by_climbing_out() -> str:
    return Path("/workspace/../../../../" + FACTS["secret"]).read_text()


@probe
def read_a_secret_by_a_symlink() -> str:
    return Path("link").read_text()


@probe
def write_outside_by_a_symlink() -> str:
    return str(Path("link").write_text("overwritten"))


@probe
def read_a_secret_through_the_init_process() -> str:
    return Path("/proc/1/root" + FACTS["secret"]).read_text()


@probe
def read_a_secret_through_an_open_folder() -> str:
    if not HANDED_IN:
        raise OSError(errno.ENOENT, "no descriptor was handed in")
    return str(HANDED_IN)


@probe
def read_the_password_hashes() -> str:
    return Path("/etc/shadow").read_text()


@probe
def read_the_hosts_accounts() -> str:
    lines = Path("/etc/passwd").read_text().splitlines()
    if {line.partition(":")[0] for line in lines} == {"root", "sandbox"}:
        raise OSError(errno.ENOENT, "only the sandbox's own accounts")
    return str(lines)


@probe
def read_the_host_keys() -> str:
    return str(list(Path("/etc/ssh").iterdir()))


@probe
def read_the_private_certificates() -> str:
    return str(list(Path("/etc/ssl/private").iterdir()))


@probe
def read_the_home_of_the_one_who_runs_us() -> str:
    return Path(FACTS["home_file"]).read_text()


@probe
def read_the_service_data() -> str:
    return str(list(Path("/var/lib").iterdir()))


@probe
def read_the_run_folder() -> str:
    return str(list(Path("/run").iterdir()))


@probe
def read_the_machine_id() -> str:
    return Path("/etc/machine-id").read_text()


@probe
def see_the_hosts_temporary_files() -> str:
    return Path(FACTS["temporary"]).read_text()


@probe
def write_to_the_system() -> str:
    return str(Path("/usr/bin/planted").write_text("x"))


@probe
def write_to_a_tool() -> str:
    return str(Path(sys.prefix, "planted").write_text("x"))


@probe
def write_to_the_root_folder() -> str:
    return str(Path("/planted").write_text("x"))


@probe
def write_to_the_settings() -> str:
    return str(Path("/etc/planted").write_text("x"))


@probe
def write_to_the_accounts() -> str:
    return str(Path("/etc/passwd").write_text("root::0:0:::\n"))


@probe
def write_to_the_device_folder() -> str:
    return str(Path("/dev/planted").write_text("x"))


@probe
def hard_link_a_system_file() -> None:
    os.link("/usr/bin/env", "linked")


@probe
def mount_a_file_system() -> int:
    return call("mount", b"none", b"/tmp", b"tmpfs", 0, None)


@probe
def mount_the_system_writable() -> int:
    return call("mount", None, b"/usr", None, 0x20 | 0x1000, None)


@probe
def mount_by_the_new_calls() -> int:
    return syscall("fsopen", b"tmpfs", 0)


@probe
def clone_a_mount() -> int:
    return syscall("open_tree", ctypes.c_int(-100), b"/", 1)


@probe
def take_a_mount_away() -> int:
    return call("umount2", b"/proc", 2)


@probe
def change_the_root() -> None:
    os.chroot("/tmp")


@probe
def pivot_the_root() -> int:
    return syscall("pivot_root", b"/tmp", b"/tmp")


@probe
def make_a_device() -> None:
    os.mknod("disk", 0o060600, os.makedev(254, 0))


@probe
def make_a_memory_device() -> None:
    os.mknod("memory", 0o020600, os.makedev(1, 1))


@probe
def open_the_disk() -> int:
    return os.open(FACTS["disk"], os.O_RDONLY)


@probe
def open_the_memory() -> int:
    return os.open("/dev/mem", os.O_RDONLY)


@probe
def open_the_kernel_log() -> int:
    return os.open("/dev/kmsg", os.O_RDONLY)


@probe
def open_a_file_by_its_handle() -> int:
    return syscall("open_by_handle_at", ctypes.c_int(-100), b"\0" * 128, 0)


@probe
def make_a_handle_of_a_file() -> int:
    mount = ctypes.c_int()
    name = b"\x80\0\0\0" + b"\0" * 132
    return syscall(
        "name_to_handle_at", ctypes.c_int(-100), b"/usr", name, ctypes.c_long(ctypes.addressof(mount)), 0
    )


@probe
def list_the_kernels_objects() -> str:
    return str(list(Path("/sys/kernel").iterdir()))


@probe
def leave_the_control_group() -> str:
    return str(Path("/sys/fs/cgroup/memory/cgroup.procs").write_text("0"))


@probe
def mount_the_control_groups() -> int:
    return call("mount", b"cgroup", b"/tmp", b"cgroup2", 0, None)


@probe
def have_a_program_run_at_a_crash() -> str:
    return str(Path("/proc/sys/kernel/core_pattern").write_text("|/workspace/x"))


@probe
def change_a_kernel_setting() -> str:
    return str(Path("/proc/sys/vm/overcommit_memory").write_text("1"))


@probe
def change_a_module_loader() -> str:
    return str(Path("/proc/sys/kernel/modprobe").write_text("/workspace/x"))


@probe
def press_the_magic_key() -> str:
    return str(Path("/proc/sysrq-trigger").write_text("h"))


@probe
def read_the_kernels_memory() -> bytes:
    return Path("/proc/kcore").open("rb").read(16)


@probe
def read_the_kernels_keys() -> str:
    return Path("/proc/keys").read_text()


@probe
def shared_memory_files_of_the_host() -> bytes:
    return Path("/dev/shm", FACTS["shared"]).read_bytes()


# ----------------------------------------------------------------------------------------------- processes


@probe
def kill_a_process_of_the_host() -> None:
    os.kill(FACTS["victim"], signal.SIGKILL)


@probe
def trace_a_process_of_the_host() -> int:
    return call("ptrace", 16, FACTS["victim"], None, None)


@probe
def read_the_memory_of_a_process_of_the_host() -> bytes:
    return Path(f"/proc/{FACTS['victim']}/mem").open("rb").read(1)


@probe
def read_the_environment_of_a_process_of_the_host() -> bytes:
    return Path(f"/proc/{FACTS['victim']}/environ").read_bytes()


@probe
def find_a_secret_in_any_environment() -> str:
    for place in Path("/proc").glob("[0-9]*/environ"):
        try:
            if FACTS["canary"].encode() in place.read_bytes():
                return str(place)
        except OSError:
            continue
    raise OSError(errno.ENOENT, "in no environment of any process")


@probe
def see_processes_of_the_host() -> str:
    found = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if p.exists()]
    foreign = [line for line in found if FACTS["mark"].encode() in line]
    if not foreign:
        raise OSError(errno.ESRCH, "only our own")
    return str(foreign)


@probe
def write_to_processes_of_the_host() -> int:
    return os.pidfd_open(FACTS["victim"])


@probe
def new_users() -> int:
    return call("unshare", 0x10000000)


@probe
def new_mounts() -> int:
    return call("unshare", 0x00020000)


@probe
def new_users_by_clone() -> int:
    return syscall("clone", 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)


@probe
def new_users_by_the_new_clone() -> int:
    arguments = struct.pack("=Q7Q", 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
    return syscall("clone3", arguments, 64)


@probe
def join_a_name_space() -> int:
    return call("setns", os.open("/proc/1/ns/mnt", os.O_RDONLY), 0)


@probe
def become_root() -> None:
    os.setuid(0)


@probe
def have_capabilities() -> str:
    lines = dict(
        line.split(":\t") for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line
    )
    if all(int(lines[name], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")):
        raise OSError(errno.EPERM, "none")
    return str(lines)


@probe
def gain_privileges_by_a_program() -> str:
    status = Path("/proc/self/status").read_text()
    if "NoNewPrivs:\t1" in status:
        raise OSError(errno.EPERM, "no new privileges")
    return status


@probe
def add_a_key() -> int:
    return syscall("add_key", b"user", b"planted", b"x", 1, ctypes.c_long(-3))


@probe
def read_the_session_keyring() -> int:
    return syscall("keyctl", 0, ctypes.c_long(-3), 1)


@probe
def load_a_filter_program_into_the_kernel() -> int:
    return syscall("bpf", 0, b"\0" * 72, 72)


@probe
def watch_the_kernel() -> int:
    return syscall("perf_event_open", b"\0" * 112, 0, ctypes.c_long(-1), ctypes.c_long(-1), 0)


@probe
def handle_page_faults() -> int:
    return syscall("userfaultfd", 1)


@probe
def queue_system_calls() -> int:
    return syscall("io_uring_setup", 1, b"\0" * 120)


@probe
def load_a_module() -> int:
    return syscall("init_module", b"", 0, b"")


@probe
def load_another_kernel() -> int:
    return syscall("kexec_load", 0, 0, None, 0)


@probe
def restart_the_machine() -> int:
    return syscall("reboot", 0xFEE1DEAD, 672274793, 0, None)


@probe
def set_the_clock() -> int:
    return syscall("clock_settime", 0, struct.pack("=qq", 0, 0))


@probe
def rename_the_host() -> None:
    socket.sethostname("planted")


@probe
def read_the_kernels_log() -> int:
    return syscall("syslog", 3, ctypes.c_long(ctypes.addressof(ctypes.create_string_buffer(64))), 64)


@probe
def use_ports_of_the_machine() -> int:
    return syscall("iopl", 3)


@probe
def call_by_another_convention() -> int:
    answer = LIBC.syscall(ctypes.c_long(0x40000000 | 39))
    if answer < 0:
        raise OSError(ctypes.get_errno(), "x32")
    return answer


@probe
def type_into_a_terminal() -> str:
    _master, terminal = os.openpty()
    os.setsid()
    fcntl.ioctl(terminal, 0x540E, 0)  # make it ours
    fcntl.ioctl(terminal, 0x5412, b"x")
    return "typed"


@probe
def open_the_terminal_of_the_one_who_runs_us() -> int:
    return os.open("/dev/tty", os.O_RDWR)


@probe
def run_before_all_others() -> None:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))


@probe
def be_spared_when_memory_ends() -> str:
    return str(Path("/proc/self/oom_score_adj").write_text("-1000"))


@probe
def raise_a_limit() -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard + 1, hard + 1))
    except ValueError as error:
        raise OSError(errno.EPERM, str(error)) from error


@probe
def system_five_memory_of_the_host() -> int:
    return call("shmget", FACTS["sysv"], 0, 0)


# ------------------------------------------------------------------------------- environment and small limits


@probe
def a_secret_in_our_environment() -> str:
    text = str(dict(os.environ))
    if FACTS["canary"] in text:
        return text
    raise OSError(errno.ENOENT, "not there")


@probe
def variables_that_nobody_gave() -> str:
    expected = {"PATH", "HOME", "LANG", "TMPDIR", "PWD", "LC_CTYPE", "SHLVL", "_", "OLDPWD", "GIVEN"}
    extra = set(os.environ) - expected
    if not extra:
        raise OSError(errno.ENOENT, "none")
    return str(extra)


@probe
def the_home_of_the_host() -> str:
    if os.environ["HOME"].startswith("/tmp/"):
        raise OSError(errno.ENOENT, "a home of our own")
    return os.environ["HOME"]


@probe
def the_name_of_the_host() -> str:
    if socket.gethostname() != FACTS["hostname"]:
        raise OSError(errno.ENOENT, "a name of our own")
    return socket.gethostname()


@probe
def ten_thousand_open_files() -> int:
    return len([os.open("/dev/null", os.O_RDONLY) for _ in range(10_000)])


@probe
def a_file_larger_than_allowed() -> int:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with Path("large").open("wb") as file:
        file.truncate(1 << 40)
    return 1 << 40


@probe
def fill_the_memory_of_shared_files() -> int:
    with Path("/dev/shm/fill").open("wb") as file:
        file.writelines(b"x" * (1 << 20) for _ in range(2000))
    return 2000


@probe
def lock_much_memory() -> int:
    size = 1 << 30
    return call(
        "mlock", ctypes.c_void_p(ctypes.addressof(ctypes.create_string_buffer(size))), ctypes.c_size_t(size)
    )


@probe
def a_thousand_threads() -> int:
    stop = threading.Event()
    try:
        for _number in range(1000):
            threading.Thread(target=stop.wait, daemon=True).start()
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, str(error)) from error
    finally:
        stop.set()
    return 1000


@probe
def pass_a_descriptor_to_the_host() -> int:
    client = socket.socket(socket.AF_UNIX)
    client.connect(FACTS["unix"])
    rights = array.array("i", [0])
    return client.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])


# ------------------------------------------------------------------------------------------------------ run


def attempt(name: str) -> str:
    try:
        return f"ESCAPED {PROBES[name]()!r}"
    except socket.gaierror as error:
        return f"DENIED gaierror {error}"
    except OSError as error:
        return f"DENIED {errno.errorcode.get(error.errno or 0, error)} {error}"
    except BaseException as error:  # noqa: BLE001 (a probe that breaks must not pass for a denial)
        return f"BROKEN {type(error).__name__}: {error}"


def in_a_process_of_its_own(name: str) -> str:
    out, in_ = os.pipe()
    child = os.fork()
    if not child:
        os.write(in_, attempt(name).encode()[:2000])
        os._exit(0)
    os.close(in_)
    ready, _, _ = select.select([out], [], [], 10)
    said = os.read(out, 4000).decode() if ready else "BROKEN it hung"
    os.close(out)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return said or "BROKEN it died"


if __name__ == "__main__":
    for each in sys.argv[2:] or PROBES:
        print(json.dumps([each, *in_a_process_of_its_own(each).split(" ", 1)]), flush=True)
