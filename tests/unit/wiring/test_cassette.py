"""Recorded answers: asked once, answered for ever, and refused where there is none."""

import json
import stat
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from flowforge.core.errors import Broken, Reason, Refused, Temporary
from flowforge.core.spend import Usage
from flowforge.hooks.contracts import ModelAnswer, ModelProvider, ModelRequest
from flowforge.wiring.cassette import RECORD, REPLAY, Cassette, question_key

REQUEST = ModelRequest(
    model="m", system="rules", shared="commit", prompt="what now?", schema={"type": "object"}
)
ANSWER = ModelAnswer(
    text='{"text": "\u2028é"}',
    usage=Usage(input=1, output=2, cache_write=3, cache_read=4),
    stop="end",
    request_id="r",
)


@dataclass
class Provider:
    """Answers and counts how often it was asked."""

    answer: ModelAnswer = ANSWER
    asked: list[ModelRequest] = field(default_factory=list)

    def complete(self, request: ModelRequest, _deadline: float) -> ModelAnswer:
        self.asked.append(request)
        return self.answer

    def count_tokens(self, _request: ModelRequest) -> int:
        return 77


def nobody() -> ModelProvider:
    raise AssertionError("a provider is connected")


def recording(file: Path, provider: Provider) -> Cassette:
    return Cassette(file=file, mode=RECORD, connect=lambda: provider)


def replaying(file: Path) -> Cassette:
    return Cassette(file=file, mode=REPLAY, connect=nobody)


def test_what_was_recorded_is_replayed_without_a_provider(tmp_path: Path) -> None:
    file, provider = tmp_path / "deep" / "answers.jsonl", Provider()
    assert recording(file, provider).complete(REQUEST, 5.0) == ANSWER
    assert len(provider.asked) == 1
    assert replaying(file).complete(REQUEST, 5.0) == ANSWER
    assert recording(file, provider).complete(REQUEST, 5.0) == ANSWER
    assert len(provider.asked) == 1


def test_a_question_that_is_asked_twice_has_two_answers_in_their_order(tmp_path: Path) -> None:
    file, provider = tmp_path / "answers.jsonl", Provider()
    tape = recording(file, provider)
    tape.complete(REQUEST, 5.0)
    provider.answer = replace(ANSWER, text="a second opinion")
    tape.complete(REQUEST, 5.0)
    again = replaying(file)
    assert [again.complete(REQUEST, 5.0).text for _ in range(3)] == [
        ANSWER.text,
        "a second opinion",
        "a second opinion",
    ]


def test_an_unknown_question_is_refused_while_replaying(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    recording(file, Provider()).complete(REQUEST, 5.0)
    with pytest.raises(Refused) as caught:
        replaying(file).complete(replace(REQUEST, prompt="what else?"), 5.0)
    assert caught.value.reason is Reason.NOT_FOUND
    assert "record" in caught.value.next_action


@pytest.mark.parametrize(
    "other",
    [
        {"model": "n"},
        {"system": "other rules"},
        {"shared": "another commit"},
        {"prompt": "what else?"},
        {"schema": {}},
        {"max_output": 1},
        {"thinking": 1},
    ],
)
def test_everything_that_is_asked_makes_the_question(other: dict[str, object]) -> None:
    assert question_key(REQUEST) != question_key(replace(REQUEST, **other))  # type: ignore[arg-type]


def test_the_words_that_are_drawn_for_each_request_make_no_other_question() -> None:
    first, second = (
        replace(
            REQUEST, shared=f"--- {a * 32}\nx", prompt=f"--- {a * 32} y\n--- {b * 32} z\n--- {b * 32} end"
        )
        for a, b in (("a", "b"), ("c", "d"))
    )
    assert question_key(first) == question_key(second)
    mixed = replace(second, prompt=f"--- {'c' * 32} y\n--- {'d' * 32} z\n--- {'c' * 32} end")
    assert question_key(mixed) != question_key(second)


def test_answers_that_broke_off_are_not_kept(tmp_path: Path) -> None:
    file, provider = tmp_path / "answers.jsonl", Provider(answer=replace(ANSWER, stop="cut", text=""))
    recording(file, provider).complete(REQUEST, 5.0)
    assert not file.exists()


def test_neither_question_nor_anything_of_the_connection_is_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    recording(file, Provider()).complete(REQUEST, 5.0)
    (line,) = file.read_text().splitlines()
    assert set(json.loads(line)) == {
        "key",
        "model",
        "operation",
        "text",
        "usage",
        "stop",
        "request_id",
        "why",
    }
    assert "what now" not in line
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_line_that_a_crash_left_half_written_is_forgotten(tmp_path: Path) -> None:
    file, provider = tmp_path / "answers.jsonl", Provider()
    recording(file, provider).complete(REQUEST, 5.0)
    with file.open("a") as handle:
        handle.write('{"key": "half')
    assert replaying(file).complete(REQUEST, 5.0) == ANSWER
    other = replace(REQUEST, prompt="another")
    recording(file, provider).complete(other, 5.0)
    assert replaying(file).complete(other, 5.0) == ANSWER
    assert len(file.read_text().splitlines()) == 2


@pytest.mark.parametrize("line", ["no json", "[]", "{}", '{"key": "k", "usage": {"input": "x"}}', '"x"'])
def test_a_line_that_is_none_is_told_with_its_number(tmp_path: Path, line: str) -> None:
    file = tmp_path / "answers.jsonl"
    recording(file, Provider()).complete(REQUEST, 5.0)
    with file.open("a") as handle:
        handle.write(line + "\n")
    with pytest.raises(Broken, match="line 2 is no recorded answer"):
        replaying(file)


def test_a_file_that_is_not_there_is_told_while_replaying_and_made_while_recording(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="there is no such file"):
        replaying(tmp_path / "none")
    with pytest.raises(Broken, match="cannot be read"):
        replaying(tmp_path)
    recording(tmp_path / "none", Provider())


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tape = recording(tmp_path / "folder" / "answers.jsonl", Provider())
    (tmp_path / "folder").write_text("in the way")
    with pytest.raises(Broken, match="cannot be written"):
        tape.complete(REQUEST, 5.0)


def test_many_threads_record_whole_lines(tmp_path: Path) -> None:
    file, provider = tmp_path / "answers.jsonl", Provider(answer=replace(ANSWER, text="x" * 5000))
    tapes = [recording(file, provider) for _ in range(4)]
    threads = [
        threading.Thread(target=tape.complete, args=(replace(REQUEST, prompt=f"{n} {m}"), 5.0))
        for n, tape in enumerate(tapes)
        for m in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(map(len, replaying(file)._answers.values())) == 40


def test_the_count_is_the_providers_while_recording_and_a_bound_while_replaying(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    assert recording(file, Provider()).count_tokens(REQUEST) == 77
    file.write_text("")
    assert replaying(file).count_tokens(REQUEST) > len(REQUEST.prompt)


def test_an_error_of_the_provider_is_told_as_it_is_and_not_recorded(tmp_path: Path) -> None:
    class Busy(Provider):
        def complete(self, request: ModelRequest, _deadline: float) -> ModelAnswer:
            raise Temporary(Reason.MODEL_UNAVAILABLE, "busy")

    with pytest.raises(Temporary):
        recording(tmp_path / "answers.jsonl", Busy()).complete(REQUEST, 5.0)
    assert not (tmp_path / "answers.jsonl").exists()
