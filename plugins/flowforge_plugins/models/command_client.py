"""A question is piped to a program as JSON, and its answer is read as JSON.

On its standard input the program finds one object with `model`, `system`, `shared`, `prompt`, `schema` (the JSON
schema of the answer), `max_output` and `thinking` (tokens), `operation`, and `deadline` (seconds). On its standard
output it writes one object with `text`; `stop` (end unless it says max_tokens, refusal, other or cut), `usage`
(input, output, cache_write, cache_read, cache_write_hour: tokens; not given: the upper bound is settled) and
`request_id` are its choice. Standard error is for people: its end is shown when something goes wrong.

It ends with 0 when it has an answer. Any other status says that there is none and that nothing was billed:
75 = try again later, 65 = the question is too long, 77 = no right or no key; the rest is for the operator.
"""

import json
import os
from collections.abc import Mapping
from typing import Any, Final

from flowforge.plugin import (
    Broken,
    FlowForgeError,
    ModelAnswer,
    ModelRequest,
    Reason,
    Refused,
    Temporary,
    Usage,
)
from flowforge_plugins.models.program import Ended, Failure, run
from flowforge_plugins.models.provider_settings import seconds, wrong
from flowforge_plugins.models.service_errors import masked, no_time

FRAME_TOKENS: Final = 1024
_STOPS: Final = frozenset({"end", "max_tokens", "refusal", "other", "cut"})
_COUNTS: Final = ("input", "output", "cache_write", "cache_read", "cache_write_hour")
_OUR_PREFIX: Final = "FLOWFORGE_"
_BESIDE: Final = ("PATH", "HOME", "TMPDIR")  # what every program needs, and what holds no secret
_SHOWN: Final = 400  # characters of standard error
_LEAST_SECRET: Final = 6  # characters of a variable's value that is masked


def connect(settings: Mapping[str, str]) -> "Command":
    """Build the provider from settings `command` and `command_env` (JSON lists), `timeout` (seconds).

    Raises:
        Broken: no program is named, or a variable is one of FlowForge's own.
    """
    argv, names = _words(settings, "command"), _words(settings, "command_env")
    if not argv:
        raise wrong("command", "has no program", "set model_command to the program and its arguments")
    ours = next((name for name in names if name.startswith(_OUR_PREFIX)), None)
    if ours is not None:
        raise wrong(
            "command",
            f"is not given {ours}: FlowForge's own settings may hold its secrets",
            "give the program a variable of its own",
        )
    given = {name: os.environ[name] for name in names if name in os.environ}
    return Command(argv=argv, given=given, timeout=seconds(settings.get("timeout", "")))


def _words(settings: Mapping[str, str], name: str) -> list[str]:
    try:
        found = json.loads(settings.get(name) or "[]")
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(word, str) and word for word in found):
        raise wrong("command", f"cannot read {name}: it is no list of words", f"set model_{name} to a list")
    return found


class Command:
    """A `ModelProvider`. Safe for threads; every question is a process of its own."""

    def __init__(self, *, argv: list[str], given: Mapping[str, str], timeout: float) -> None:
        self._argv = argv
        self._timeout = timeout
        self._secrets = tuple(value for value in given.values() if len(value) >= _LEAST_SECRET)
        usual = {name: os.environ[name] for name in _BESIDE if name in os.environ}
        self._env = {"LANG": "C.UTF-8", **usual, **given}

    def complete(self, request: ModelRequest, deadline: float) -> ModelAnswer:
        left = min(deadline, self._timeout)
        if left <= 0:
            raise no_time()
        try:
            ended = run(self._argv, _question(request, left), self._env, left)
        except OSError as error:
            raise self._broken(f"cannot be started: {error.strerror}", "") from error
        if ended.failure is not Failure.NONE:
            return self._cut(request, f"{ended.failure.value}{self._tail(ended)}")
        if ended.status != 0:
            raise self._error(ended)
        return self._answer(request, ended)

    def count_tokens(self, request: ModelRequest) -> int:
        """A bound that holds without asking anybody: no token is shorter than a byte."""
        text = request.system + request.shared + request.prompt + json.dumps(request.schema)
        return len(text.encode(errors="surrogatepass")) + FRAME_TOKENS

    def _answer(self, request: ModelRequest, ended: Ended) -> ModelAnswer:
        try:
            said = json.loads(ended.output)
        except (ValueError, RecursionError):
            return self._cut(request, f"the program's answer is no JSON{self._tail(ended)}")
        text = said.get("text") if isinstance(said, dict) else None
        if not isinstance(text, str):
            return self._cut(request, f"the program's answer has no 'text'{self._tail(ended)}")
        stop = said.get("stop", "end")
        if stop == "cut":
            return self._cut(request, "the program said so")
        return ModelAnswer(
            text=text,
            usage=_usage(said.get("usage")) or self._worst(request),
            stop=stop if stop in _STOPS else "other",
            request_id=masked(str(said.get("request_id") or ""), *self._secrets)[:200],
        )

    def _cut(self, request: ModelRequest, why: str) -> ModelAnswer:
        return ModelAnswer(text="", usage=self._worst(request), stop="cut", why=why)

    def _worst(self, request: ModelRequest) -> Usage:
        """It may have written all of the question to a cache, for as long as that can be kept."""
        bound = self.count_tokens(request)
        return Usage(cache_write=bound, output=request.max_output + request.thinking)

    def _error(self, ended: Ended) -> FlowForgeError:
        what, tail = f"ended with status {ended.status}", self._tail(ended)
        match ended.status:
            case os.EX_DATAERR:
                return Refused(
                    Reason.TOO_LARGE,
                    f"the request is too long for the model: the program {what}{tail}",
                    next_action="resolve this conflict by hand",
                )
            case os.EX_TEMPFAIL:
                return Temporary(
                    Reason.MODEL_UNAVAILABLE,
                    f"the program that asks the model {what}{tail}",
                    delay=10.0,
                    next_action="nothing: it is asked again; if it lasts, look at what it reaches",
                )
            case os.EX_NOPERM:
                return self._broken(f"has no right to ask ({what})", tail)
        return self._broken(what, tail, Reason.MODEL_UNAVAILABLE)

    def _broken(self, what: str, tail: str, reason: Reason = Reason.CONFIGURATION) -> Broken:
        return Broken(
            reason,
            f"the program that asks the model, {self._argv[0]!r}, {what}{tail}",
            next_action="run it by hand with a question on its standard input; see `flowforge help model`",
        )

    def _tail(self, ended: Ended) -> str:
        """The end of what it said to people, without what it was given in secret."""
        said = masked(ended.errors.decode(errors="replace"), *self._secrets).strip()[-_SHOWN:]
        return f", saying: {' '.join(said.split())}" if said else ""


def _question(request: ModelRequest, left: float) -> bytes:
    asked: dict[str, Any] = {
        "model": request.model,
        "system": request.system,
        "shared": request.shared,
        "prompt": request.prompt,
        "schema": dict(request.schema),
        "max_output": request.max_output,
        "thinking": request.thinking,
        "operation": request.operation,
        "deadline": round(left, 3),
    }
    return json.dumps(asked).encode() + b"\n"


def _usage(told: object) -> Usage | None:
    """None where it does not say, or not both of what every call has."""
    if not isinstance(told, dict) or not {"input", "output"} <= set(told):
        return None
    counts = {name: told.get(name, 0) for name in _COUNTS}
    sensible = all(isinstance(value, int) and value >= 0 for value in counts.values())
    return Usage(**counts) if sensible else None
