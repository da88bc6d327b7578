"""A job's test suite that attacks: every probe must be denied, as root and as an ordinary user.

The same probes run without walls too, where they must succeed: a probe that cannot succeed proves nothing.
"""

import base64
import contextlib
import ctypes
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flowforge.core.errors import FlowForgeError
from flowforge.sandbox.choose import choose_sandbox, python_tools
from flowforge.sandbox.contract import Command, Finished, Limit, Sandbox, Why
from flowforge.sandbox.seccomp import numbers_for

pytestmark = pytest.mark.sandbox

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CANARY = "canary-7f3a91"
NOBODY = 65534

# Each probe, and the answers of the kernel that deny it. More than one where kernels, or users, differ.
DENIALS = {
    "tcp_to_a_service_on_the_hosts_loopback": {"ECONNREFUSED"},
    "tcp_to_the_hosts_own_address": {"ENETUNREACH"},
    "tcp_to_a_public_address": {"ENETUNREACH"},
    "tcp_to_the_cloud_metadata_address": {"ENETUNREACH"},
    "tcp6_to_the_metadata_address": {"ENETUNREACH", "EADDRNOTAVAIL"},
    "udp_to_a_public_address": {"ENETUNREACH"},
    "broadcast": {"ENETUNREACH"},
    "look_up_a_name": {"gaierror"},
    "a_unix_socket_of_the_host": {"ENOENT"},
    "an_abstract_unix_socket_of_the_host": {"ECONNREFUSED"},
    "the_container_runtimes_socket": {"ENOENT"},
    "the_message_bus": {"ENOENT"},
    "a_vsock_to_the_hypervisor": {"EAFNOSUPPORT"},
    "a_raw_socket": {"EPERM"},
    "a_packet_socket": {"EAFNOSUPPORT"},
    "the_kernels_crypto_by_socket": {"EAFNOSUPPORT"},
    "kernel_events_by_netlink": {"EAFNOSUPPORT"},
    "a_bluetooth_socket": {"EAFNOSUPPORT"},
    "give_an_interface_an_address": {"EPERM"},
    "read_a_secret_of_the_host": {"ENOENT"},
    "read_a_secret_by_climbing_out": {"ENOENT"},
    "read_a_secret_by_a_symlink": {"ENOENT"},
    "write_outside_by_a_symlink": {"ENOENT"},
    "read_a_secret_through_the_init_process": {"ENOENT", "EACCES"},
    "read_a_secret_through_an_open_folder": {"ENOENT"},
    "read_the_password_hashes": {"ENOENT"},
    "read_the_hosts_accounts": {"ENOENT"},
    "read_the_host_keys": {"ENOENT"},
    "read_the_private_certificates": {"ENOENT"},
    "read_the_home_of_the_one_who_runs_us": {"ENOENT"},
    "read_the_service_data": {"ENOENT"},
    "read_the_run_folder": {"ENOENT"},
    "read_the_machine_id": {"ENOENT"},
    "see_the_hosts_temporary_files": {"ENOENT"},
    "write_to_the_system": {"EROFS", "EACCES"},
    "write_to_a_tool": {"EROFS", "EACCES"},
    "write_to_the_root_folder": {"EROFS"},
    "write_to_the_settings": {"EROFS"},
    "write_to_the_accounts": {"EROFS", "EACCES"},
    "write_to_the_device_folder": {"EROFS"},
    "hard_link_a_system_file": {"EXDEV", "EPERM"},
    "mount_a_file_system": {"EPERM"},
    "mount_the_system_writable": {"EPERM"},
    "mount_by_the_new_calls": {"EPERM"},
    "clone_a_mount": {"EPERM"},
    "take_a_mount_away": {"EPERM"},
    "change_the_root": {"EPERM"},
    "pivot_the_root": {"EPERM"},
    "make_a_device": {"EPERM"},
    "make_a_memory_device": {"EPERM"},
    "open_the_disk": {"ENOENT"},
    "open_the_memory": {"ENOENT"},
    "open_the_kernel_log": {"ENOENT"},
    "open_a_file_by_its_handle": {"EPERM"},
    "make_a_handle_of_a_file": {"EPERM"},
    "list_the_kernels_objects": {"ENOENT"},
    "leave_the_control_group": {"ENOENT"},
    "mount_the_control_groups": {"EPERM"},
    "have_a_program_run_at_a_crash": {"EROFS", "EACCES"},
    "change_a_kernel_setting": {"EROFS", "EACCES"},
    "change_a_module_loader": {"EROFS", "EACCES", "ENOENT"},
    "press_the_magic_key": {"EROFS", "EACCES", "ENOENT"},
    "read_the_kernels_memory": {"ENOENT", "EACCES", "EPERM"},
    "read_the_kernels_keys": {"ENOENT", "EACCES"},
    "shared_memory_files_of_the_host": {"ENOENT"},
    "kill_a_process_of_the_host": {"ESRCH"},
    "trace_a_process_of_the_host": {"ESRCH"},
    "read_the_memory_of_a_process_of_the_host": {"ENOENT"},
    "read_the_environment_of_a_process_of_the_host": {"ENOENT"},
    "find_a_secret_in_any_environment": {"ENOENT"},
    "see_processes_of_the_host": {"ESRCH"},
    "write_to_processes_of_the_host": {"ESRCH"},
    "new_users": {"EPERM"},
    "new_mounts": {"EPERM"},
    "new_users_by_clone": {"EPERM"},
    "new_users_by_the_new_clone": {"ENOSYS"},
    "join_a_name_space": {"EPERM", "EACCES"},
    "become_root": {"EINVAL", "EPERM"},
    "have_capabilities": {"EPERM"},
    "gain_privileges_by_a_program": {"EPERM"},
    "add_a_key": {"EPERM"},
    "read_the_session_keyring": {"EPERM"},
    "load_a_filter_program_into_the_kernel": {"EPERM"},
    "watch_the_kernel": {"EPERM"},
    "handle_page_faults": {"EPERM"},
    "queue_system_calls": {"EPERM"},
    "load_a_module": {"EPERM"},
    "load_another_kernel": {"EPERM"},
    "restart_the_machine": {"EPERM"},
    "set_the_clock": {"EPERM"},
    "rename_the_host": {"EPERM"},
    "read_the_kernels_log": {"EPERM"},
    "use_ports_of_the_machine": {"EPERM"},
    "call_by_another_convention": {"ENOSYS"},
    "type_into_a_terminal": {"EPERM"},
    "open_the_terminal_of_the_one_who_runs_us": {"ENXIO"},
    "run_before_all_others": {"EPERM"},
    "be_spared_when_memory_ends": {"EROFS", "EACCES"},
    "raise_a_limit": {"EPERM"},
    "system_five_memory_of_the_host": {"ENOENT"},
    "a_secret_in_our_environment": {"ENOENT"},
    "variables_that_nobody_gave": {"ENOENT"},
    "the_home_of_the_host": {"ENOENT"},
    "the_name_of_the_host": {"ENOENT"},
    "ten_thousand_open_files": {"EMFILE"},
    "a_file_larger_than_allowed": {"EFBIG"},
    "fill_the_memory_of_shared_files": {"ENOSPC"},
    "lock_much_memory": {"ENOMEM", "EPERM"},
    "a_thousand_threads": {"EAGAIN"},
    "pass_a_descriptor_to_the_host": {"ENOENT"},
}

