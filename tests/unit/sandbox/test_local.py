import contextlib
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused
from flowforge.core.pipeline import Network
from flowforge.sandbox.bubblewrap import Profile
from flowforge.sandbox.choose import Host, choose_sandbox, python_tools
from flowforge.sandbox.contract import Command, Finished, Limit, Sandbox, Why
from flowforge.sandbox.local import LocalSandbox

pytestmark = pytest.mark.sandbox
WARNED: list[str] = []


def make(setting: str, **settings: object) -> Sandbox:
    numbers = itertools.count()
    try:
        return choose_sandbox(
            setting,
            unique=lambda: f"local-{os.getpid()}-{next(numbers)}",
            warn=WARNED.append,
            **settings,  # type: ignore[arg-type]
        )
    except FlowForgeError as error:
        pytest.skip(error.sentence)


@pytest.fixture(params=["auto", "none"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Every promise about how commands run holds with walls and without."""
    return make(request.param)


@pytest.fixture
def walls() -> LocalSandbox:
    made = make("auto")
    assert isinstance(made, LocalSandbox)
    return made


def run(sandbox: Sandbox, folder: Path, script: str, **limits: object) -> tuple[Finished, bytes]:
    said: list[bytes] = []
    command = Command(argv=("sh", "-c", script), folder=folder, **limits)  # type: ignore[arg-type]
    return sandbox.run(command, said.append, lambda: False), b"".join(said)


@pytest.mark.parametrize(
    ("script", "status"),
    [("true", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -11 $$", 139), ("no-such-command", 127)],
)
def test_the_exit_status_is_what_a_shell_would_say(
    sandbox: Sandbox, tmp_path: Path, script: str, status: int
) -> None:
    ended, _ = run(sandbox, tmp_path, script)
    assert (ended.status, ended.why) == (status, Why.EXITED)
    assert ended.ok is (status == 0)


def test_output_of_both_kinds_arrives_in_order(sandbox: Sandbox, tmp_path: Path) -> None:
    ended, said = run(sandbox, tmp_path, "echo one; echo two >&2; echo three")
    assert said == b"one\ntwo\nthree\n"
    assert ended.output == len(said)


def test_output_arrives_while_the_command_runs(sandbox: Sandbox, tmp_path: Path) -> None:
    seen = threading.Event()

    def look(text: bytes) -> None:
        if b"early" in text:
            seen.set()

    command = Command(argv=("sh", "-c", "echo early; sleep 100"), folder=tmp_path, timeout=60)
    ended = sandbox.run(command, look, seen.is_set)  # cancelled as soon as the first words are there
    assert ended.why is Why.CANCELLED
    assert ended.seconds < 50


def test_all_output_is_there_when_the_command_ends_at_once(sandbox: Sandbox, tmp_path: Path) -> None:
    _, said = run(sandbox, tmp_path, "head -c 3000000 /dev/zero")
    assert len(said) == 3_000_000


def test_output_over_its_limit_is_cut_there_and_ends_the_command(sandbox: Sandbox, tmp_path: Path) -> None:
    ended, said = run(sandbox, tmp_path, "yes", output=10_000)
    assert (ended.why, len(said), ended.output) == (Why.OUTPUT_LIMIT, 10_000, 10_000)


def test_output_at_its_limit_is_no_offence(sandbox: Sandbox, tmp_path: Path) -> None:
    ended, said = run(sandbox, tmp_path, "head -c 10000 /dev/zero", output=10_000)
    assert (ended.why, len(said)) == (Why.EXITED, 10_000)


def test_a_command_reads_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    _, said = run(sandbox, tmp_path, "cat; echo end")
    assert said == b"end\n"


def test_a_command_works_in_its_folder_and_leaves_files_there(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("text")
    run(sandbox, tmp_path, "cp given taken")
    assert (tmp_path / "taken").read_text() == "text"


def test_the_environment_is_clean_and_has_what_was_given(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWFORGE_SECRET", "canary")
    _, said = run(sandbox, tmp_path, "env", env={"GIVEN": "two words"})
    names = {line.partition(b"=")[0] for line in said.splitlines()}
    assert names <= {b"PATH", b"HOME", b"LANG", b"TMPDIR", b"PWD", b"GIVEN", b"_", b"SHLVL", b"OLDPWD"}
    assert b"GIVEN=two words" in said
    assert b"canary" not in said


def test_a_loader_variable_reaches_the_command_and_nothing_before_it(
    walls: LocalSandbox, tmp_path: Path
) -> None:
    """The shell and bubblewrap run outside the walls: a library named by a stage must not be loaded there."""
    ended, said = run(walls, tmp_path, "echo $LD_PRELOAD; true", env={"LD_PRELOAD": "/workspace/none.so"})
    assert ended.status == 0
    assert said.count(b"cannot be preloaded") <= 1  # by the command's own shell
    assert b"/workspace/none.so" in said


@pytest.mark.parametrize(
    "script", ["sleep 1000", "while :; do :; done", "trap '' TERM INT HUP; sleep 1000 & wait"]
)
def test_time_over_the_limit_ends_the_command(sandbox: Sandbox, tmp_path: Path, script: str) -> None:
    ended, _ = run(sandbox, tmp_path, script, timeout=0.3)
    assert ended.why is Why.TIMEOUT
    assert ended.status == 137


def test_a_cancelled_job_ends_the_command(sandbox: Sandbox, tmp_path: Path) -> None:
    command = Command(argv=("sleep", "1000"), folder=tmp_path)
    assert sandbox.run(command, lambda _text: None, lambda: True).why is Why.CANCELLED


def test_a_listener_that_raises_ends_the_command(sandbox: Sandbox, tmp_path: Path) -> None:
    def fail(_text: bytes) -> None:
        raise OSError("the log is full")

    start = time.monotonic()
    command = Command(argv=("sh", "-c", "echo x; sleep 1000"), folder=tmp_path)
    with pytest.raises(OSError, match="the log is full"):
        sandbox.run(command, fail, lambda: False)
    assert time.monotonic() - start < 60


def test_memory_over_the_limit_is_seen_where_it_can_be_held(sandbox: Sandbox, tmp_path: Path) -> None:
    if Limit.MEMORY in sandbox.missing():
        pytest.skip(sandbox.missing()[Limit.MEMORY])
    script = "head -c 500000000 /dev/zero | tail -n 1 > /dev/null"  # one line without an end, kept in memory
    ended, _ = run(sandbox, tmp_path, script, memory=60 << 20)
    assert ended.why is Why.MEMORY_LIMIT
    assert 50 << 20 < ended.memory_peak <= 70 << 20


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"argv": ()}, "no words"),
        ({"argv": ("a\0b",)}, "NUL"),
        ({"env": {"A": "x\0y"}}, "NUL"),
        ({"env": {"A=B": "x"}}, "name"),
        ({"env": {"": "x"}}, "name"),
        ({"folder": Path("/no/such/folder")}, "no folder"),
    ],
)
def test_a_command_that_cannot_be_run_is_refused_in_words(
    sandbox: Sandbox, tmp_path: Path, change: dict[str, object], word: str
) -> None:
    command = replace(Command(argv=("true",), folder=tmp_path), **change)  # type: ignore[arg-type]
    with pytest.raises(Refused) as caught:
        sandbox.run(command, lambda _text: None, lambda: False)
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert word in caught.value.sentence


def test_many_commands_run_side_by_side(sandbox: Sandbox, tmp_path: Path) -> None:
    ended: list[int] = []

    def one(status: int) -> None:
        ended.append(run(sandbox, tmp_path, f"exit {status}")[0].status)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == list(range(8))


def test_every_run_without_walls_says_so_loudly(tmp_path: Path) -> None:
    WARNED.clear()
    sandbox = make("none")
    run(sandbox, tmp_path, "true")
    assert len(WARNED) == 1
    assert "NOT SANDBOXED" in WARNED[0]
    assert {Limit.NETWORK, Limit.FILES, Limit.SYSTEM_CALLS} <= set(sandbox.missing())
    assert sandbox.name == "none"


def test_a_home_made_for_one_unsandboxed_run_is_gone_after_it(tmp_path: Path) -> None:
    _, said = run(make("none"), tmp_path, "touch $HOME/x; echo $HOME")
    assert not Path(said.decode().strip()).exists()


def test_without_walls_and_groups_a_daemon_is_found_and_killed_all_the_same(tmp_path: Path) -> None:
    nothing = Host(search=str(tmp_path), cgroups=tmp_path / "none", membership=tmp_path / "none")
    mark = f"1000.{time.monotonic_ns()}"
    ended, said = run(
        make("none", host=nothing), tmp_path, f"setsid -f sleep {mark} >/dev/null 2>&1; echo left"
    )
    assert (ended.status, said) == (0, b"left\n")
    assert Limit.PROCESSES in ended.missing
    wait_until(lambda: not running(mark))


# ---------------------------------------------------------------------------------------------- walls only


@pytest.mark.parametrize(("network", "host"), [("full", False), ("registry", False), ("registry", True)])
def test_a_network_that_is_not_granted_is_refused_not_left_out(
    tmp_path: Path, network: str, host: bool
) -> None:
    walls = make("auto", host_network=host)
    with pytest.raises(Refused) as caught:
        run(walls, tmp_path, "true", network=Network(network))
    assert "host_network" in caught.value.next_action


def test_a_network_that_is_granted_is_said_to_be_the_hosts(tmp_path: Path) -> None:
    ended, said = run(
        make("auto", host_network=True),
        tmp_path,
        "ls /sys/class/net; cat /proc/net/dev",
        network=Network.FULL,
    )
    assert Limit.NETWORK in ended.missing
    assert said


def test_walls_that_could_not_be_built_are_no_result_of_the_command(
    walls: LocalSandbox, tmp_path: Path
) -> None:
    broken = replace(walls, profile=Profile(name="wrong", flags=("--no-such-flag",)))
    with pytest.raises(Broken) as caught:
        run(broken, tmp_path, "true")
    assert caught.value.reason is Reason.SANDBOX_UNAVAILABLE


def test_a_machine_without_a_filter_says_so(walls: LocalSandbox, tmp_path: Path) -> None:
    other = replace(walls, machine="m68k")
    assert Limit.SYSTEM_CALLS in other.missing()
    ended, _ = run(other, tmp_path, "true")
    assert Limit.SYSTEM_CALLS in ended.missing


def test_the_interpreter_of_the_suite_runs_inside_when_its_folders_are_shown(tmp_path: Path) -> None:
    walls = make("auto", tools=python_tools(Path(sys.executable)))
    ended, said = run(
        walls, tmp_path, f"{sys.executable} -c 'import pytest; print(pytest.__name__)'; pytest --version"
    )
    assert ended.status == 0, said
    assert said.startswith(b"pytest\n")


def test_the_sandbox_dies_with_the_one_who_watches_it(walls: LocalSandbox, tmp_path: Path) -> None:
    mark = f"1000.{time.monotonic_ns()}"
    child = os.fork()
    if not child:
        run(walls, tmp_path, f"sleep {mark}")
        os._exit(0)
    try:
        wait_until(lambda: bool(running(mark)))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    wait_until(lambda: not running(mark))
    for left in groups_of(child):  # a later start sweeps them; this suite leaves none
        wait_until(lambda left=left: removed(left))  # busy until the kernel has buried who was in it


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    yield
    assert groups_of(os.getpid()) == []


def groups_of(watcher: int) -> list[Path]:
    return [p for p in Path("/sys/fs/cgroup").glob(f"*/**/flowforge-local-{watcher}-*") if p.is_dir()]


def removed(group: Path) -> bool:
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()


def running(mark: str) -> list[str]:
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"sleep\0{mark}".encode() in place.read_bytes():
                found.append(place.parent.name)
        except OSError:
            continue
    return found


def wait_until(true: object, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.02)
