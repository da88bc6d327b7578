import itertools
import os
import sys
from pathlib import Path

import pytest

from flowforge.core.errors import Reason, Refused
from flowforge.sandbox.choose import Host, choose_sandbox, python_tools
from flowforge.sandbox.contract import Limit, Sandbox


def choose(setting: str, host: Host | None = None) -> Sandbox:
    numbers = itertools.count()
    return choose_sandbox(
        setting, unique=lambda: f"{os.getpid()}-{next(numbers)}", warn=lambda _text: None, host=host
    )


def fake_bwrap(folder: Path, script: str) -> Host:
    tool = folder / "bwrap"
    tool.write_text("#!/bin/sh\n" + script)
    tool.chmod(0o755)
    return Host(search=str(folder))


@pytest.mark.parametrize("setting", ["auto", "bubblewrap"])
def test_a_host_without_bubblewrap_is_refused_with_two_ways_out(tmp_path: Path, setting: str) -> None:
    with pytest.raises(Refused) as caught:
        choose(setting, Host(search=str(tmp_path)))
    assert caught.value.reason is Reason.SANDBOX_UNAVAILABLE
    assert "apt install bubblewrap" in caught.value.next_action
    assert "sandbox: none" in caught.value.next_action


def test_a_bubblewrap_that_does_not_work_is_refused_with_its_own_words(tmp_path: Path) -> None:
    host = fake_bwrap(tmp_path, "echo 'bwrap: No permissions to create new namespace' >&2; exit 1")
    with pytest.raises(Refused) as caught:
        choose("auto", host)
    assert "No permissions" in caught.value.sentence
    assert "user namespaces" in caught.value.next_action


def test_a_bubblewrap_without_the_newest_flags_is_used_with_what_it_has(tmp_path: Path) -> None:
    host = fake_bwrap(tmp_path, 'case "$*" in *disable-userns*) exit 1;; esac; exit 0')
    chosen = choose("auto", host)
    assert chosen.name == "bubblewrap"
    assert getattr(chosen, "profile").name == "own users"  # noqa: B009 (not every sandbox has one)


def test_another_word_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        choose("docker")
    assert caught.value.reason is Reason.CONFIGURATION


def test_none_needs_nothing_on_the_host(tmp_path: Path) -> None:
    nothing = Host(search=str(tmp_path), cgroups=tmp_path / "none", membership=tmp_path / "none")
    chosen = choose("none", nothing)
    assert chosen.name == "none"
    assert Limit.MEMORY in chosen.missing()


def test_root_without_control_groups_is_told_that_processes_are_not_counted(tmp_path: Path) -> None:
    host = fake_bwrap(tmp_path, "exit 0")
    without = Host(search=host.search, cgroups=tmp_path / "none", membership=tmp_path / "none")
    told = choose("auto", without).missing()
    assert {Limit.MEMORY, Limit.PROCESSES, Limit.CPU} <= set(told)
    assert ("root" in told[Limit.PROCESSES]) is (os.geteuid() == 0)


def test_the_folders_of_a_virtual_environment_are_its_own_and_its_interpreters(tmp_path: Path) -> None:
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "base/lib/python3.11").mkdir(parents=True)
    (tmp_path / "base/lib/python3.11/os.py").touch()
    (tmp_path / "venv/pyvenv.cfg").write_text(f"home = {tmp_path}/base/bin\nversion = 3.11\n")
    assert python_tools(tmp_path / "venv/bin/python") == (tmp_path / "venv", tmp_path / "base")


@pytest.mark.parametrize("more", [".git", ".ssh", ".bashrc"])
def test_a_project_or_a_home_is_never_shown_for_the_interpreter_in_it(tmp_path: Path, more: str) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    assert python_tools(tmp_path / "bin/python") == (tmp_path,)
    (tmp_path / more).mkdir()
    assert python_tools(tmp_path / "bin/python") == ()


def test_a_folder_that_only_links_to_an_interpreter_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "lib/python3.11/site-packages").mkdir(parents=True)
    assert python_tools(tmp_path / "bin/python3") == ()


def test_the_systems_own_interpreter_needs_no_folder() -> None:
    assert python_tools(Path("/usr/bin/python3")) == ()


def test_the_interpreter_of_this_suite_is_found() -> None:
    assert all(folder.is_dir() for folder in python_tools(Path(sys.executable)))
