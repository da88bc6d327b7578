from pathlib import Path

import pytest

from flowforge.sandbox.bubblewrap import PROFILES, Descriptors, arguments
from flowforge.sandbox.contract import Command

HANDED = Descriptors(status=7, passwd=8, group=9, hosts=10, seccomp=11)


def words(
    *,
    network: bool = False,
    tools: tuple[Path, ...] = (),
    env: dict[str, str] | None = None,
    memory: int = 64 << 20,
) -> list[str]:
    command = Command(argv=("true",), folder=Path("/w"), env=env or {}, memory=memory)
    return arguments(command, PROFILES[0], HANDED, tools=tools, network=network)


def after(argv: list[str], *flag: str) -> list[tuple[str, str]]:
    """The pairs that follow each occurrence of a flag."""
    size = len(flag)
    places = [i for i in range(len(argv)) if tuple(argv[i : i + size]) == flag]
    return [(argv[i + size], argv[i + size + 1]) for i in places]


def test_only_the_workspace_is_bound_writable() -> None:
    assert after(words(), "--bind") == [("/w", "/workspace")]
    assert "--dev-bind" not in words()


def test_nothing_of_the_host_is_shown_but_system_folders_and_tools() -> None:
    shown = {source for flag in ("--ro-bind", "--ro-bind-try") for source, _ in after(words(), flag)}
    assert all(source.startswith(("/usr", "/etc/", "/dev/null", "/lib", "/bin", "/sbin")) for source in shown)
    private = ("/etc/shadow", "/etc/passwd", "/etc/ssl/private", "/etc/ssh", "/etc/ssl", "/etc")
    assert not shown & set(private)


def test_an_environment_below_tmp_is_not_hidden_by_the_fresh_tmp() -> None:
    argv = words(tools=(Path("/tmp/checkout/.venv"),))
    assert argv.index("/tmp") < argv.index("/tmp/checkout/.venv")


def test_tools_are_shown_in_their_place_and_come_first_on_the_path() -> None:
    argv = words(tools=(Path("/opt/py"),))
    assert ("/opt/py", "/opt/py") in after(argv, "--ro-bind")
    assert ("PATH", "/opt/py/bin:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin") in after(
        argv, "--setenv"
    )


def test_the_environment_is_cleared_and_holds_what_was_given() -> None:
    argv = words(env={"A": "b c", "HOME": "/elsewhere"})
    assert argv.index("--clearenv") < argv.index("--setenv")
    pairs = dict(after(argv, "--setenv"))
    assert pairs["A"] == "b c"
    assert pairs["HOME"] == "/elsewhere"
    assert set(pairs) == {"PATH", "HOME", "LANG", "TMPDIR", "A"}


@pytest.mark.parametrize("place", ["/proc", "/dev", "/"])
def test_what_is_mounted_over_is_made_read_only_afterwards(place: str) -> None:
    argv = words()
    assert place in [argv[i + 1] for i, word in enumerate(argv) if word == "--remount-ro"]


def test_proc_is_sealed_after_it_is_mounted_and_the_root_after_everything() -> None:
    argv = words()
    seals = [argv[i + 1] for i, word in enumerate(argv) if word == "--remount-ro"]
    assert seals[-1] == "/"
    assert argv.index("--proc") < argv.index("--remount-ro")


def test_the_network_is_there_only_when_granted() -> None:
    assert "--unshare-net" in words()
    assert "--unshare-net" not in words(network=True)
    assert ("/etc/resolv.conf", "/etc/resolv.conf") in after(words(network=True), "--ro-bind-try")
    assert "/etc/resolv.conf" not in words()


def test_temporary_memory_has_a_size() -> None:
    argv = words(memory=100 << 20)
    for place, size in (("/tmp", 50 << 20), ("/dev/shm", 64 << 20)):
        at = next(i for i, word in enumerate(argv) if word == "--tmpfs" and argv[i + 1] == place)
        assert argv[at - 2 : at] == ["--size", str(size)]


@pytest.mark.parametrize(
    "flag",
    [
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--die-with-parent",
        "--new-session",
    ],
)
def test_every_wall_is_asked_for(flag: str) -> None:
    assert flag in words()


def test_without_a_filter_none_is_named() -> None:
    bare = Descriptors(status=7, passwd=8, group=9, hosts=10)
    command = Command(argv=("true",), folder=Path("/w"))
    assert "--seccomp" not in arguments(command, PROFILES[-1], bare, tools=(), network=False)
    assert words()[words().index("--seccomp") + 1] == "11"
