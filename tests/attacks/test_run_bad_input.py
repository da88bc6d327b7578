"""Whatever `flowforge run` is given, it ends with a documented code, a plain sentence, its reason and a next step.

The real command runs in a process of its own against real repositories. Nothing of it may be left: no process, no
temporary folder, no workspace, no moved ref; and the mirror must serve the next run.
"""

import fcntl
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flowforge.wiring.main import main
from tests.attacks.command import BASE, CODES, Done, Place
from tests.gitrepo import Repository, git

Prepare = Callable[[Place], list[str]]


def refused(place: Place, before: bytes, done: Done, code: int, reason: str) -> None:
    """The one thing that is asked of every bad end."""
    assert (done.code, done.told["reason"]) == (code, reason), (done.out, done.err)
    assert code in CODES
    assert done.told["sentence"]
    assert done.told["next_action"]
    left_clean(place, done)
    assert place.refs() == before


def left_clean(place: Place, done: Done) -> None:
    assert "Traceback" not in done.out + done.err
    assert done.left == []
    assert place.left_files() == []


# --- what is asked for: repository, branch, target

LONG = "a" * 5000
STRANGE = {
    "option": "--exec=touch x",
    "shell": "$(id)",
    "long": LONG,
    "dots": "..",
    "space": "a b",
    "lock": "x.lock",
}

REQUESTS: dict[str, tuple[list[str], str | None, str]] = {
    "no such folder": (["--branch", "clean"], "/nowhere/here", "repository_missing"),
    "no such user's home": (["--branch", "clean"], "~nobody-of-this-name/x", "repository_missing"),
    "a path of 5000 characters": (["--branch", "clean"], LONG, "repository_missing"),
    "a helper's protocol": (["--branch", "clean"], "ext::sh -c id", "repository_missing"),
    "no such repository": (["--branch", "clean"], "file:///nowhere/x.git", "repository_missing"),
    "a folder without a repository": (["--branch", "clean"], "tmp", "repository_missing"),
    "nobody listens": (["--branch", "clean"], "https://127.0.0.1:9/x.git", "repository_unreachable"),
    "userinfo": (["--branch", "clean"], "https://u:secret@h.example/x.git", "invalid_url"),
    "no such branch": (["--branch", "absent"], None, "branch_missing"),
    "no such target": (["--branch", "clean", "--onto", "absent"], None, "target_missing"),
    "branch is target": (["--branch", "main"], None, "branch_is_target"),
    "no branch of a url": ([], "https://h.example/x.git", "invalid_request"),
    "no such definition": (["--branch", "clean", "--pipeline", "absent.yml"], None, "pipeline_missing"),
    "a definition's name of 5000 characters": (["--branch", "clean", "--pipeline", LONG], None, "pipeline_missing"),
    "an option that is none": (["--brunch", "clean"], None, "invalid_request"),
    **{f"target: {id_}": (["--branch", "clean", f"--onto={name}"], None, "invalid_ref") for id_, name in STRANGE.items()},
    **{f"branch: {id_}": ([f"--branch={name}"], None, "invalid_ref") for id_, name in STRANGE.items()},
}  # fmt: skip


@pytest.mark.parametrize(("words", "repository", "reason"), REQUESTS.values(), ids=list(REQUESTS))
def test_a_request_that_makes_no_sense_is_refused(
    place: Place, words: list[str], repository: str | None, reason: str
) -> None:
    before = place.refs()
    done = place.run(*words, repository=repository or "")
    refused(place, before, done, 2, reason)
    assert "secret" not in done.out + done.err


