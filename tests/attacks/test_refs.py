"""Names of branches that attack: each row is (id, name, accepted); generated from parts, so that none is missed."""

import itertools
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from flowforge.core.errors import Reason, Refused
from flowforge.git.command import Door
from flowforge.git.mirror import check_ref, open_mirror

OPTIONS = [
    "--exec=touch x",
    "--upload-pack=touch x",
    "--receive-pack=touch x",
    "--output=x",
    "-x",
    "-",
    "--",
    "--help",
    "-c",
    "--end-of-options",
    "-oProxyCommand=touch x",
    "--no-walk=unsorted",
    "--all",
    "--stdin",
]
SHELL = [
    "$(id)",
    "`id`",
    "a;id",
    "a|id",
    "a&&id",
    "a>x",
    "a<x",
    "${HOME}",
    "$HOME",
    "a'b",
    'a"b',
    "a(b)",
    "a{b}",
    "!id",
    "a\\b",
]
REVISIONS = [
    "@",
    "@{u}",
    "@{-1}",
    "a@{0}",
    "a~1",
    "a^",
    "a^{tree}",
    "a..b",
    "a...b",
    "..",
    "a:b",
    ":/fix",
    ":0:a",
    "HEAD",
    "FETCH_HEAD",
    "ORIG_HEAD",
    "MERGE_HEAD",
    "^a",
    "a*",
    "a?",
    "[a]",
    "+a:b",
    "0" * 40,
    "f" * 40,
    "1234567890abcdef" * 4,
]
PATHS = [
    "",
    "/",
    "//",
    "a//b",
    "/a",
    "a/",
    "a/.",
    "./a",
    ".a",
    "a/.b",
    "a.",
    "a./b",
    "a.lock",
    "a.lock/b",
    "../a",
    "a/../b",
    "a/..",
    "refs/x",
    "refs/tags/v1",
    "refs/heads/",
    "refs/heads/-x",
    "refs/heads/refs/heads/a",
    "refs/pull/1/head",
    "con/../x",
    ".git",
    "a/.git/b",
]
SIGNS = [
    "\0",
    "\n",
    "\r",
    "\t",
    "\x1b",
    "\x7f",
    " ",
    "\u00a0",
    "\u200b",
    "\u200f",
    "\u202e",
    "\u2066",
    "\u2028",
    "\u2029",
    "\ufeff",
    "\u00ad",
    "\ud800",
    "\ue000",
    "\uffff",
    "\U000e0041",
]
LONG = ["x" * 201, "x" * 5000, "a/" * 2000 + "a", "é" * 150, "x/" * 100 + "y"]

_PLACED = [f"{before}{sign}{after}" for sign in SIGNS for before, after in (("", "a"), ("a", ""), ("a", "b"))]
BAD = [*OPTIONS, *SHELL, *REVISIONS, *PATHS, *_PLACED, *LONG]
GOOD = [
    "main",
    "topic/one",
    "feature/ABC-123_add.thing",
    "dependabot/npm_and_yarn/@types/node-18.0",
    "release-1.x",
    "user@host",
    "a+b",
    "fix#12",
    "50%",
    "a=b,c",
    "grün/日本語",
    "हिन्दी",
    "rocket-🚀",
    "refs/heads/main",
    "v1.2.3",
    "x" * 200,
    "HEAD2",
    "head",
]


def rows(table: list[str]) -> list[ParameterSet]:
    return [pytest.param(text, id=f"{number:03} {ascii(text)[:40]}") for number, text in enumerate(table)]


@pytest.mark.parametrize("name", rows(BAD))
def test_a_hostile_name_is_refused_with_a_reason_and_a_next_step(name: str) -> None:
    with pytest.raises(Refused) as caught:
        check_ref(name)
    assert caught.value.reason is Reason.INVALID_REF
    assert caught.value.next_action
    assert len(caught.value.sentence) < 400
    assert caught.value.sentence.isascii()
    assert caught.value.sentence.isprintable()


@pytest.mark.parametrize("name", rows(GOOD))
def test_an_honest_name_is_accepted(name: str) -> None:
    assert check_ref(name) == name.removeprefix("refs/heads/")


def test_the_table_is_large_enough() -> None:
    assert len(BAD) + len(GOOD) >= 150
    assert len(set(BAD)) == len(BAD)


def test_whatever_is_accepted_git_accepts_as_a_branch() -> None:
    pieces = ["a", ".", "/", "@", "-", "é", "~", " ", "lock", "..", "{"]
    accepted = [name for name in map("".join, itertools.product(pieces, repeat=3)) if not _refused(name)]
    assert len(accepted) > 50
    for name in accepted[:: max(1, len(accepted) // 60)]:
        done = subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True, check=False)
        assert done.returncode == 0, name


def _refused(name: str) -> bool:
    try:
        check_ref(name)
    except Refused:
        return True
    return False


@pytest.mark.parametrize("name", rows([*OPTIONS, *SHELL]))
@pytest.mark.parametrize("use", ["fetch branch", "fetch target", "ls_remote"])
def test_no_command_is_run_for_a_hostile_name(tmp_path: Path, name: str, use: str) -> None:
    seen: list[object] = []
    door = Door(protocols=frozenset({"file"}), record=seen.append)
    calls: dict[str, Callable[..., object]] = {}
    with open_mirror(tmp_path / "mirrors", f"file://{tmp_path}/none.git", door) as mirror:
        calls = {
            "fetch branch": lambda: mirror.fetch(name, "main"),
            "fetch target": lambda: mirror.fetch("main", name),
            "ls_remote": lambda: mirror.ls_remote(name),
        }
        with pytest.raises(Refused) as caught:
            calls[use]()
    assert caught.value.reason is Reason.INVALID_REF
    assert seen == []
    assert not (tmp_path / "x").exists()
    assert not Path("x").exists()
