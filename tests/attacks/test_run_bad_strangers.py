"""Code that `flowforge run` does not trust and runs anyway: plugins, test commands, hooks of a remote, models."""

import json

import pytest

from tests.attacks.command import BASE, UP, Done, Place
from tests.attacks.test_run_bad_input import left_clean, refused

HEAD = "version: 1\nname: n\nstages:\n  - {uses: clone}\n  - {uses: rebase}\n"
VALID = "  - {uses: validate}\n"
PUSH = "  - {uses: push}\n"

# --- plugins

PLUGIN = """
import os, time
from flowforge.plugin import Resolver, Stage, Validator, hookimpl

@hookimpl
def register_stages():
    return [Stage(name="strange", load="attacker:behave")]

@hookimpl
def register_validators():
    return [Validator(id="strange", check="strange", load="attacker:behave", timeout=1.0)]

@hookimpl
def register_resolvers():
    return [Resolver(name="strange", rung="strange", load="attacker:behave")]

def behave(*_words, **_values):
    %s
"""
BEHAVIOURS = {
    "raises": "raise ValueError('on purpose')",
    "hangs": "time.sleep(600)",
    "answers nothing": "return None",
    "leaves": "raise SystemExit(0)",
}


@pytest.mark.sandbox  # for what a stage of a stranger may run
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_a_plugins_stage_ends_the_run_in_a_typed_reason(place: Place, behaviour: str) -> None:
    place.plug(PLUGIN % BEHAVIOURS[behaviour])
    words = place.define(HEAD + "  - {uses: strange, timeout: 2s}\n" + VALID + PUSH)
    code, reason = (1, "timeout") if behaviour == "hangs" else (3, "plugin_failed")
    before = place.refs()
    refused(place, before, place.run("--branch", "clean", *words), code, reason)


@pytest.mark.parametrize("behaviour", {**BEHAVIOURS, "dies": "os._exit(0)"})
def test_a_plugins_validator_never_lets_a_change_through(place: Place, behaviour: str) -> None:
    place.plug(PLUGIN % {**BEHAVIOURS, "dies": "os._exit(0)"}[behaviour])
    words = place.define(HEAD + "  - {uses: validate, with: {checks: [strange]}}\n" + PUSH)
    before = place.refs()
    done = place.run("--branch", "clean", *words)
    refused(place, before, done, 3, "plugin_failed")
    assert "strange" in str(done.told["sentence"])


@pytest.mark.parametrize("behaviour", {**BEHAVIOURS, "dies": "os._exit(0)"})
def test_a_plugins_resolver_leaves_the_conflict_to_a_person(place: Place, behaviour: str) -> None:
    place.plug(PLUGIN % {**BEHAVIOURS, "dies": "os._exit(0)"}[behaviour])
    words = place.define(HEAD + "  - {uses: resolve, with: {rungs: [strange]}}\n" + VALID + PUSH)
    before = place.refs()
    refused(place, before, place.run("--branch", "conflict", *words), 5, "unresolved_conflicts")


@pytest.mark.parametrize("text", ["raise SystemExit(4)", "1 / 0", "import no_such_module", "PLUGIN_API = 99"])
def test_a_plugin_that_cannot_be_loaded_is_skipped(place: Place, text: str) -> None:
    place.plug(text)
    done = place.run("--branch", "clean", "--no-push")
    assert done.code == 0, (done.out, done.err)
    left_clean(place, done)


# --- test commands

FORKS = "f() { f | f & }; f; exec sleep 50"
COMMANDS: dict[str, tuple[str, str, int, str]] = {
    "fails": ("exit 7", "", 1, "tests_failed"),
    "is absent": ("no-such-program", "", 1, "tests_failed"),
    "is killed": ("kill -9 $$", "", 1, "tests_failed"),
    "hangs": ("sleep 600", "", 1, "timeout"),
    "ignores its end": ("trap '' TERM INT HUP; while :; do sleep 600; done", "", 1, "timeout"),
    "floods": ("yes", "", 1, "output_limit"),
    "eats memory": ("tail /dev/zero", ", memory: 64Mi", 1, "memory_limit"),
}


def with_test(command: str, more: str = "") -> str:
    stage = f"  - {{uses: test, run: {json.dumps(command)}, timeout: 2s{more}}}\n"
    return HEAD + VALID + stage + PUSH


@pytest.mark.sandbox
@pytest.mark.parametrize(("command", "more", "code", "reason"), COMMANDS.values(), ids=list(COMMANDS))
def test_a_test_command_that_misbehaves_is_stopped_and_nothing_is_pushed(
    place: Place, command: str, more: str, code: int, reason: str
) -> None:
    words = place.define(with_test(command, more))
    before = place.refs()
    refused(place, before, place.run("--branch", "clean", *words), code, reason)


