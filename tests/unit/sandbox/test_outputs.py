"""Reading what a command left, whatever it left there."""

import os
from pathlib import Path

import pytest

from flowforge.core.errors import Reason, Refused
from flowforge.sandbox.outputs import read_output


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.lock").write_bytes(b"\x00text")
    assert read_output(tmp_path, "a/x.lock", 5) == b"\x00text"


def test_a_path_may_be_in_any_encoding(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.lock")).write_bytes(b"x")
    assert read_output(tmp_path, os.fsdecode(b"\xff.lock"), 9) == b"x"


def test_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"123456")
    with pytest.raises(Refused, match="more than 5 bytes") as refused:
        read_output(tmp_path, "x", 5)
    assert refused.value.reason is Reason.TOO_LARGE


def put_link(folder: Path) -> None:
    (folder / "secret").write_text("secret")
    (folder / "tree" / "x").symlink_to(folder / "secret")


def put_folder_link(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "x").write_text("secret")
    (folder / "tree" / "x").symlink_to(folder / "elsewhere")


def put_pipe(folder: Path) -> None:
    os.mkfifo(folder / "tree" / "x")


def put_folder(folder: Path) -> None:
    (folder / "tree" / "x").mkdir()


@pytest.mark.parametrize("put", [put_link, put_pipe, put_folder, lambda _folder: None])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, put: object) -> None:
    (tmp_path / "tree").mkdir()
    put(tmp_path)  # type: ignore[operator]  # each is a function of the folder
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(Refused, match="left no file") as refused:
        read_output(tmp_path / "tree", "x", 100)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert refused.value.reason is Reason.COMMAND_FAILED


@pytest.mark.parametrize("put", [put_folder_link, lambda _folder: None])
def test_no_link_is_followed_on_the_way(tmp_path: Path, put: object) -> None:
    (tmp_path / "tree").mkdir()
    put(tmp_path)  # type: ignore[operator]  # as above
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(Refused, match="left no file"):
        read_output(tmp_path / "tree", "x/x", 100)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
