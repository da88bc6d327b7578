"""^C and SIGTERM in each stage of `flowforge run`: code 130, nothing left, and the next run goes well."""

import shutil
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.attacks.command import Done, Place, Watched
from tests.attacks.test_run_bad_input import left_clean
from tests.attacks.test_run_bad_strangers import HEAD, PLUGIN, PUSH, VALID, with_test

Reached = Callable[[], bool]
PATIENCE = 30.0


def git_that_hangs_in(place: Place, verb: str) -> Reached:
    """A git on PATH that stops at one of its commands, and is git for all others."""
    marker = place.folder / "reached"
    program = place.folder / "bin" / "git"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nfor word; do if [ "$word" = {verb} ]; then touch {marker}; exec sleep 600; fi; done\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    program.chmod(0o755)
    place.env["PATH"] = f"{program.parent}:{place.environment()['PATH']}"
    return marker.exists


def plugin_that_hangs(place: Place) -> Reached:
    marker = place.folder / "reached"
    place.plug(PLUGIN % f"open({str(marker)!r}, 'w').close(); time.sleep(600)")
    return marker.exists


def running(command: str) -> bool:
    """Whether a process of exactly this command line is there, whatever walls it is behind."""
    words = "".join(f"{word}\0" for word in command.split()).encode()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdecimal() and (entry / "cmdline").read_bytes() == words:
                return True
    return False


def in_clone(place: Place) -> tuple[list[str], Reached]:
    return ["--branch", "clean"], git_that_hangs_in(place, "fetch")


def in_rebase(place: Place) -> tuple[list[str], Reached]:
    return ["--branch", "clean"], git_that_hangs_in(place, "merge-tree")


def in_resolve(place: Place) -> tuple[list[str], Reached]:
    reached = plugin_that_hangs(place)
    return [
        "--branch",
        "conflict",
        *place.define(HEAD + "  - {uses: resolve, with: {rungs: [strange]}}\n"),
    ], reached


def in_validate(place: Place) -> tuple[list[str], Reached]:
    reached = plugin_that_hangs(place)
    return [
        "--branch",
        "clean",
        *place.define(HEAD + "  - {uses: validate, with: {checks: [strange]}}\n"),
    ], reached


def in_stage_of_a_plugin(place: Place) -> tuple[list[str], Reached]:
    reached = plugin_that_hangs(place)
    return ["--branch", "clean", *place.define(HEAD + "  - {uses: strange}\n" + VALID + PUSH)], reached


def in_test(place: Place) -> tuple[list[str], Reached]:
    words = place.define(with_test("sleep 98761").replace("timeout: 2s", "timeout: 60s"))
    return ["--branch", "clean", *words], lambda: running("sleep 98761")


def in_push(place: Place) -> tuple[list[str], Reached]:
    marker = place.folder / "reached"
    place.hook("pre-receive", f"touch {marker}; exec sleep 600")
    return ["--branch", "clean"], marker.exists


WALLED = [pytest.param(stage, marks=pytest.mark.sandbox) for stage in (in_stage_of_a_plugin, in_test)]
STAGES = [in_clone, in_rebase, in_resolve, in_validate, *WALLED, in_push]


def stopped(place: Place, words: list[str], reached: Reached, number: int) -> Done:
    with Watched(lambda: place.start(*words)) as watched:
        until = time.monotonic() + PATIENCE
        while not reached():
            assert time.monotonic() < until, "the stage was never reached"
            assert watched.process.poll() is None, watched.process.communicate()
            time.sleep(0.02)
        watched.process.send_signal(number)
        return watched.done()


@pytest.mark.parametrize("stage", STAGES)
def test_an_interrupted_stage_leaves_nothing_and_moves_nothing(
    place: Place, stage: Callable[[Place], tuple[list[str], Reached]]
) -> None:
    before = place.refs()
    words, reached = stage(place)
    done = stopped(place, words, reached, signal.SIGINT)
    assert (done.code, done.told["reason"]) == (130, "cancelled"), (done.out, done.err)
    left_clean(place, done)
    assert place.refs() == before
    place.env.clear()
    assert place.fetched().branch == place.repo.tip("clean")


@pytest.mark.sandbox
def test_sigterm_is_as_good_as_an_interrupt(place: Place) -> None:
    words, reached = in_test(place)
    done = stopped(place, words, reached, signal.SIGTERM)
    assert done.code == 130
    left_clean(place, done)
    assert not running("sleep 98761")


def test_a_remote_that_accepts_and_says_nothing_can_be_interrupted(place: Place) -> None:
    place.env["FLOWFORGE_GIT_PROTOCOLS"] = "http"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.git"
        with Watched(lambda: place.start("--branch", "clean", repository=url)) as watched:
            connection, _ = silent.accept()
            watched.process.send_signal(signal.SIGINT)
            done = watched.done()
            connection.close()
    assert done.code == 130
    left_clean(place, done)


def test_two_runs_of_one_branch_at_once_push_once_and_leave_nothing(place: Place) -> None:
    with Watched(lambda: place.start("--branch", "clean")) as first:
        second = place.run("--branch", "clean")
        one = first.done()
    assert {one.told["reason"], second.told["reason"]} <= {"pushed", "remote_moved", "up_to_date", "done"}
    assert len(place.repo.updates("clean")) == 2
    assert one.left == []
