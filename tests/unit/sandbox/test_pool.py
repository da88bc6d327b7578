import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.core.verdict import Finding, Level
from flowforge.sandbox.pool import Pool

TASKS = "tests.unit.sandbox.tasks:"


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(2) as made:
        yield made


def gone(pid: int) -> bool:
    """Whether the process is dead; a zombie that nobody has reaped yet is dead too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until(true: object, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.01)


def sleeping(mark: str) -> bool:
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"1000{mark}".encode() in command.read_bytes():
                return True
        except (FileNotFoundError, ProcessLookupError):
            continue
    return False


def refusal(pool: Pool, task: str, *args: object, **limits: float) -> FlowForgeError:
    with pytest.raises(FlowForgeError) as caught:
        pool.call(TASKS + task, *args, **{"deadline": 20, **limits})  # type: ignore[arg-type]
    return caught.value


def test_a_call_answers_what_the_function_returned(pool: Pool) -> None:
    assert pool.call(TASKS + "echo", 1, b"two", ("three",), deadline=10) == [1, b"two", ("three",)]


def test_values_of_the_house_cross_the_border(pool: Pool) -> None:
    answer = pool.call(TASKS + "finding", "a.py", deadline=10)
    assert answer == Finding(rule="r", level=Level.ERROR, message="m", path="a.py")


def test_large_arguments_and_answers_cross_whole(pool: Pool) -> None:
    blob = os.urandom(3 << 20)
    assert pool.call(TASKS + "echo", blob, deadline=20) == [blob]


def test_errors_of_the_house_cross_with_all_their_words(pool: Pool) -> None:
    error = refusal(pool, "refuse")
    assert type(error) is Refused
    assert (error.reason, error.sentence) == (Reason.HOSTILE_CONTENT, "a sentence")
    assert (error.next_action, error.evidence) == ("do this", "here")


def test_a_temporary_error_keeps_its_delay(pool: Pool) -> None:
    error = refusal(pool, "again_later")
    assert isinstance(error, Temporary)
    assert error.delay == 7.5


@pytest.mark.parametrize(
    ("task", "word"),
    [
        ("raise_value_error", "ValueError: no such thing"),
        ("leave", "SystemExit"),
        ("interrupt", "KeyboardInterrupt"),
        ("leave_hard", "status 0"),
        ("crash", "SIGSEGV"),
        ("recurse", "RecursionError"),
        ("fork_and_return", "left processes behind"),
        ("own_value", "OwnValue is no type that may cross"),
        ("a_lambda", "raised"),
        ("no_such_function", "no_such_function"),
        ("pickle_that_runs_a_command", "no type that may cross"),
    ],
)
def test_whatever_a_function_does_wrong_is_the_plugins_failure(pool: Pool, task: str, word: str) -> None:
    error = refusal(pool, task)
    assert isinstance(error, Broken)
    assert error.reason is Reason.PLUGIN_FAILED
    assert word in error.sentence
    assert task in error.sentence
    assert error.next_action


def test_an_answer_is_never_built_from_a_class_that_runs_something(pool: Pool) -> None:
    refusal(pool, "pickle_that_runs_a_command")
    assert not Path("/tmp/flowforge-pool-was-fooled").exists()


def test_the_trace_of_a_failure_is_its_evidence(pool: Pool) -> None:
    assert "raise_value_error" in refusal(pool, "raise_value_error").evidence


def test_a_missing_module_is_named(pool: Pool) -> None:
    with pytest.raises(Broken, match="no_such_module"):
        pool.call("no_such_module:f", deadline=10)


@pytest.mark.parametrize("task", ["loop_forever", "deaf_to_signals", "hold_the_lock"])
def test_a_function_that_hangs_is_stopped_at_its_deadline(pool: Pool, task: str) -> None:
    error = refusal(pool, task, deadline=0.2)
    assert isinstance(error, Refused)
    assert error.reason is Reason.TIMEOUT
    assert "0.2 s" in error.sentence


def test_memory_over_the_limit_is_refused_and_under_it_is_not(pool: Pool) -> None:
    assert refusal(pool, "eat_memory", 300 << 20, memory=100 << 20).reason is Reason.MEMORY_LIMIT
    assert pool.call(TASKS + "eat_memory", 50 << 20, deadline=10, memory=100 << 20) == 50 << 20


def test_an_answer_that_is_too_large_is_refused() -> None:
    with Pool(1, result=1000) as small:
        assert refusal(small, "echo", "x" * 2000).reason is Reason.TOO_LARGE
        assert small.call(TASKS + "echo", "x", deadline=10) == ["x"]


def test_a_child_is_used_again_after_success_and_replaced_after_a_deadline() -> None:
    with Pool(1) as one:
        first = one.call(TASKS + "process_id", deadline=10)
        assert one.call(TASKS + "process_id", deadline=10) == first
        refusal(one, "loop_forever", deadline=0.1)
        second = one.call(TASKS + "process_id", deadline=10)
        assert second != first
        assert gone(int(str(first)))


@pytest.mark.parametrize("task", ["daemon", "daemon_then_hang"])
def test_what_a_function_started_dies_even_in_a_session_of_its_own(pool: Pool, task: str) -> None:
    mark = f".{os.getpid()}{len(task)}"
    error = refusal(pool, task, mark, deadline=1.0)
    assert error.reason in {Reason.PLUGIN_FAILED, Reason.TIMEOUT}
    wait_until(lambda: not sleeping(mark))


def test_a_subprocess_that_was_waited_for_is_no_offence(pool: Pool) -> None:
    assert pool.call(TASKS + "subprocess_done_well", deadline=10) == "hi\n"


def test_printing_goes_nowhere_and_reading_finds_nothing(
    pool: Pool, capfd: pytest.CaptureFixture[str]
) -> None:
    assert pool.call(TASKS + "print_much", deadline=10) == ""
    assert capfd.readouterr() == ("", "")


def test_children_see_no_variable_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWFORGE_SECRET", "canary")
    with Pool(1) as fresh:
        seen = fresh.call(TASKS + "environment", deadline=10)
    assert isinstance(seen, dict)
    assert set(seen) <= {"PATH", "LANG", "PYTHONHASHSEED", "LC_CTYPE"}


def test_hashes_are_the_same_in_every_pool() -> None:
    with Pool(1) as one, Pool(1) as other:
        answers = [p.call(TASKS + "string_hash", "text", deadline=10) for p in (one, other)]
    assert answers[0] == answers[1]


def test_nothing_starts_before_the_first_call() -> None:
    before = threading.active_count()
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    had = children.read_text()
    with Pool(4):
        assert children.read_text() == had
    assert threading.active_count() == before


def test_a_warm_pool_has_its_server_before_the_first_call_and_answers_through_it() -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    had = set(children.read_text().split())
    with Pool(1) as one:
        one.warm()
        one.warm()
        (server,) = set(children.read_text().split()) - had
        assert one.call(TASKS + "echo", 1, deadline=10) == [1]
        assert set(children.read_text().split()) - had == {server}
    assert gone(int(server))


def test_a_closed_pool_is_not_warmed() -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    had = children.read_text()
    pool = Pool(1)
    pool.close()
    pool.warm()
    assert children.read_text() == had


def test_threads_share_a_pool_and_no_more_than_its_size_run_at_once(tmp_path: Path) -> None:
    with Pool(2) as two, ThreadPoolExecutor(8) as threads:
        jobs = [
            threads.submit(two.call, TASKS + "touch_then_sleep", str(tmp_path / str(n)), 0.05, deadline=20)
            for n in range(8)
        ]
        assert len({job.result() for job in jobs}) <= 2
    assert len(list(tmp_path.iterdir())) == 8


def test_closing_leaves_no_process_and_ends_calls_that_run(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    two = Pool(2)
    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(two.call, TASKS + "touch_then_sleep", str(mark), 60, deadline=60)
        wait_until(lambda: mark.exists() and mark.read_text())
        two.close()
        with pytest.raises(Refused) as caught:
            job.result(timeout=10)
    assert caught.value.reason is Reason.CANCELLED
    wait_until(lambda: gone(int(mark.read_text())))
    assert refusal(two, "echo").reason is Reason.CANCELLED


def test_cancelling_stops_a_call_and_one_that_waits_for_a_child(tmp_path: Path) -> None:
    mark, stop = tmp_path / "pid", threading.Event()
    with Pool(1) as one, ThreadPoolExecutor(1) as threads:
        long = threads.submit(
            one.call, TASKS + "touch_then_sleep", str(mark), 60, deadline=60, cancelled=stop.is_set
        )
        wait_until(mark.exists)
        with pytest.raises(Refused) as waiting:
            one.call(TASKS + "echo", deadline=60, cancelled=lambda: True)
        assert waiting.value.reason is Reason.CANCELLED
        stop.set()
        with pytest.raises(Refused) as running:
            long.result(timeout=10)
        assert running.value.reason is Reason.CANCELLED


def test_a_pool_whose_server_was_killed_starts_another() -> None:
    with Pool(1) as one:
        child = int(str(one.call(TASKS + "process_id", deadline=10)))
        server = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: gone(child))
        for _attempt in range(2):
            try:
                answer = one.call(TASKS + "echo", 1, deadline=10)
                break
            except Temporary:
                continue
        assert answer == [1]


def test_an_idle_child_that_died_is_replaced_without_a_word() -> None:
    with Pool(1) as one:
        child = int(str(one.call(TASKS + "process_id", deadline=10)))
        os.kill(child, signal.SIGKILL)
        wait_until(lambda: gone(child))
        assert one.call(TASKS + "echo", 1, deadline=10) == [1]


def test_children_die_when_their_parent_is_killed(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    program = f"""
        import sys; sys.path[:] = {sys.path!r}
        from flowforge.sandbox.pool import Pool
        Pool(1).call({TASKS!r} + "touch_then_sleep", {str(mark)!r}, 60, deadline=60)
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)])
    try:
        wait_until(lambda: mark.exists() and mark.read_text(), 30)
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: gone(int(mark.read_text())))


def test_modules_named_to_be_loaded_early_are_there_and_a_missing_one_does_no_harm() -> None:
    with Pool(1, preload=("tests.unit.sandbox.tasks", "no_such_module")) as one:
        assert one.call(TASKS + "echo", 1, deadline=10) == [1]


def test_a_child_is_retired_after_many_calls_so_that_what_leaks_ends() -> None:
    with Pool(1) as one:
        seen = [one.call(TASKS + "process_id", deadline=10) for _ in range(1001)]
    assert [seen.count(pid) for pid in dict.fromkeys(seen)] == [500, 500, 1]
