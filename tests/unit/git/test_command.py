"""The one door: what a git process may see, how it is bounded, and what its failure becomes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.git import process
from flowforge.git.command import Credential, Door, Git, RemoteOperation
from flowforge.git.credentials import helper
from flowforge.git.failures import clean, explain
from flowforge.git.process import Bounds
from flowforge.git.remote import run_remote
from tests.gitrepo import Repository

SECRET = "hunter2-canary"
BOT = Credential(username="bot", secret=SECRET)


@pytest.fixture
def inside(origin: Repository, door: Door) -> Git:
    origin.commit({"a": "1\n"}, branch="main")
    return Git(folder=origin.path, door=door)


def bounds(**changed: object) -> Bounds:
    given: dict[str, object] = {"deadline": 10.0, "max_output": 1 << 20, "cancelled": lambda: False}
    return Bounds(**{**given, **changed})  # type: ignore[arg-type] # a table of any field


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", code)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"


def test_the_environment_is_an_allow_list(
    inside: Git, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("GIT_DIR", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_CONFIG_COUNT", "LD_PRELOAD", "CANARY"):
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".gitconfig").write_text("[alias]\n\tcanary = !env\n[user]\n\tname = canary\n")
    shown = inside.run("-c", "alias.tell=!env", "tell").decode()
    assert "canary" not in shown.replace("alias.tell=!env", "")
    assert "HOME=/dev/null" in shown
    assert inside.try_run("config", "user.name")[0] == 1


def test_settings_of_the_repository_that_would_run_something_do_not(
    inside: Git, origin: Repository, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    hook = origin.path / "hooks" / "post-index-change"
    hook.parent.mkdir(exist_ok=True)
    for name in ("reference-transaction", "post-index-change", "pre-push", "post-checkout"):
        (hook.parent / name).write_text(f"#!/bin/sh\ntouch {ran}\n")
        (hook.parent / name).chmod(0o755)
    origin.git("config", "core.fsmonitor", f"touch {ran}")
    head = inside.run("rev-parse", "main").decode().strip()
    inside.run("update-ref", "refs/heads/other", head)
    inside.run("read-tree", head, env={"GIT_INDEX_FILE": str(tmp_path / "index")})
    assert not ran.exists()


def test_a_status_that_is_not_expected_is_an_error_with_gits_words(inside: Git) -> None:
    with pytest.raises(Broken) as caught:
        inside.run("rev-parse", "--verify", "--end-of-options", "nothing-there")
    assert caught.value.sentence.startswith("git rev-parse ended with status 128: ")
    assert inside.try_run("merge-base", "main", "main") == (0, inside.run("rev-parse", "main"))


def test_standard_input_and_output_of_any_size_pass(inside: Git) -> None:
    big = os.urandom(3_000_000)
    oid = inside.run("hash-object", "-w", "--stdin", stdin=big).decode().strip()
    assert inside.run("cat-file", "blob", oid) == big


def test_a_child_that_reads_nothing_is_no_trouble() -> None:
    assert process.run(python("print(1)"), {}, b"x" * 1_000_000, bounds(), "it").out == b"1\n"


def test_the_deadline_kills_the_whole_group(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import subprocess,sys,time;"
        f"p=subprocess.Popen(['sleep','60']);open({str(note)!r},'w').write(str(p.pid));time.sleep(60)"
    )
    with pytest.raises(Temporary) as caught:
        process.run(python(code), {"PATH": os.environ["PATH"]}, b"", bounds(deadline=1.0), "it")
    assert caught.value.reason is Reason.TIMEOUT
    assert_dies(int(note.read_text()))


def test_the_deadline_of_a_remote_command_kills_the_whole_group(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import subprocess,sys,time;"
        f"p=subprocess.Popen(['sleep','60']);open({str(note)!r},'w').write(str(p.pid));time.sleep(60)"
    )
    with pytest.raises(Temporary) as caught:
        run_remote(python(code), {"PATH": os.environ["PATH"]}, bounds(deadline=1.0), "it")
    assert caught.value.reason is Reason.TIMEOUT
    assert_dies(int(note.read_text()))


def assert_dies(pid: int) -> None:
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            if not alive(pid):
                return
        except FileNotFoundError:
            return
        time.sleep(0.02)
    pytest.fail(f"process {pid} still runs")


Runner = Callable[[tuple[str, ...], Bounds], object]


def local(argv: tuple[str, ...], limits: Bounds) -> object:
    return process.run(argv, {}, b"", limits, "it")


def over_sh(argv: tuple[str, ...], limits: Bounds) -> object:
    return run_remote(argv, {}, limits, "it")


@pytest.mark.parametrize("runner", [local, over_sh])
def test_a_cancel_stops_it(runner: Runner) -> None:
    with pytest.raises(Refused) as caught:
        runner(python("import time;time.sleep(60)"), bounds(cancelled=lambda: True))
    assert caught.value.reason is Reason.CANCELLED


@pytest.mark.parametrize("runner", [local, over_sh])
def test_a_flood_is_cut(runner: Runner) -> None:
    flood = python("import sys\nwhile True: sys.stdout.buffer.write(b'x'*65536)")
    with pytest.raises(Refused) as caught:
        runner(flood, bounds(max_output=1_000_000))
    assert caught.value.reason is Reason.OUTPUT_LIMIT


@pytest.mark.parametrize("runner", [local, over_sh])
def test_output_words_and_status_come_back(runner: Runner) -> None:
    code = "import sys;sys.stdout.write('out');sys.stderr.write('err');sys.exit(7)"
    assert runner(python(code), bounds()) == process.Done(code=7, out=b"out", err=b"err")


def test_no_git_is_a_matter_of_configuration(inside: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Broken) as caught:
        inside.run("version")
    assert caught.value.reason is Reason.CONFIGURATION


def test_a_remote_command_is_recorded_with_its_end_and_without_userinfo(
    inside: Git, recorded: list[RemoteOperation], tmp_path: Path
) -> None:
    url = f"file://{tmp_path}/nowhere.git"
    with pytest.raises(Refused):
        inside.remote("ls-remote", "--end-of-options", url, url=url, ref="refs/heads/x")
    with pytest.raises(FlowForgeError):
        inside.remote("ls-remote", "https://u:p@h/x", url="https://u:p@h/x")
    assert [(op.type, op.url, op.status) for op in recorded] == [
        ("ls_remote", url, "repository_missing"),
        ("ls_remote", "https://h/x", "invalid_url"),
    ]
    assert all(op.duration_ms >= 0 for op in recorded)


@pytest.mark.parametrize("protocol", ["ext", "file", "fd"])
def test_a_protocol_that_is_not_allowed_reaches_nothing(
    origin: Repository, tmp_path: Path, protocol: str
) -> None:
    urls = {"ext": f"ext::touch {tmp_path}/x", "file": origin.url, "fd": "fd::0"}
    strict = Git(folder=origin.path, door=Door())
    with pytest.raises(Refused) as caught:
        strict.remote("ls-remote", "--end-of-options", urls[protocol], url=urls[protocol])
    assert caught.value.reason is Reason.INVALID_URL
    assert not (tmp_path / "x").exists()


def test_the_helper_answers_for_its_own_host_only_while_it_is_open(inside: Git, tmp_path: Path) -> None:
    with helper(BOT, "https://example.org:8443/a.git", tmp_path) as options:
        (file,) = tmp_path.glob("credential-*")
        assert file.stat().st_mode & 0o777 == 0o600
        assert SECRET not in " ".join(options)

        def fill(host: str, scheme: str = "https") -> bytes:
            ask = f"protocol={scheme}\nhost={host}\n\n".encode()
            argv = ("git", *options, "credential", "fill")
            env = {"PATH": os.environ["PATH"], "GIT_TERMINAL_PROMPT": "0", "HOME": "/dev/null"}
            return subprocess.run(argv, input=ask, env=env, capture_output=True, check=False).stdout

        assert SECRET.encode() in fill("example.org:8443")
        for host in ("example.org", "evil.example:8443", "example.org.evil.example:8443"):
            assert SECRET.encode() not in fill(host)
        assert SECRET.encode() not in fill("example.org:8443", "http")
    assert list(tmp_path.glob("credential-*")) == []


def test_no_credential_means_no_helper_at_all(tmp_path: Path) -> None:
    with helper(None, "https://example.org/a.git", tmp_path) as options:
        assert options == ("-c", "credential.helper=")
    with helper(BOT, "ssh://git@example.org/a.git", tmp_path) as options:
        assert options == ("-c", "credential.helper=")


def test_a_credential_hides_its_secret_and_holds_no_line_break() -> None:
    assert SECRET not in f"{BOT!r} {BOT}"
    for bad in ("a\nhost=evil.example", "a\r", "a\0"):
        with pytest.raises(Refused) as caught:
            Credential(username="bot", secret=bad)
        assert caught.value.reason is Reason.AUTHENTICATION_FAILED


@pytest.mark.parametrize(
    ("words", "kind", "reason"),
    [
        ("fatal: write error: No space left on device", Broken, Reason.NO_SPACE),
        ("error: file write error: Disk quota exceeded", Broken, Reason.NO_SPACE),
        ("fatal: Authentication failed for 'https://h/ssl-tls-404.git/'", Refused, Reason.AUTHENTICATION_FAILED),
        ("git@h: Permission denied (publickey).", Refused, Reason.AUTHENTICATION_FAILED),
        ("Host key verification failed.", Refused, Reason.AUTHENTICATION_FAILED),
        ("fatal: repository 'https://h/x/' not found", Refused, Reason.REPOSITORY_MISSING),
        ("ERROR: Repository not found.", Refused, Reason.REPOSITORY_MISSING),
        ("fatal: unable to access 'https://h/': Could not resolve host: h", Temporary, Reason.REPOSITORY_UNREACHABLE),
        ("fatal: unable to access 'https://h/': Failed to connect to h port 443", Temporary, Reason.REPOSITORY_UNREACHABLE),
        ("fatal: the remote end hung up unexpectedly", Temporary, Reason.REPOSITORY_UNREACHABLE),
        ("fatal: early EOF\nfatal: fetch-pack: invalid index-pack output", Temporary, Reason.REPOSITORY_UNREACHABLE),
        ("fatal: transport 'ext' not allowed", Refused, Reason.INVALID_URL),
        ("error: object 1234: hasDotgit: contains '.git'\nfatal: fsck error in packed object", Refused, Reason.HOSTILE_CONTENT),
        ("fatal: bad object refs/flowforge/x", Temporary, Reason.MIRROR_DAMAGED),
        ("remote: fatal: unable to read ce013625030ba8dba906f756967f9e9ca394464a\nremote: aborting due to possible repository corruption on the remote side.\nfatal: protocol error: bad pack header", Refused, Reason.REPOSITORY_DAMAGED),
        ("error: git upload-pack: git-pack-objects died with error.\nremote: aborting due to possible repository corruption on the remote side.\nfatal: protocol error: bad pack header", Temporary, Reason.REPOSITORY_UNREACHABLE),
        ("fatal: unexpected line in /m/packed-refs: garbage", Temporary, Reason.MIRROR_DAMAGED),
        ("fatal: unterminated line in /m/packed-refs: ", Temporary, Reason.MIRROR_DAMAGED),
        ("something new that git says", Broken, Reason.REPOSITORY_UNREACHABLE),
    ],
)  # fmt: skip
def test_gits_words_become_a_typed_error(words: str, kind: type[FlowForgeError], reason: Reason) -> None:
    error = explain(["fetch"], 128, words.encode(), remote=True)
    assert (type(error), error.reason) == (kind, reason)
    assert error.next_action
    assert error.evidence


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("error: object file objects/12/34 is empty", Reason.MIRROR_DAMAGED),
        ("fatal: unable to read blob object 0123456789012345678901234567890123456789", Reason.MIRROR_DAMAGED),
        ("fatal: not a git repository: '/x'", Reason.MIRROR_DAMAGED),
        ("fatal: unexpected line in /m/packed-refs: garbage", Reason.MIRROR_DAMAGED),
        ("fatal: No space left on device", Reason.NO_SPACE),
        ("fatal: something else", Reason.INFRASTRUCTURE),
        ("", Reason.INFRASTRUCTURE),
    ],
)
def test_a_local_failure_is_typed_too(words: str, reason: Reason) -> None:
    assert explain(["log"], 128, words.encode()).reason is reason


def test_gits_words_are_cleaned_before_anybody_sees_them() -> None:
    said = (
        b"remote: \x1b[31mno\x1b[0m\r\nfatal: https://u:p@h/x hunter2-canary \x07\xe2\x80\xae" + b"y" * 9000
    )
    shown = clean(said, [SECRET])
    assert shown.startswith("no\nfatal: https://h/x *** y")
    assert len(shown) == 2000


def test_a_door_can_be_narrowed(door: Door) -> None:
    assert replace(door, deadline=1.0).bounds().deadline == 1.0
    assert door.bounds(2.0).deadline == 2.0


def test_asking_about_names_brings_nothing_in_that_runs_remote_commands() -> None:
    code = "import sys, flowforge.git.names, flowforge.git.hosts; sys.exit('sh' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
