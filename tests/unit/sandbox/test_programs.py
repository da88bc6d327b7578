"""Which programs are seen: on the search path, and not hidden by the walls."""

from pathlib import Path

from flowforge.sandbox.programs import find_programs


def program(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_program_of_the_system_is_seen() -> None:
    assert "sh" in find_programs(["sh", "no-such-tool"], (), walls=True)


def test_tools_come_first_and_are_seen_through_walls(tmp_path: Path) -> None:
    mine = program(tmp_path / "tools" / "bin", "sh")
    assert find_programs(["sh"], [tmp_path / "tools"], walls=True) == {"sh": mine}


def test_a_program_elsewhere_is_seen_without_walls_only(tmp_path: Path) -> None:
    there = program(tmp_path / "bin", "lock")
    search = str(tmp_path / "bin")
    assert find_programs(["lock"], (), walls=False, search=search) == {"lock": there}
    assert find_programs(["lock"], (), walls=True, search=search) == {}


def test_a_link_to_what_the_walls_hide_is_no_program(tmp_path: Path) -> None:
    real = program(tmp_path / "home", "lock")
    (tmp_path / "tools" / "bin").mkdir(parents=True)
    (tmp_path / "tools" / "bin" / "lock").symlink_to(real)
    assert find_programs(["lock"], [tmp_path / "tools"], walls=True) == {}
    assert "lock" in find_programs(["lock"], [tmp_path / "tools"], walls=False)


def test_what_cannot_be_run_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "lock").write_text("")
    assert find_programs(["lock"], [tmp_path], walls=False, search="") == {}