# Probes that must get through where there are no walls, for the test to prove anything.
OPEN_WITHOUT_WALLS = (
    "tcp_to_a_service_on_the_hosts_loopback",
    "tcp_to_the_hosts_own_address",
    "a_unix_socket_of_the_host",
    "an_abstract_unix_socket_of_the_host",
    "read_a_secret_of_the_host",
    "read_a_secret_by_a_symlink",
    "see_the_hosts_temporary_files",
    "read_the_run_folder",
    "read_the_service_data",
    "shared_memory_files_of_the_host",
    "read_the_environment_of_a_process_of_the_host",
    "see_processes_of_the_host",
    "write_to_processes_of_the_host",
    "system_five_memory_of_the_host",
    "the_name_of_the_host",
    "pass_a_descriptor_to_the_host",
)

WHO = ["self", "nobody"]


@dataclass(kw_only=True)
class Told:
    """One run: how it ended and what it said."""

    status: int
    why: str
    output: bytes
    missing: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def told(ended: Finished, output: bytes) -> Told:
    missing = {str(limit): why for limit, why in ended.missing.items()}
    return Told(status=ended.status, why=ended.why, output=output, missing=missing, seconds=ended.seconds)


def make(setting: str = "auto") -> Sandbox:
    numbers = itertools.count()
    return choose_sandbox(
        setting,
        unique=lambda: f"attack-{os.getpid()}-{next(numbers)}",
        warn=lambda _text: None,
        tools=python_tools(Path(sys.executable)),
    )


