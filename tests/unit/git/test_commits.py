"""What a commit tells of itself."""

import pytest

from flowforge.git.commits import parse_commit
from tests.unit.git.test_secrets import SAMPLES

HEAD = b"tree " + b"1" * 40 + b"\nauthor Ada <ada@example.org> 1700000000 +0000\n\n"


def subject(message: str) -> str:
    return parse_commit("2" * 40, HEAD + message.encode()).subject


def test_a_subject_is_the_first_line_as_it_can_be_shown() -> None:
    assert subject("\nfix \x1b[2Jthe\u202e cart \n\nbody\n") == "fix [2Jthe cart"
    assert subject("x" * 3000) == "x" * 500


@pytest.mark.parametrize("before", ["", "y " * 240], ids=["short", "at the cut"])
@pytest.mark.parametrize("rule", [rule for rule in SAMPLES if rule not in {"private-key", "putty-key"}])
def test_a_subject_has_no_secret_nor_the_beginning_of_one(rule: str, before: str) -> None:
    told = subject(f"{before}use {SAMPLES[rule]} here")
    assert SAMPLES[rule][len(SAMPLES[rule]) // 2 :][:12] not in told
    assert "[redacted:"[: 500 - len(before) - 4] in told or len(told) == 500
    assert told.startswith(before + "use ")


def test_a_commit_keeps_its_message_as_it_is() -> None:
    message = f"use {SAMPLES['github-token']}\n"
    assert parse_commit("2" * 40, HEAD + message.encode()).message == message.encode()
