"""What runs without a service remember from one to the next: `resolve.memory.Memory` over a file of this user.

The rules are those of every memory. Only what was agreed to is written: what a rung has answered stays in this process
until tests of the very tree have passed, or a person wrote it.
"""

import os
import sys
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

from flowforge.core.masking import Mask
from flowforge.core.places import config_file, memory_file
from flowforge.git.home import home_of
from flowforge.resolve import memory as rules
from flowforge.resolve.memory import Confirmed, Found, Given, Kept, Person, Refused, Remembered
from flowforge.store.answer_file import AnswerFile, Row, Unusable

T = TypeVar("T")
Rule = Callable[[Kept], Kept | None]
Say = Callable[[str], None]

SETTING = "FLOWFORGE_LOCAL_MEMORY"
_NO = {"0", "false", "no", "off", "n", "f"}


@dataclass(kw_only=True)
class FileMemory:
    """Implements `resolve.memory.Memory`. Trouble with the file is said once, and costs nothing else."""

    file: AnswerFile
    repository: str  # as `repository_at` names it
    say: Say
    mask: Mask = field(default_factory=lambda: Mask(()))  # no text with a secret of it is kept
    frozen: bool = False  # nothing is written
    _own: Remembered = field(default_factory=Remembered)  # what this process has seen and used
    _paths: dict[str, str] = field(default_factory=dict)  # of what was used, by key
    _silent: bool = False

    def find(self, keys: Collection[str]) -> Mapping[str, Found]:
        self._own.learn(self._read(keys))
        return self._own.find(keys)

    def keep(self, answers: Sequence[Given]) -> None:
        shown = [one for one in answers if not rules.poisoned(one.text) and self._shown(one)]
        fit = {one.key: one for one in shown}
        if fit:
            self._own.learn(self._read(fit))
            self._own.keep(shown)
            self._paths |= {one.key: one.path for one in shown}
            self._change(fit, partial(_used, fit))

    def tested(self, marks: Collection[str], *, passed: bool) -> None:
        self._own.tested(marks, passed=passed)
        self._judge(marks, partial(rules.after_tests, passed=passed))

    def take_back(self, marks: Collection[str]) -> None:
        self._own.take_back(marks)
        self._judge(marks, rules.undone)

    def _judge(self, marks: Collection[str], rule: Rule) -> None:
        keys = rules.unmarked(marks)
        if keys:
            own = {key: (self._paths.get(key, ""), found) for key, found in self._own.find(keys).items()}
            self._change(keys, partial(_judged, marks, rule, own))

    def _shown(self, given: Given) -> bool:
        texts = (given.text.decode("utf-8", "replace"), given.why, given.path)
        return all(self.mask.text(text) == text for text in texts)

    def _read(self, keys: Collection[str]) -> Mapping[str, Found]:
        rows = self._safely(lambda: self.file.find(self.repository, keys)) or []
        return {str(row["key"]): found for row in rows if (found := found_in(row)) is not None}

    def _change(
        self, keys: Collection[str], decide: Callable[[Mapping[str, Row]], Mapping[str, Row | None]]
    ) -> None:
        if not self.frozen:
            self._safely(lambda: self.file.change(self.repository, keys, decide))

    def _safely(self, doing: Callable[[], T]) -> T | None:
        try:
            return doing()
        except Unusable as error:
            if not self._silent:
                self.say(error.sentence)
            self._silent = True
            return None


def _used(given: Mapping[str, Given], before: Mapping[str, Row]) -> Mapping[str, Row | None]:
    """Of what was used: what the file holds already, and what a person wrote."""
    after: dict[str, Row | None] = {}
    for key, one in given.items():
        known = found_in(before[key]) if key in before else None
        kept = rules.used(known.kept if known else None, one, "")
        if kept is None or kept.digest != rules.digest(one.text) or (known is None and one.by is None):
            continue  # it is not this answer that is kept, or nobody has agreed to it yet
        agreed = one.by is not None or (known is not None and known.kept.digest == kept.digest)
        after[key] = _row(one.text, one.path, kept) if agreed else None
    return after