@pytest.fixture(scope="session")
def walls() -> Sandbox:
    try:
        return make()
    except FlowForgeError as error:
        pytest.skip(error.sentence)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A workspace that another user may write to as well, so in no folder of pytest's own."""
    place = Path(tempfile.mkdtemp(prefix="sandbox-test-"))
    place.chmod(0o777)
    yield place
    shutil.rmtree(place, ignore_errors=True)


def run(sandbox: Sandbox, folder: Path, *argv: str, **limits: object) -> Told:
    said: list[bytes] = []
    command = Command(argv=argv, folder=folder, **limits)  # type: ignore[arg-type]
    ended = sandbox.run(command, said.append, lambda: False)
    return told(ended, b"".join(said))


def run_as_nobody(folder: Path, *argv: str, setting: str = "auto", **limits: object) -> Told:
    if os.geteuid() != 0 or not shutil.which("setpriv") or not Path("/usr/bin/python3").exists():
        pytest.skip("only root can become another user, by setpriv, with a python3 in /usr/bin")
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    ended = subprocess.run(
        [*become, "/usr/bin/python3", "-B", "-c", (HERE / "as_another_user.py").read_text()],
        input=json.dumps({"argv": argv, "folder": str(folder), "setting": setting, **limits}),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PYTHONPATH": str(ROOT), "PATH": os.defpath, "FLOWFORGE_SECRET": CANARY},
    )
    if "ModuleNotFoundError" in ended.stderr or "SyntaxError" in ended.stderr:
        pytest.skip("that user's python cannot read this project")
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout)
    return Told(**{**answer, "output": base64.b64decode(answer["output"])})


@contextlib.contextmanager
def things_to_reach() -> Iterator[dict[str, object]]:
    """Real things of the host, each open to everybody, so that only a wall keeps a probe from it."""
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-host-")))
        place.chmod(0o755)
        (place / "secret").write_text(CANARY)
        tcp = stack.enter_context(socket.create_server(("0.0.0.0", 0)))  # noqa: S104 (to be reached by any address)
        unix, abstract = (
            stack.enter_context(socket.socket(socket.AF_UNIX)),
            stack.enter_context(socket.socket(socket.AF_UNIX)),
        )
        unix.bind(str(place / "socket"))
        (place / "socket").chmod(0o777)
        abstract.bind(f"\0{place.name}")
        for server in (unix, abstract):
            server.listen()
        shared = Path("/dev/shm", place.name)
        shared.write_bytes(b"x")
        stack.callback(shared.unlink)
        mark = f"1000.{time.monotonic_ns()}"
        victim = subprocess.Popen(["sleep", mark], env={"SECRET": CANARY})
        stack.callback(victim.wait)
        stack.callback(victim.kill)
        sysv = 0x5F000000 | (time.monotonic_ns() & 0xFFFFFF)
        made = make_shared_memory(sysv)
        stack.callback(remove_shared_memory, made)
        yield {
            "secret": str(place / "secret"),
            "temporary": str(place / "secret"),
            "tcp": tcp.getsockname()[1],
            "address": own_address(),
            "unix": str(place / "socket"),
            "abstract": place.name,
            "shared": shared.name,
            "victim": victim.pid,
            "mark": mark,
            "sysv": sysv,
            "canary": CANARY,
            "hostname": socket.gethostname(),
            "home_file": str(Path.home() / ".bashrc"),
            "disk": disk(),
            "syscalls": dict(numbers_for(os.uname().machine)),
        }


def make_shared_memory(key: int) -> int:
    return int(ctypes.CDLL(None).shmget(key, 4096, 0o1000 | 0o666))


def remove_shared_memory(number: int) -> None:
    subprocess.run(["ipcrm", "-m", str(number)], check=True)


