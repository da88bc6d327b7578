"""Answers by script. It reads path, hunks and sides from the question, as any model would have to.

Settings: `rule` names one rule for every hunk; `script` is JSON, either a list of whole answers given one after
the other (the last one stays), or a mapping of path to a rule or to a mapping of hunk id to rule or text.

The rules are in `scripted_rules`. A request whose model is named like a rule follows that one.
"""

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flowforge.plugin import Broken, ModelAnswer, ModelRequest, Reason, Usage
from flowforge_plugins.models.scripted_review import review_answer
from flowforge_plugins.models.scripted_rules import ADDED, RULES, WHOLE

_HUNK: Final = re.compile(r"^--- (\w+) hunk (\d+), line \d+$", re.MULTILINE)
_PATH: Final = re.compile(r"^Path: (.*)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One hunk as the question shows it."""

    id: int
    upstream: str
    base: str
    commit: str


def connect(settings: Mapping[str, str]) -> "Scripted":
    """Build the provider from settings `rule` (default `both`) and `script`.

    Raises:
        Broken: no such rule, or the script is neither a list nor a mapping.
    """
    rule = settings.get("rule") or "both"
    if rule not in RULES:
        raise _wrong(f"there is no rule {rule!r}", f"use one of {', '.join(sorted(RULES))}")
    return Scripted(rule=rule, script=_script(settings.get("script", "")))


def _script(text: str) -> object:
    if not text:
        return {}
    try:
        script = json.loads(text)
    except ValueError as error:
        raise _wrong(f"its script is no JSON: {error}", "give a list or a mapping") from error
    if not isinstance(script, dict | list) or script == []:
        raise _wrong("its script is neither a list with answers nor a mapping", "give one of them")
    return script


def _wrong(what: str, action: str) -> Broken:
    return Broken(Reason.CONFIGURATION, f"the scripted model cannot start: {what}", next_action=action)


class Scripted:
    """A `ModelProvider` without a model."""

    def __init__(self, *, rule: str, script: object) -> None:
        self._rule = rule
        self._script = script
        self._at = 0
        self._lock = threading.Lock()

    def complete(self, request: ModelRequest, deadline: float) -> ModelAnswer:  # noqa: ARG002 (answers at once)
        text = self._next() if isinstance(self._script, list) else self._by_rule(request)
        usage = Usage(input=self.count_tokens(request), output=len(text.encode()))
        return ModelAnswer(text=text, usage=usage, stop="end", request_id="scripted")

    def count_tokens(self, request: ModelRequest) -> int:
        return len((request.system + request.shared + request.prompt).encode())

    def _next(self) -> str:
        """The list's answers in order; one that is no string is given as JSON."""
        answers = self._script if isinstance(self._script, list) else []
        with self._lock:
            answer = answers[min(self._at, len(answers) - 1)]
            self._at += 1
        return answer if isinstance(answer, str) else json.dumps(answer)

    def _by_rule(self, request: ModelRequest) -> str:
        found = _PATH.search(request.prompt)
        usual = request.model if request.model in RULES else self._rule
        script = self._script if isinstance(self._script, dict) else {}
        if request.operation == "review":
            return WHOLE[usual] if usual in WHOLE else review_answer(request.prompt, usual)
        given = script.get(found[1] if found else "", usual)
        hunks = read_hunks(request.prompt)
        rules = [str(given.get(str(h.id), usual) if isinstance(given, dict) else given) for h in hunks]
        whole = next((WHOLE[rule] for rule in rules if rule in WHOLE), None)
        if whole is not None:
            return whole
        rows = [_row(hunk, rule) for hunk, rule in zip(hunks, rules, strict=True)]
        return json.dumps({"hunks": rows})


def read_hunks(prompt: str) -> Sequence[Asked]:
    """The hunks of a question, by the delimiter that its first hunk stands under."""
    first = _HUNK.search(prompt)
    if first is None:
        return ()
    delimiter = re.escape(first[1])
    parts = re.split(rf"^--- {delimiter} (.*)\n?", prompt, flags=re.MULTILINE)
    titles = dict(zip(parts[1::2], parts[2::2], strict=True))
    ids = [int(number) for word, number in _HUNK.findall(prompt) if word == first[1]]
    return [
        Asked(
            id=number,
            upstream=titles.get(f"upstream of hunk {number}", ""),
            base=titles.get(f"base of hunk {number}", ""),
            commit=titles.get(f"commit of hunk {number}", ""),
        )
        for number in ids
    ]


def _row(hunk: Asked, rule: str) -> dict[str, object]:
    row: dict[str, object] = {
        "id": hunk.id,
        "action": rule if rule in {"upstream", "commit", "abstain"} else "merged",
        "text": "",
        "kept": [],
        "dropped": [_dropped("commit", hunk.commit), _dropped("upstream", hunk.upstream)],
        "why": f"scripted answer by the rule {rule!r}",
        "elsewhere": [],
    }
    if row["action"] != "merged":
        return row
    if rule == "bad:lost":
        return {**row, "text": hunk.upstream.partition("\n")[2], "dropped": []}
    if rule not in RULES:
        return {**row, "text": rule}  # the script gave the text itself
    union = _union(hunk)
    return {**row, "text": union + _indent(union, ADDED.get(rule, ""))}


def _union(hunk: Asked) -> str:
    have = set(hunk.upstream.splitlines())
    more = [line + "\n" for line in hunk.commit.splitlines() if line not in have or not line.strip()]
    return hunk.upstream + "".join(more)


def _indent(text: str, line: str) -> str:
    """Where the text before it stands, so that only what the rule means is wrong with the line."""
    last = next((before for before in reversed(text.splitlines()) if before.strip()), "")
    return last[: len(last) - len(last.lstrip())] + line if line else ""


def _dropped(side: str, text: str) -> dict[str, str]:
    return {"side": side, "what": text[:3900], "why": "by rule"}
