from pathlib import Path

import pytest

from flowforge.cli.folders import file_named, folder_named, writable, written
from flowforge.core.errors import Refused

STRANGE = ["", "a\0b", "x" * 5000, "~nobody-of-this-name/x", "https://example.org/a.git", "$(id)"]


@pytest.mark.parametrize("text", STRANGE, ids=range(len(STRANGE)))
def test_any_text_may_be_asked_for(text: str) -> None:
    assert folder_named(text) is None
    assert file_named(text) is None


def test_a_folder_is_no_file_and_a_file_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert folder_named(str(tmp_path)) == tmp_path
    assert file_named(str(file)) == file
    assert file_named(str(tmp_path)) is None
    assert folder_named(str(file)) is None


@pytest.mark.parametrize(
    "name", ["~nobody-here/x", "a\0b", "x" * 5000, "no/such/folder/x", "{}", "{}/none/x"]
)
def test_a_file_that_could_not_be_written_is_refused_before_the_work(name: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be written"):
        writable(name.format(tmp_path) if "{}" in name else f"{name}/x" if len(name) == 5000 else name)


def test_a_file_is_written_where_a_person_named_it(tmp_path: Path) -> None:
    name = str(tmp_path / "page.html")
    writable(name)
    written(name, b"<p>")
    assert (tmp_path / "page.html").read_bytes() == b"<p>"
    with pytest.raises(Refused, match="cannot be written"):
        written(str(tmp_path), b"")
    writable("")
