"""The prompts that are on file are those that are sent."""

import pytest

from tests.golden.prompts_of import CASES, FOLDER, SECRET, sent


@pytest.mark.parametrize("name", CASES)
def test_a_prompt_is_the_one_on_file(name: str) -> None:
    assert sent(name) == (FOLDER / f"{name}.golden").read_text()


def test_no_prompt_on_file_holds_a_secret() -> None:
    assert not [file.name for file in FOLDER.iterdir() if SECRET in file.read_text()]