def _judged(
    marks: Collection[str], rule: Rule, own: Mapping[str, tuple[str, Found]], before: Mapping[str, Row]
) -> Mapping[str, Row | None]:
    """What a rule makes of the file's rows; and what this process has used that somebody has agreed to now."""
    known = {key: found for key, row in before.items() if (found := found_in(row)) is not None}
    changed = rules.marked({key: found.kept for key, found in known.items()}, marks, rule)
    after: dict[str, Row | None] = {
        key: None if kept is None else _row(known[key].text, str(before[key]["path"]), kept)
        for key, kept in changed.items()
    }
    digests = rules.unmarked(marks)
    for key, (path, found) in own.items():
        agreed = found.kept.digest == digests.get(key) and (found.kept.confirmed or found.kept.refused)
        if agreed and path and key not in known:
            after[key] = _row(found.text, path, found.kept)
    return after


def found_in(row: Row) -> Found | None:
    """None where the row is not as it was written: then it is as if never seen."""
    text = row.get("text")
    if not isinstance(text, bytes) or rules.digest(text) != row["digest"]:
        return None
    try:
        return Found(kept=kept_in(row), text=text)
    except (ValueError, TypeError, OverflowError):
        return None


def kept_in(row: Mapping[str, Any]) -> Kept:
    by = None if row["by_name"] is None else Person(user=str(row["by_user"] or ""), name=str(row["by_name"]))
    return Kept(
        digest=row["digest"],
        rung=row["rung"],
        rule=row["rule"],
        why=row["why"],
        confirmed=Confirmed(row["confirmed"]),
        by=by,
        refused=Refused(row["refused"]),
        commit=row["commit_id"],
        last=("", row["last_commit"]),
        uses=int(row["uses"]),
        day=f"{datetime.fromtimestamp(row['created_at'], UTC):%Y-%m-%d}",
    )


def said_of(kept: Kept) -> Row:
    """The columns that say who agreed to it, and who took it back."""
    by = kept.by
    return {
        "confirmed": kept.confirmed.value,
        "by_user": by.user if by else None,
        "by_name": by.name if by else None,
        "refused": kept.refused.value,
    }


def _row(text: bytes, path: str, kept: Kept) -> Row:
    return {
        **said_of(kept),
        "path": path,
        "digest": kept.digest,
        "text": text,
        "size": len(text),
        "rung": kept.rung,
        "rule": kept.rule,
        "why": kept.why,
        "commit_id": kept.commit,
        "last_commit": kept.last[1],
        "uses": kept.uses,
    }


# ------------------------------------------------------------------------------------------------ where it is


def switched_on(environment: Mapping[str, str]) -> bool:
    """The setting `local_memory`, without reading all the others: a merge driver has no time for that."""
    given = environment.get(SETTING, "").strip().lower()
    if given:
        return given not in _NO
    with suppress(OSError, ValueError):
        return bool(tomllib.loads(config_file(environment).read_text("utf-8")).get("local_memory", True))
    return True


def answer_file(say: Say, environment: Mapping[str, str] | None = None) -> AnswerFile:
    return AnswerFile(
        path=memory_file(os.environ if environment is None else environment, sys.platform), say=say
    )


def repository_at(named: str) -> str:
    """How the file names a repository: the folder that all its work trees share, or its url without userinfo.

    "" where it is neither a folder with a repository nor a url.
    """
    parts = urlsplit(named)
    folder = Path(unquote(parts.path) if parts.scheme == "file" else named).expanduser()
    with suppress(OSError):
        if folder.is_dir():
            own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
            return home_of(folder, own)
    if parts.scheme in {"", "file"} or "://" not in named:
        return ""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))