def own_address() -> str:
    """An address of this host that is not loopback; it need not lead anywhere."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        try:
            route.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this host has no address but loopback")
        return str(route.getsockname()[0])


def disk() -> str:
    blocks = sorted(path.name for path in Path("/sys/block").iterdir())
    return f"/dev/{blocks[0]}" if blocks else "/dev/sda"


def lay_out(folder: Path, facts: dict[str, object]) -> None:
    (folder / "probes.py").write_text((HERE / "probes.py").read_text())
    (folder / "facts.json").write_text(json.dumps(facts))
    (folder / "link").symlink_to(str(facts["secret"]))


def seen(output: bytes) -> dict[str, tuple[str, str]]:
    rows = [json.loads(line) for line in output.splitlines() if line.startswith(b"[")]
    return {name: (word, detail) for name, word, detail in rows}


@pytest.fixture(scope="module", params=WHO)
def probed(request: pytest.FixtureRequest, walls: Sandbox) -> Iterator[dict[str, tuple[str, str]]]:
    """What every probe saw, run as one command: as whoever runs this suite, and as an ordinary user."""
    place = Path(tempfile.mkdtemp(prefix="sandbox-test-"))
    place.chmod(0o777)
    try:
        with things_to_reach() as facts, pytest.MonkeyPatch.context() as patch:
            patch.setenv("FLOWFORGE_SECRET", CANARY)
            lay_out(place, facts)
            argv = ("python3", "probes.py", "facts.json")
            limits = {"timeout": 60.0, "env": {"GIVEN": "yes"}}
            ended = (
                run(walls, place, *argv, **limits)
                if request.param == "self"
                else run_as_nobody(place, *argv, **limits)
            )
            assert ended.status == 0, ended
            assert Path(str(facts["secret"])).read_text() == CANARY
            assert Path(f"/proc/{facts['victim']}").exists()
            yield seen(ended.output)
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.mark.parametrize("name", sorted(DENIALS))
def test_an_attack_is_denied(probed: dict[str, tuple[str, str]], name: str) -> None:
    word, detail = probed[name]
    assert word == "DENIED", detail
    assert detail.split()[0] in DENIALS[name], detail


def test_every_probe_has_its_expected_denial(probed: dict[str, tuple[str, str]]) -> None:
    assert set(probed) == set(DENIALS)
    assert len(DENIALS) >= 45


def test_without_walls_the_same_probes_get_through(folder: Path) -> None:
    with things_to_reach() as facts:
        lay_out(folder, facts)
        ended = run(make("none"), folder, "python3", "probes.py", "facts.json", *OPEN_WITHOUT_WALLS)
        assert Path(str(facts["secret"])).read_text() == CANARY
    said = seen(ended.output)
    assert {name for name in OPEN_WITHOUT_WALLS if said[name][0] != "ESCAPED"} == set(), said


# ---------------------------------------------------------------- resources: seen from outside, nothing survives

FORKS = "import os\nwhile True:\n try: os.fork()\n except OSError: pass"
MEMORY = "x = []\nwhile True: x.append(bytearray(10 << 20))"
MEMORY_OF_MANY = "import os\nfor _ in range(8):\n  if not os.fork(): break\n" + MEMORY
TEMPORARY = "f = open('/tmp/x', 'wb')\nwhile True: f.write(bytes(10 << 20)); f.flush()"
FILES = (
    "import itertools\nfor n in itertools.count():\n  with open(f'f{n}', 'wb') as f: f.write(bytes(4 << 20))"
)
DEAF = "import signal, time\nfor s in range(1, 32):\n  try: signal.signal(s, signal.SIG_IGN)\n  except (OSError, ValueError): pass\nprint('deaf', flush=True)\ntime.sleep(1000)"
DAEMON = "(setsid sleep 1000{0} </dev/null >/dev/null 2>&1 &) ; (setsid sh -c '(setsid sleep 1000{0} &)' &); sleep 0.2; echo left"
CLINGING = "(setsid sleep 1000{0} &); echo left"  # keeps the pipe of its output open


def alive(mark: str) -> list[str]:
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if mark.encode() in place.read_bytes():
                found.append(place.parent.name)
    return found


def assert_gone(mark: str) -> None:
    end = time.monotonic() + 10
    while alive(mark):
        assert time.monotonic() < end, f"{alive(mark)} still run"
        time.sleep(0.02)


def groups_left() -> list[Path]:
    mine = f"*/**/flowforge-attack-{os.getpid()}-*"
    return [p for p in Path("/sys/fs/cgroup").glob(mine) if p.is_dir()]


@pytest.mark.parametrize(
    ("script", "limits", "why"),
    [
        (FORKS, {"timeout": 2.0, "processes": 60}, Why.TIMEOUT),
        (MEMORY, {"memory": 128 << 20}, Why.MEMORY_LIMIT),
        (MEMORY_OF_MANY, {"memory": 256 << 20}, Why.MEMORY_LIMIT),
        (
            TEMPORARY,
            {"memory": 64 << 20},
            None,
        ),  # its own limit, or the one of memory, whichever is met first
        (FILES, {"disk": 64 << 20}, Why.DISK_LIMIT),
        ("while True: print('x' * 1000)", {"output": 1 << 20}, Why.OUTPUT_LIMIT),
        ("import time; time.sleep(1000)", {"timeout": 0.5}, Why.TIMEOUT),
        ("while True: pass", {"timeout": 0.5}, Why.TIMEOUT),
        (DEAF, {"timeout": 1.0}, Why.TIMEOUT),
        ("import os; os.close(1); os.close(2); import time; time.sleep(1000)", {"timeout": 0.5}, Why.TIMEOUT),
    ],
    ids=["forks", "memory", "memory of many", "/tmp", "files", "output", "sleep", "loop", "deaf", "silent"],
)
def test_a_command_that_takes_too_much_is_ended(
    walls: Sandbox, folder: Path, script: str, limits: dict[str, float], why: Why | None
) -> None:
    if why is Why.MEMORY_LIMIT and Limit.MEMORY in walls.missing():
        pytest.skip(walls.missing()[Limit.MEMORY])
    mark = f"# {os.getpid()}.{time.monotonic_ns()}"
    ended = run(walls, folder, "python3", "-c", script + "\n" + mark, **{"timeout": 30.0, **limits})
    assert ended.status != 0
    if why is not None:
        assert ended.why == why
    assert len(ended.output) <= 1 << 20
    assert_gone(mark)
    assert groups_left() == []


@pytest.mark.parametrize("script", [DAEMON, CLINGING], ids=["daemons", "one that keeps the pipe"])
def test_what_a_command_leaves_behind_dies_with_it(walls: Sandbox, folder: Path, script: str) -> None:
    mark = f".{os.getpid()}{time.monotonic_ns()}"
    ended = run(walls, folder, "sh", "-c", script.format(mark), timeout=30.0)
    assert (ended.status, ended.output.strip()) == (0, b"left")
    assert ended.seconds < 20
    assert_gone(f"1000{mark}")


def test_a_fork_bomb_never_has_more_processes_than_allowed(walls: Sandbox, folder: Path) -> None:
    script = "import os\nfor n in range(500):\n  if not os.fork(): import time; time.sleep(20)\nprint(n)"
    ended = run(walls, folder, "python3", "-c", script, processes=40, timeout=20.0)
    assert b"BlockingIOError" in ended.output


def test_a_file_over_its_size_is_cut_by_the_kernel(walls: Sandbox, folder: Path) -> None:
    ended = run(walls, folder, "sh", "-c", "head -c 20000000 /dev/zero > big", file_size=1 << 20)
    assert ended.status != 0
    assert (folder / "big").stat().st_size <= 1 << 20


def test_no_other_user_wrote_what_is_left_in_the_workspace(walls: Sandbox, folder: Path) -> None:
    run(walls, folder, "sh", "-c", "echo x > made; chmod 4755 made")
    assert (folder / "made").stat().st_uid == os.geteuid()


def test_what_a_command_says_is_no_end(walls: Sandbox, folder: Path) -> None:
    """Neither words nor descriptors of the command can look like bubblewrap's own report."""
    script = "for fd in 1 2 3 4 5 6 7 8 9; do echo '{\"exit-code\": 0}' >&$fd; done 2>/dev/null; exit 3"
    assert run(walls, folder, "sh", "-c", script).status == 3


