"""`flowforge doctor`: its checks one by one, what they make of strange hosts, and how they are shown."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from flowforge.cli.doctor import Health
from flowforge.settings import Settings
from flowforge.store.examine import Examined
from flowforge.wiring import doctor
from flowforge.wiring.main import main

Said = pytest.CaptureFixture[str]
OK, WARNING, PROBLEM = Health.OK, Health.WARNING, Health.PROBLEM


def checked(check: doctor.Check, deadline: float = 5.0) -> tuple[Health, str, str]:
    (one,) = doctor.run_checks({"it": check}, deadline)
    return one.health, one.found, one.fix


@pytest.mark.parametrize(
    ("said", "health"),
    [
        ("git version 2.38.0", OK),
        ("git version 2.39.5 (Apple Git-154)", OK),
        ("git version 3.0", OK),
        ("git version 2.37.9", PROBLEM),
        ("git version 1.8.3.1", PROBLEM),
        ("something else", PROBLEM),
        ("", PROBLEM),
    ],
)
def test_git_must_be_2_38(said: str, health: Health) -> None:
    assert doctor.judge_git(said)[0] is health


def test_git_that_is_not_there_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    health, found, fix = checked(doctor.check_git)
    assert health is PROBLEM
    assert "not installed" in found
    assert fix


# --- the data folder and the key


def test_a_folder_that_is_still_to_be_made_is_fine(tmp_path: Path) -> None:
    assert doctor.check_folder(tmp_path / "a" / "b")[0] in {OK, WARNING}
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_the_folder_should_be_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert doctor.check_folder(tmp_path / "file" / "data")[0] is PROBLEM
    assert doctor.check_folder(tmp_path / "file")[0] is PROBLEM


@pytest.mark.parametrize(
    ("free", "health"), [(6 << 30, OK), (1 << 30, WARNING), (100 << 20, PROBLEM), (0, PROBLEM)]
)
def test_little_room_is_a_warning_and_none_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, health: Health
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": free}))
    assert doctor.check_folder(tmp_path)[0] is health


@pytest.mark.parametrize(("mode", "health"), [(0o600, OK), (0o400, OK), (0o640, PROBLEM), (0o604, PROBLEM)])
def test_a_key_that_others_can_read_is_a_problem_with_its_fix(
    tmp_path: Path, mode: int, health: Health
) -> None:
    key = tmp_path / "key"
    key.touch()
    key.chmod(mode)
    found, _, fix = doctor.check_key(Settings(key_file=key))
    assert found is health
    assert fix == ("" if health is OK else f"chmod 600 {key}")


def test_a_key_from_the_settings_has_no_file(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch(0o666)
    assert doctor.check_key(Settings(key_file=key, key="x"))[0] is OK  # type: ignore[arg-type] # pydantic's SecretStr
    assert doctor.check_key(Settings(key_file=tmp_path / "none"))[0] is OK


# --- what a database says

FINE = Examined(version=18, clock=0.1, pending=(), hosts=("one",))


def healths(found: Examined) -> Mapping[str, Health]:
    return {name: answer[0] for name, answer in doctor.judge_database(found).items()}


@pytest.mark.parametrize(
    ("found", "bad"),
    [
        (FINE, {}),
        (Examined(version=18, clock=0, pending=("0001",), hosts=()), {"database": PROBLEM}),
        (Examined(version=18, clock=-3.0, pending=(), hosts=()), {"clock": PROBLEM}),
        (Examined(version=18, clock=3.0, pending=(), hosts=()), {"clock": PROBLEM}),
        (Examined(version=18, clock=0, pending=(), hosts=("a", "b")), {"worker hosts": WARNING}),
    ],
)
def test_schema_clock_and_hosts_are_judged_apart(found: Examined, bad: Mapping[str, Health]) -> None:
    assert healths(found) == {"database": OK, "clock": OK, "worker hosts": OK, **bad}


def test_every_finding_that_is_not_ok_has_a_fix() -> None:
    worst = doctor.judge_database(Examined(version=18, clock=9, pending=("x",), hosts=("a", "b")))
    assert all(fix for _, _, fix in worst.values())


def test_several_machines_are_no_warning_where_workers_tell_what_they_share() -> None:
    found = Examined(version=18, clock=0, pending=(), hosts=("a", "b"))
    told = doctor.judge_database(found, workers_tell=True)["worker hosts"]
    assert told == (OK, "2 machines: a, b", "")


# --- what workers say of their storage

FOLDER = Path("/data/artifacts")


def worker(host: str, artifacts: str | None) -> Mapping[str, object]:
    return {"host": host, "slots": 2, **({} if artifacts is None else {"artifacts": artifacts})}


@pytest.mark.parametrize(
    ("workers", "here", "health", "words"),
    [
        ([], "", OK, "no worker is at work"),
        ([], "x", OK, "no worker is at work"),
        ([worker("a", "x")], "x", OK, "1 worker on 1 machine, one storage"),
        ([worker("a", "x")], "", OK, "one storage"),
        ([worker("a", None)], "x", OK, "1 worker on 1 machine"),
        ([worker("a", "x"), worker("b", "x"), worker("b", "x")], "x", OK, "3 workers on 2 machines, one storage"),
        ([worker("a", "x"), worker("b", "y")], "x", PROBLEM, "2 workers on 2 machines keep artifacts in 2 places"),
        ([worker("a", "x"), worker("a", "y")], "x", PROBLEM, "2 workers on 1 machine keep artifacts in 2 places"),
        ([worker("a", "x"), worker("b", "y"), worker("c", None)], "", PROBLEM, "2 places: a | b"),
        ([worker("a", "x"), worker("b", None)], "x", WARNING, "not said by those on b"),
        ([worker("a", ""), worker("b", "")], "x", WARNING, "not said by those on a, b"),
        ([worker("a", "x"), worker("b", "x")], "y", WARNING, "another storage than /data/artifacts"),
        ([worker("a", "x")], "y", WARNING, "another storage than /data/artifacts"),
        ([{}], "", OK, "1 worker on 1 machine"),
    ],
)  # fmt: skip
def test_storage_is_judged_by_what_workers_say(
    workers: list[Mapping[str, object]], here: str, health: Health, words: str
) -> None:
    found, said, fix = doctor.judge_artifacts(workers, here, FOLDER)
    assert (found, words in said) == (health, True), said
    assert bool(fix) == (health is not OK)


# --- bounded in time


def test_a_check_that_hangs_is_left_behind_and_the_others_are_told() -> None:
    never = threading.Event()

    def hang() -> doctor.Answer:
        never.wait(30)
        return OK, "", ""

    begun = time.monotonic()
    told = doctor.run_checks({"hangs": hang, "fine": lambda: (OK, "well", "")}, 0.2)
    never.set()
    assert time.monotonic() - begun < 5
    assert [(one.name, one.health) for one in told] == [("hangs", PROBLEM), ("fine", OK)]
    assert told[0].fix


def test_a_check_that_raises_is_a_problem_and_no_trace() -> None:
    health, found, fix = checked(lambda: 1 / 0)  # type: ignore[arg-type,return-value] # it never returns
    assert health is PROBLEM
    assert "ZeroDivisionError" in found
    assert fix


def test_servers_that_hang_or_refuse_hold_nobody_up(tmp_path: Path) -> None:
    """A port that accepts and says nothing, and one where nobody listens; the real command."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        env = {
            **os.environ,
            "FLOWFORGE_DATA_DIR": str(tmp_path),
            "FLOWFORGE_DATABASE_URL": f"postgresql://u:secret@127.0.0.1:{port}/d",
            "FLOWFORGE_REDIS_URL": "redis://127.0.0.1:1/0",
        }
        command = [sys.executable, "-m", "flowforge.wiring.main", "doctor", "--json"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)
    told = json.loads(done.stdout)
    by_name = {one["name"]: one for one in told["checks"]}
    assert done.returncode == 3
    assert told["healthy"] is False
    assert "no answer within" in by_name["database"]["found"]
    assert by_name["redis"]["health"] == "problem"
    assert "secret" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


