import os
import subprocess
import time
from pathlib import Path

import pytest

from flowforge.sandbox.cgroup import PREFIX, Group, Groups, find_groups, open_group, sweep
from flowforge.sandbox.contract import Command, Limit

COMMAND = Command(argv=("x",), folder=Path("/"), memory=100 << 20, cpu=1.5, processes=42)
V1 = "4:memory:/own/part\n8:pids:/\n1:cpu,cpuacct:/\n0::/\n"


def tree_v1(root: Path) -> Path:
    for folder in ("memory/own/part", "pids", "cpu", "cpuacct"):
        (root / folder).mkdir(parents=True)
    return root


def tree_v2(root: Path, own: str, controllers: str) -> Path:
    here = root / own.lstrip("/")
    here.mkdir(parents=True, exist_ok=True)
    (root / "cgroup.controllers").write_text("cpu memory pids\n")
    for place in {here, here.parent, root}:
        (place / "cgroup.subtree_control").write_text("")
    (here.parent / "cgroup.subtree_control").write_text(controllers)
    return root


def test_v1_groups_are_made_below_our_own(tmp_path: Path) -> None:
    groups = find_groups(tree_v1(tmp_path), V1)
    assert groups.version == 1
    assert groups.parents["memory"] == tmp_path / "memory/own/part"
    assert groups.parents["pids"] == tmp_path / "pids"
    assert groups.missing == {}


def test_v1_without_a_hierarchy_names_the_limit_that_is_missing(tmp_path: Path) -> None:
    root = tree_v1(tmp_path)
    (root / "pids").rmdir()
    groups = find_groups(root, V1)
    assert set(groups.missing) == {Limit.PROCESSES}
    assert "pids" in groups.missing[Limit.PROCESSES]


def test_v2_groups_are_made_beside_a_leaf_of_a_delegated_tree(tmp_path: Path) -> None:
    groups = find_groups(
        tree_v2(tmp_path, "/user/service/leaf", "memory pids cpu"), "0::/user/service/leaf\n"
    )
    assert groups.version == 2
    assert set(groups.parents.values()) == {tmp_path / "user/service"}
    assert groups.missing == {}


def test_v2_without_delegation_names_every_limit(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    groups = find_groups(tmp_path, "0::/nowhere\n")
    assert set(groups.missing) == {Limit.MEMORY, Limit.PROCESSES, Limit.CPU}
    assert "delegate" in groups.missing[Limit.MEMORY]


def test_a_setting_names_another_group(tmp_path: Path) -> None:
    root = tree_v1(tmp_path)
    for controller in ("memory", "pids", "cpu", "cpuacct"):
        (root / controller / "given").mkdir()
    assert find_groups(root, V1, "/given").parents["memory"] == root / "memory/given"


def test_no_control_groups_at_all_is_no_error(tmp_path: Path) -> None:
    assert set(find_groups(tmp_path / "none", "").missing) == {Limit.MEMORY, Limit.PROCESSES, Limit.CPU}


def fake_group(folder: Path, version: int, files: dict[str, str]) -> Group:
    for name, text in files.items():
        (folder / name).write_text(text)
    return Group(version=version, folders=dict.fromkeys(("memory", "pids", "cpu", "cpuacct"), folder))


@pytest.mark.parametrize(
    ("version", "file", "text", "out"),
    [
        (1, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", True),
        (1, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n", False),
        (2, "memory.events", "low 0\noom 1\noom_kill 3\noom_group_kill 1\n", True),
        (2, "memory.events", "low 0\noom 1\noom_kill 0\n", False),
        (2, "memory.other", "", False),
    ],
)
def test_a_kill_for_memory_is_read_from_its_counter(
    tmp_path: Path, version: int, file: str, text: str, out: bool
) -> None:
    assert fake_group(tmp_path, version, {file: text}).out_of_memory() is out


def test_use_is_read_from_the_counters_of_either_version(tmp_path: Path) -> None:
    one = fake_group(tmp_path, 1, {"memory.max_usage_in_bytes": "7\n", "cpuacct.usage": "1500000000\n"})
    assert (one.memory_peak(), one.cpu_seconds()) == (7, 1.5)
    two = fake_group(tmp_path, 2, {"memory.peak": "9\n", "cpu.stat": "usage_usec 2500000\nuser_usec 1\n"})
    assert (two.memory_peak(), two.cpu_seconds()) == (9, 2.5)


# ----------------------------------------------------------------------------------- with the real kernel


@pytest.fixture
def real() -> Groups:
    groups = find_groups(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup").read_text())
    if groups.missing:
        pytest.skip(next(iter(groups.missing.values())))
    return groups


@pytest.mark.sandbox
def test_a_real_group_holds_the_limits_and_vanishes_with_what_is_in_it(real: Groups) -> None:
    name = f"unit-{os.getpid()}-{time.monotonic_ns()}"
    with open_group(real, name, COMMAND) as group:
        folders = set(group.folders.values())
        assert (group.folders["pids"] / "pids.max").read_text().strip() == "42"
        quota = {1: "cpu.cfs_quota_us", 2: "cpu.max"}[group.version]
        assert (group.folders["cpu"] / quota).read_text().split()[0] == "150000"
        limit = {1: "memory.limit_in_bytes", 2: "memory.max"}[group.version]
        assert int((group.folders["memory"] / limit).read_text()) == 100 << 20
        child = subprocess.Popen(["sleep", "1000"])
        group.add(child.pid)
        assert group.processes() == {child.pid}
    assert child.wait(10) == -9
    assert not any(folder.exists() for folder in folders)


@pytest.mark.sandbox
def test_a_limit_that_the_kernel_refuses_leaves_no_group_behind(real: Groups) -> None:
    name = f"unit-{os.getpid()}-{time.monotonic_ns()}"
    wrong = Command(argv=("x",), folder=Path("/"), processes=-5)
    with pytest.raises(OSError), open_group(real, name, wrong):  # noqa: PT011 (whatever the kernel says)
        pass
    assert not any((parent / f"{PREFIX}{name}").exists() for parent in real.parents.values())


@pytest.mark.sandbox
def test_sweeping_removes_old_empty_groups_and_no_others(real: Groups) -> None:
    name = f"{PREFIX}unit-swept-{os.getpid()}"
    folders = {parent / name for parent in real.parents.values()}
    for folder in folders:
        folder.mkdir()
    child = subprocess.Popen(["sleep", "1000"])
    busy = f"unit-busy-{os.getpid()}"
    try:
        with open_group(real, busy, COMMAND) as group:
            group.add(child.pid)
            sweep(real, time.time())
            assert all(folder.exists() for folder in folders)  # young
            sweep(real, time.time() + 120)
            assert not any(folder.exists() for folder in folders)
            assert group.processes() == {child.pid}  # in use
    finally:
        child.kill()
        child.wait()