def test_a_name_with_nul_is_refused(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """No process can be given one; a caller in the same process can."""
    for words in (["--branch", "clean", "--onto", "a\0b"], ["--branch", "a\0b"]):
        assert main(["run", str(place.origin), "--json", *words]) == 2
        assert json.loads(capsys.readouterr().out)["error"]["reason"] == "invalid_ref"
    assert main(["run", "a\0b", "--branch", "clean", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["reason"] == "repository_missing"


def test_without_json_it_is_three_lines(place: Place) -> None:
    done = place.run("--branch", "absent", as_json=False)
    assert done.code == 2
    assert done.out == ""
    assert [line.split(":")[0] for line in done.err.splitlines()[-3:]] == ["error", "reason", "next"]
    left_clean(place, done)


# --- what the remote is


def empty(place: Place) -> list[str]:
    Repository(place.folder / "empty.git")
    return ["--branch", "clean"]


def shallow(place: Place) -> list[str]:
    folder = place.folder / "shallow.git"
    git(place.folder, "clone", "-q", "--bare", "--depth=1", "--no-single-branch", place.repo.url, str(folder))
    return ["--branch", "clean"]


def unrelated(place: Place) -> list[str]:
    place.repo.commit({"x": "x\n"}, branch="unrelated")
    return ["--branch", "unrelated"]


def headless(place: Place) -> list[str]:
    place.repo.git("symbolic-ref", "HEAD", "refs/heads/gone")
    return ["--branch", "clean"]


@pytest.mark.parametrize(
    ("prepare", "repository", "reason"),
    [
        (empty, "empty.git", "repository_empty"),
        (shallow, "shallow.git", "repository_shallow"),
        (unrelated, "", "unrelated_histories"),
        (headless, "", "target_missing"),
    ],
)
def test_a_remote_that_cannot_be_worked_on_is_refused(
    place: Place, prepare: Prepare, repository: str, reason: str
) -> None:
    words = prepare(place)
    before = place.refs()
    refused(place, before, place.run(*words, repository=repository), 2, reason)


# --- definitions

HEAD = "version: 1\nname: n\n"
STAGES = "stages:\n  - {uses: clone}\n  - {uses: rebase}\n  - {uses: validate}\n"
DEFINITIONS: dict[str, bytes] = {
    "empty": b"",
    "a list": b"[]",
    "aliased": b"version: 1\nname: &a n\nenv: {X: *a}\n",
    "a bomb of aliases": b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "a key twice": b"version: 1\nversion: 1\nname: n\n",
    "unknown keys": (HEAD + "nme: x\n" + STAGES).encode(),
    "wrong types": b"version: [x]\nname: 3\nstages: 5\n",
    "no UTF-8": b"\xff\xfe",
    "NUL": b"name: a\0b\n",
    "20000 deep": b"[" * 20_000,
    "a tag": b"!!python/object/apply:os.system ['touch x']\n",
}


@pytest.mark.parametrize("text", DEFINITIONS.values(), ids=list(DEFINITIONS))
def test_a_file_that_is_no_definition_is_refused(place: Place, text: bytes) -> None:
    before = place.refs()
    done = place.run("--branch", "clean", *place.define(text))
    refused(place, before, done, 2, "pipeline_invalid")
    assert "given.yml:" in str(done.told["sentence"])


@pytest.mark.parametrize("name", ["empty", "a bomb of aliases", "unknown keys", "wrong types", "no UTF-8"])
def test_so_is_the_one_on_the_target_branch(place: Place, name: str) -> None:
    place.define(DEFINITIONS[name], commit=True)
    before = place.refs()
    done = place.run("--branch", "clean")
    refused(place, before, done, 2, "pipeline_invalid")
    assert ".flowforge.yml:" in str(done.told["sentence"])


@pytest.mark.parametrize(("commit", "reason"), [(False, "pipeline_invalid"), (True, "too_large")])
def test_ten_megabytes_are_refused(place: Place, *, commit: bool, reason: str) -> None:
    words = place.define(b"#" * (10 << 20), commit=commit)
    before = place.refs()
    refused(place, before, place.run("--branch", "clean", *words), 2, reason)


def test_a_definition_that_may_not_be_read_is_refused(place: Place) -> None:
    words = place.define(HEAD)
    (place.folder / "given.yml").chmod(0)
    if os.access(place.folder / "given.yml", os.R_OK):
        pytest.skip("this user may read every file")
    refused(place, place.refs(), place.run("--branch", "clean", *words), 2, "pipeline_missing")


# --- the mirror


def delete_objects(mirror: Path) -> None:
    for file in (file for file in (mirror / "objects").rglob("*") if file.is_file()):
        file.unlink()


def cut_packs(mirror: Path) -> None:
    for pack in mirror.rglob("*.pack"):
        pack.chmod(0o600)
        pack.write_bytes(pack.read_bytes()[:40])


def cut_head(mirror: Path) -> None:
    (mirror / "HEAD").write_bytes(b"")


def zero_config(mirror: Path) -> None:
    (mirror / "config").write_bytes(bytes(100))


def zero_refs(mirror: Path) -> None:
    for ref in (mirror / "refs" / "flowforge").iterdir():
        ref.write_bytes(bytes(41))


def scribble_packed_refs(mirror: Path) -> None:
    (mirror / "packed-refs").write_bytes(b"garbage\n")


def leave_locks(mirror: Path) -> None:
    """As a process that died in the middle of a fetch leaves them."""
    for ref in list((mirror / "refs" / "flowforge").iterdir()):
        ref.with_name(f"{ref.name}.lock").touch()
    for name in ("packed-refs.lock", "shallow.lock", "config.lock", "HEAD.lock"):
        (mirror / name).touch()


def put_a_file_there(mirror: Path) -> None:
    subprocess.run(["rm", "-r", str(mirror)], check=True)
    mirror.write_text("a file")


DAMAGES = [
    delete_objects,
    cut_packs,
    cut_head,
    zero_config,
    zero_refs,
    scribble_packed_refs,
    leave_locks,
    put_a_file_there,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_mirror_is_mended_and_the_run_goes_well(
    place: Place, damage: Callable[[Path], None]
) -> None:
    place.fetched()
    damage(place.mirror / "repository.git")
    place.repo.commit({**BASE, "d.txt": "new\n"}, place.repo.tip("clean"), branch="clean")
    done = place.run("--branch", "clean", "--no-push")
    assert done.code == 0, (done.out, done.err)
    left_clean(place, done)
    assert place.fetched().branch == place.repo.tip("clean")


@contextmanager
def held(file: Path, seconds: float) -> Iterator[None]:
    """Another user of the mirror, who lets go after a while."""
    with file.open("r+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        timer = threading.Timer(seconds, fcntl.flock, (handle, fcntl.LOCK_UN))
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


@pytest.mark.parametrize("name", ["users", "fetching"])
def test_a_mirror_that_another_process_holds_is_waited_for(place: Place, name: str) -> None:
    place.fetched()
    with held(place.mirror / name, 1.5):
        done = place.run("--branch", "clean", "--no-push")
    assert done.code == 0, (done.out, done.err)
    assert done.seconds > 1.5
    left_clean(place, done)


def test_a_data_folder_that_is_a_file_is_refused(place: Place) -> None:
    place.data.rmdir()
    place.data.write_text("a file")
    done = place.run("--branch", "clean")
    assert (done.code, done.told["reason"]) == (3, "infrastructure")
    assert place.data.read_text() == "a file"


# --- a full disk


@contextmanager
def small(folder: Path, size: str) -> Iterator[None]:
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    tried = subprocess.run(mount, capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no file system can be mounted here: {tried.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize(
    ("which", "size"), [("data", "64k"), ("data", "256k"), ("temporary", "4k"), ("temporary", "64k")]
)
@pytest.mark.sandbox
def test_a_full_disk_is_said_and_nothing_is_pushed(place: Place, which: str, size: str) -> None:
    """Too small for the mirror; for the bundle of the old tip; for git's own; for the exported tree."""
    text = HEAD + STAGES + "  - {uses: test, run: 'true'}\n  - {uses: push}\n"
    words = place.define(text)
    place.repo.commit({**BASE, "big": os.urandom(200_000)}, place.repo.tip("main^"), branch="clean")  # type: ignore[dict-item] # bytes are content too
    before = place.refs()
    with small(getattr(place, which), size):
        refused(place, before, place.run("--branch", "clean", *words), 3, "no_space")