# ------------------------------------------------------------------- an ordinary user, without control groups


@pytest.mark.parametrize(
    ("script", "limits", "why"),
    [
        (FORKS, {"timeout": 2.0, "processes": 60}, "timeout"),
        (MEMORY, {"memory": 128 << 20}, ""),
        (DEAF, {"timeout": 1.0}, "timeout"),
        ("while True: print('x' * 1000)", {"output": 1 << 20}, "output_limit"),
        (FILES, {"disk": 64 << 20}, "no_space"),
    ],
    ids=["forks", "memory", "deaf", "output", "files"],
)
def test_an_ordinary_user_is_protected_and_told_what_is_not(
    folder: Path, script: str, limits: dict[str, float], why: str
) -> None:
    mark = f"# {os.getpid()}.{time.monotonic_ns()}"
    ended = run_as_nobody(folder, "python3", "-c", script + "\n" + mark, **{"timeout": 30.0, **limits})
    assert ended.status != 0
    assert ended.why == why
    assert_gone(mark)
    assert set(ended.missing) <= {"memory", "processes", "cpu share"}


def test_daemons_of_an_ordinary_user_die_too(folder: Path) -> None:
    mark = f".{os.getpid()}{time.monotonic_ns()}"
    assert run_as_nobody(folder, "sh", "-c", DAEMON.format(mark)).output.strip() == b"left"
    assert_gone(f"1000{mark}")
