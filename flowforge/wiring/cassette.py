"""Recorded answers: a file of JSON lines that answers again what a provider has answered once.

In mode `replay` nobody is asked, so a run can be repeated offline and to the same figures: an answer comes with the
tokens that it once cost. A question that is not there is refused. In mode `record` what is there is answered from
it and the rest is asked and added. Neither a key nor a header is ever in the file, nor the question: only its digest.
"""

import fcntl
import hashlib
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from flowforge.core.errors import Broken, Reason, Refused
from flowforge.core.spend import Usage
from flowforge.hooks.contracts import ModelAnswer, ModelProvider, ModelRequest

REPLAY: Final = "replay"
RECORD: Final = "record"

# The words that delimit repository text are drawn anew for each request; a question is the same without them.
_DRAWN: Final = re.compile(r"(?<=--- )(?:[0-9a-f]{16}|[0-9a-f]{32})\b")
_SCHEMA_TOKENS: Final = 1024


@dataclass(kw_only=True)
class Cassette:
    """A `ModelProvider` over a file; `connect` makes the provider that is asked while recording."""

    file: Path
    mode: str
    connect: Callable[[], ModelProvider]
    _answers: dict[str, list[ModelAnswer]] = field(default_factory=dict)
    _given: Counter[str] = field(default_factory=Counter)
    _inner: ModelProvider | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Read the file.

        Raises:
            Broken: it cannot be read, or a line is none of a cassette's.
        """
        self._answers.update(read_cassette(self.file, must_exist=self.mode == REPLAY))

    def complete(self, request: ModelRequest, deadline: float) -> ModelAnswer:
        """The answer that stands next under this question: who asks twice wants a second one.

        Raises:
            Refused: while replaying, with reason `not_found`, when there is none at all.
        """
        key = question_key(request)
        stored = self._stored(key)
        if stored is not None:
            return stored
        if self.mode == REPLAY:
            raise Refused(
                Reason.NOT_FOUND,
                f"the recorded answers in {self.file} hold none to this question ({key[:12]})",
                next_action="record it: set model_cassette_mode to record, with a key",
                evidence=key,
            )
        answer = self._reach().complete(request, deadline)
        if answer.stop == "cut":
            with self._lock:
                self._given[key] -= 1  # it gave none, and is asked again
        else:
            self._keep(key, request, answer)
        return answer

    def count_tokens(self, request: ModelRequest) -> int:
        """As the provider counts; while replaying there is none, and every byte is taken for a token."""
        if self.mode == RECORD:
            return self._reach().count_tokens(request)
        text = request.system + request.shared + request.prompt + json.dumps(request.schema)
        return len(text.encode(errors="surrogatepass")) + _SCHEMA_TOKENS

    def _stored(self, key: str) -> ModelAnswer | None:
        """While replaying the last one stays; while recording it is asked for one more."""
        with self._lock:
            kept, given = self._answers.get(key, []), self._given[key]
            self._given[key] += 1
        if given < len(kept):
            return kept[given]
        return kept[-1] if kept and self.mode == REPLAY else None

    def _reach(self) -> ModelProvider:
        with self._lock:
            if self._inner is None:
                self._inner = self.connect()
            return self._inner

    def _keep(self, key: str, request: ModelRequest, answer: ModelAnswer) -> None:
        row = {"key": key, "model": request.model, "operation": request.operation, **asdict(answer)}
        line = json.dumps(row, ensure_ascii=True, sort_keys=True) + "\n"
        with self._lock:
            _append(self.file, line.encode())
            self._answers.setdefault(key, []).append(answer)


def question_key(request: ModelRequest) -> str:
    """A digest that is equal for equal questions, whatever words were drawn to delimit their parts."""
    words: dict[str, str] = {}
    parts = [
        _DRAWN.sub(lambda found: words.setdefault(found[0], f"<{len(words)}>"), text)
        for text in (request.system, request.shared, request.prompt)
    ]
    whole = [request.model, *parts, request.schema, request.max_output, request.thinking]
    text = json.dumps(whole, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read_cassette(file: Path, *, must_exist: bool) -> Mapping[str, list[ModelAnswer]]:
    """The answers in a file, by key and in order; a last line that was cut off by a crash is left out.

    Raises:
        Broken: it cannot be read, or a line is none of a cassette's.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        if must_exist:
            raise _wrong(
                file, "there is no such file", "record one first: model_cassette_mode = record"
            ) from None
        return {}
    except OSError as error:
        raise _wrong(file, f"it cannot be read: {error.strerror}", "make it readable") from error
    *lines, rest = data.split(b"\n")
    found: dict[str, list[ModelAnswer]] = {}
    for number, line in enumerate(lines, start=1):
        key, answer = _read_line(file, number, line)
        found.setdefault(key, []).append(answer)
    del rest  # empty, or what a crash left of a line
    return found


def _read_line(file: Path, number: int, line: bytes) -> tuple[str, ModelAnswer]:
    try:
        row = json.loads(line)
        usage = Usage(**{name: int(count) for name, count in row["usage"].items()})
        answer = ModelAnswer(
            text=str(row["text"]), usage=usage, stop=str(row["stop"]), request_id=str(row["request_id"])
        )
        return str(row["key"]), answer
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"line {number} is no recorded answer ({type(error).__name__})"
        raise _wrong(file, what, "take the line out, and record the question anew") from error


def _append(file: Path, line: bytes) -> None:
    """Add one line, alone, even where other processes record into the same file."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            end = os.fstat(handle).st_size
            torn = end > 0 and os.pread(handle, 1, end - 1) != b"\n"
            if torn:
                os.ftruncate(handle, _last_line_end(handle, end))
            os.write(handle, line)
        finally:
            os.close(handle)
    except OSError as error:
        raise _wrong(
            file, f"it cannot be written: {error.strerror}", "make room, or name another file"
        ) from error


def _last_line_end(handle: int, end: int) -> int:
    return os.pread(handle, end, 0).rfind(b"\n") + 1


def _wrong(file: Path, what: str, action: str) -> Broken:
    return Broken(
        Reason.CONFIGURATION, f"the recorded answers {file} cannot be used: {what}", next_action=action
    )
