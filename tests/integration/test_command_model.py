"""A program as the model: what it is handed, what is made of every way in which it can end, and that it ends."""

import contextlib
import json
import sys
import threading
import time
from pathlib import Path

import pytest

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.core.spend import Usage
from flowforge.hooks.contracts import ModelRequest
from flowforge_plugins.models.command_client import Command, connect

REQUEST = ModelRequest(
    model="m",
    system="rules",
    shared="commit",
    prompt="a question é\u2028",
    schema={"type": "object"},
    max_output=9,
)
READ = "import json, os, sys, time; asked = json.load(sys.stdin)\n"


def program(code: str, timeout: str = "20", env: tuple[str, ...] = ()) -> Command:
    argv = [sys.executable, "-c", READ + code]
    return connect({"command": json.dumps(argv), "command_env": json.dumps(env), "timeout": timeout})


def says(**answer: object) -> str:
    return f"print(json.dumps({answer!r}))"


def failure(command: Command, deadline: float = 20.0) -> FlowForgeError:
    with pytest.raises(FlowForgeError) as caught:
        command.complete(REQUEST, deadline)
    return caught.value


def test_an_answer_comes_back_with_what_it_used() -> None:
    used = {"input": 3, "output": 4, "cache_read": 5}
    answer = program(says(text="{}", usage=used, stop="max_tokens", request_id="r1")).complete(REQUEST, 20.0)
    assert (answer.text, answer.stop, answer.request_id) == ("{}", "max_tokens", "r1")
    assert answer.usage == Usage(input=3, output=4, cache_read=5)


def test_the_program_is_handed_the_whole_question() -> None:
    answer = program("print(json.dumps({'text': json.dumps(asked)}))").complete(REQUEST, 20.0)
    asked = json.loads(answer.text)
    assert 0 < asked.pop("deadline") <= 20
    assert asked == {
        "model": "m",
        "system": "rules",
        "shared": "commit",
        "prompt": REQUEST.prompt,
        "schema": {"type": "object"},
        "max_output": 9,
        "thinking": 0,
        "operation": "resolve",
    }


@pytest.mark.parametrize(
    "usage", [None, {}, {"input": 1}, {"input": -1, "output": 1}, {"input": "1", "output": 1}, [1, 2]]
)
def test_without_counts_that_make_sense_the_upper_bound_is_settled(usage: object) -> None:
    command = program(says(text="{}", usage=usage))
    settled = command.complete(REQUEST, 20.0).usage
    assert (settled.prompt, settled.output) == (command.count_tokens(REQUEST), REQUEST.max_output)


ENDINGS = [
    (65, Refused, Reason.TOO_LARGE),
    (75, Temporary, Reason.MODEL_UNAVAILABLE),
    (77, Broken, Reason.CONFIGURATION),
    (1, Broken, Reason.MODEL_UNAVAILABLE),
    (127, Broken, Reason.MODEL_UNAVAILABLE),
]


@pytest.mark.parametrize(("status", "kind", "reason"), ENDINGS)
def test_a_status_is_an_error_with_what_the_program_said(
    status: int, kind: type[FlowForgeError], reason: Reason
) -> None:
    caught = failure(program(f"print('no\\n  luck', file=sys.stderr); sys.exit({status})"))
    assert (type(caught), caught.reason) == (kind, reason)
    assert f"status {status}" in caught.sentence
    assert "saying: no luck" in caught.sentence
    assert caught.next_action


@pytest.mark.parametrize("output", ["", "no json", "[]", "3", '{"text": 3}', "{}", "[" * 99999])
def test_an_answer_that_is_none_may_have_been_billed(output: str) -> None:
    command = program(
        f"sys.stdout.write({output[:5]!r} * {max(1, len(output) // 5)}); print('why', file=sys.stderr)"
    )
    answer = command.complete(REQUEST, 20.0)
    assert answer.stop == "cut"
    assert "saying: why" in answer.why
    assert answer.usage.prompt == command.count_tokens(REQUEST)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("os.kill(os.getpid(), 9)", "killed by a signal"),
        ("os.write(1, b'x' * (5 << 20)); time.sleep(60)", "more than any answer"),
        (says(text="", stop="cut"), "said so"),
    ],
)
def test_a_program_that_broke_off_may_have_been_billed(code: str, words: str) -> None:
    answer = program(code).complete(REQUEST, 20.0)
    assert (answer.stop, answer.text) == ("cut", "")
    assert words in answer.why