@pytest.mark.sandbox
def test_a_command_that_forks_without_end_meets_a_limit(place: Place) -> None:
    """Which one it meets first is the kernel's choice: processes, memory or time."""
    words = place.define(with_test(FORKS))
    before = place.refs()
    done = place.run("--branch", "clean", *words)
    assert done.told["reason"] in {"tests_failed", "memory_limit", "timeout"}
    refused(place, before, done, 1, str(done.told["reason"]))


@pytest.mark.sandbox
def test_a_daemon_of_a_test_command_does_not_outlive_it(place: Place) -> None:
    done = place.run("--branch", "clean", *place.define(with_test("setsid -f sleep 600; exit 0")))
    assert done.told["reason"] == "pushed"
    left_clean(place, done)


# --- the remote


def test_a_push_that_a_hook_rejects_is_told_in_its_words(place: Place) -> None:
    place.hook("pre-receive", "echo no pushes on a Monday >&2; exit 1")
    before = place.refs()
    done = place.run("--branch", "clean")
    refused(place, before, done, 1, "push_rejected")
    assert "no pushes on a Monday" in done.out


def test_a_branch_that_moved_during_the_job_stays_as_it_is(place: Place) -> None:
    """Somebody pushes between our fetch and our push; the hook is where that moment can be had."""
    theirs = place.repo.commit({**BASE, "theirs": "t\n"}, place.repo.tip("clean"))
    place.hook("update", f"git update-ref refs/heads/clean {theirs}")
    done = place.run("--branch", "clean")
    assert place.repo.tip("clean") == theirs
    place.repo.point("clean", place.repo.tip(f"{theirs}^"))
    refused(place, place.refs(), done, 1, "remote_moved")


# --- models


def asked(place: Place, rule: str, branch: str = "conflict") -> Done:
    place.env["FLOWFORGE_MODEL_PROVIDER"] = "scripted"
    model = f"model: {{provider: scripted, name: {json.dumps(rule)}}}"
    resolve = f"  - {{uses: resolve, with: {{rungs: [model], {model}}}}}\n"
    test = "  - {uses: test, run: 'true'}\n"
    return place.run("--branch", branch, *place.define(HEAD + resolve + VALID + test + PUSH))


@pytest.mark.parametrize(
    ("rule", "finding"),
    [
        ("bad:marker", "markers"),
        ("bad:nothing", "empty"),
        ("bad:garbage", "not_json"),
        ("bad:lost", "lost_change"),
        ("abstain", "model_abstained"),
        ("no-such-model", "configuration"),
        ("bad:syntax", "does_not_parse"),
        ("bad:dangerous", "dangerous"),
        ("bad:secret", "secret"),
    ],
)
@pytest.mark.sandbox
def test_a_models_bad_answer_is_never_pushed(place: Place, rule: str, finding: str) -> None:
    before = place.refs()
    done = asked(place, rule)
    refused(place, before, done, 5, "unresolved_conflicts")
    (left,) = (one for stage in done.told["stages"] for one in stage.get("outputs", {}).get("unresolved", []))
    assert left["reasons"]["model"] == finding


@pytest.mark.sandbox
def test_a_models_good_answer_is_pushed_so_the_others_were_refused_for_what_they_are(place: Place) -> None:
    start = place.repo.git("merge-base", "main", "conflict").decode().strip()
    place.repo.commit({**UP, "b.txt": "1\n2\n3\nupstream's\n"}, place.repo.tip("main"), branch="main")
    place.repo.commit({**BASE, "b.txt": "1\n2\n3\nmine\n"}, start, branch="additions")
    done = asked(place, "both", "additions")
    assert (done.code, done.told["reason"]) == (0, "pushed"), done.out
    assert place.repo.git("show", "additions:b.txt") == b"1\n2\n3\nupstream's\nmine\n"
    left_clean(place, done)


def test_a_provider_that_is_not_installed_is_a_fault_of_the_settings(place: Place) -> None:
    place.env["FLOWFORGE_MODEL_PROVIDER"] = "absent"
    refused(place, place.refs(), place.run("--branch", "clean"), 3, "configuration")


@pytest.mark.parametrize("name", ["SANDBOX", "GIT_TIMEOUT", "DATA_DIRR"])
def test_settings_that_make_no_sense_are_named(place: Place, name: str) -> None:
    place.env[f"FLOWFORGE_{name}"] = "maybe"
    done = place.run("--branch", "clean", "--no-push")
    if name == "DATA_DIRR":  # an environment is full of names that are nobody's settings
        assert done.code == 0
        return
    refused(place, place.refs(), done, 3, "configuration")
    assert f"FLOWFORGE_{name}" in str(done.told["sentence"])