# --- how it is shown


def test_settings_that_make_no_sense_are_a_problem_beside_the_machines_checks(
    monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.setenv("FLOWFORGE_SANDBOX", "maybe")
    assert main(["doctor"]) == 3
    out = capsys.readouterr().out
    assert out.startswith("problem  settings")
    assert "FLOWFORGE_SANDBOX" in out
    assert "git version" in out


def test_a_plugin_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    info = tmp_path / "bad-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[flowforge]\nbad = no_such_module\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    health, found, fix = checked(doctor.check_plugins)
    assert health is PROBLEM
    assert "no_such_module" in found
    assert "plugins list" in fix


def test_every_problem_has_its_fix_on_the_next_line(monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    monkeypatch.setenv("FLOWFORGE_SANDBOX", "none")
    monkeypatch.delenv("FLOWFORGE_DATABASE_URL", raising=False)
    monkeypatch.delenv("FLOWFORGE_REDIS_URL", raising=False)
    main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("warning  sandbox"))
    assert lines[at + 1].strip() == "fix: set sandbox to auto"


def test_the_tools_of_lockfiles_are_told_and_none_is_missed(tmp_path: Path) -> None:
    tool = tmp_path / "bin" / "cargo"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    seen = Settings(sandbox_tools=(str(tmp_path),))
    health, found, fix = checked(lambda: doctor.check_lock_tools(seen))
    assert (health, fix) == (OK, "")
    shown, _, missing = found.partition("; not seen: ")
    assert "cargo" in shown.split(", ")
    assert "cargo" not in missing
    assert found.endswith("; without network")
    open_ = Settings(sandbox_host_network=True)
    assert "without network" not in checked(lambda: doctor.check_lock_tools(open_))[1]


def test_a_folder_of_tools_that_is_not_there_is_a_problem() -> None:
    health, found, fix = checked(lambda: doctor.check_lock_tools(Settings(sandbox_tools=("/nowhere",))))
    assert (health, "'/nowhere' has no folder `bin`" in found) == (PROBLEM, True)
    assert fix