@pytest.mark.parametrize(
    "code",
    [
        "time.sleep(60)",
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
        "os.close(1); os.close(2); time.sleep(60)",
        "import subprocess; subprocess.run(['sleep', '60'])",
        "import itertools; [print('x', flush=True) or time.sleep(0.05) for _ in itertools.count()]",
    ],
)
def test_the_deadline_ends_the_program_and_all_it_started(code: str, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    started = time.monotonic()
    note = f"open({str(pid)!r}, 'w').write(str(os.getpid()))\n"
    assert "deadline" in program(note + code).complete(REQUEST, 2.0).why
    assert time.monotonic() - started < 15
    assert running(int(pid.read_text())) == []


def running(group: int) -> list[str]:
    """Processes of a group that have not ended; who has, and was not waited for, does not count."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _parent, of = stat.read_text().rpartition(")")[2].split()[:3]
            found += [stat.parent.name] if int(of) == group and state not in "ZX" else []
    return found


def test_what_a_program_leaves_running_does_not_hold_its_answer_up(tmp_path: Path) -> None:
    left = "import subprocess; subprocess.Popen(['sleep', '60'])\n"
    started = time.monotonic()
    assert program(left + says(text="{}")).complete(REQUEST, 20.0).text == "{}"
    assert time.monotonic() - started < 15


def test_a_program_that_does_not_read_its_question_is_heard_all_the_same() -> None:
    argv = [sys.executable, "-c", says(text="{}").replace("json.dumps", "__import__('json').dumps")]
    command = connect({"command": json.dumps(argv)})
    big = ModelRequest(model="m", system="x" * (4 << 20), prompt="p", schema={})
    assert command.complete(big, 20.0).text == "{}"


def test_a_question_and_an_answer_larger_than_a_pipe_pass() -> None:
    big = ModelRequest(model="m", system="x" * (2 << 20), prompt="p", schema={})
    command = program(
        "print(json.dumps({'text': asked['system']}), 'y' * 0); sys.stderr.write('z' * (1 << 20))"
    )
    assert command.complete(big, 20.0).text == big.system


def test_it_sees_nothing_of_flowforges_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWFORGE_MODEL_KEY", "canary-of-ours")
    monkeypatch.setenv("DATABASE_URL", "canary-of-others")
    monkeypatch.setenv("GATEWAY_TOKEN", "canary-of-its-own")
    command = program(
        "print(json.dumps({'text': json.dumps(dict(os.environ))}))", env=("GATEWAY_TOKEN", "ABSENT")
    )
    seen = json.loads(command.complete(REQUEST, 20.0).text)
    assert seen["GATEWAY_TOKEN"] == "canary-of-its-own"
    assert "canary-of-ours" not in seen.values()
    assert set(seen) <= {"PATH", "HOME", "TMPDIR", "LANG", "GATEWAY_TOKEN", "LC_CTYPE", "PWD"}


def test_what_it_was_given_in_secret_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TOKEN", "canary-of-its-own")
    tell = "sys.stderr.write(os.environ['GATEWAY_TOKEN']);"
    caught = failure(program(f"{tell} sys.exit(1)", env=("GATEWAY_TOKEN",)))
    assert "canary" not in caught.sentence + repr(caught.__dict__)
    answer = program(f"{tell} print('x')", env=("GATEWAY_TOKEN",)).complete(REQUEST, 20.0)
    assert "canary" not in answer.why


def test_no_time_left_starts_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    assert failure(program(f"open({str(mark)!r}, 'w')"), deadline=0.0).reason is Reason.TIMEOUT
    assert not mark.exists()


@pytest.mark.parametrize("argv", [["/no/such/program"], ["/etc/passwd"]])
def test_a_program_that_cannot_be_started_is_told(argv: list[str]) -> None:
    caught = failure(connect({"command": json.dumps(argv)}))
    assert (type(caught), caught.reason) == (Broken, Reason.CONFIGURATION)
    assert argv[0] in caught.sentence


def test_no_shell_reads_the_arguments() -> None:
    argv = [sys.executable, "-c", READ + "print(json.dumps({'text': sys.argv[1]}))", "$(id); `id` *"]
    assert connect({"command": json.dumps(argv)}).complete(REQUEST, 20.0).text == "$(id); `id` *"


def test_many_are_asked_at_once_and_leave_nothing_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    command, texts = program("print(json.dumps({'text': '{}'}))"), []
    threads = [
        threading.Thread(target=lambda: texts.append(command.complete(REQUEST, 20.0).text)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == ["{}"] * 6
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "no program"),
        ({"command": "[]"}, "no program"),
        ({"command": "ask --now"}, "no list of words"),
        ({"command": "[1]"}, "no list of words"),
        ({"command": '"ask"'}, "no list of words"),
        ({"command": '["ask"]', "command_env": '["FLOWFORGE_KEY"]'}, "FLOWFORGE_KEY"),
        ({"command": '["ask"]', "timeout": "0"}, "timeout"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(settings: dict[str, str], words: str) -> None:
    with pytest.raises(Broken, match=words) as caught:
        connect(settings)
    assert caught.value.reason is Reason.CONFIGURATION
