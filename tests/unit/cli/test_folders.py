from pathlib import Path

import pytest

from flowforge.cli.folders import file_named, folder_named

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
