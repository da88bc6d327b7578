"""`flowforge memory` on this machine: the answers in this user's file, in the shapes in which a server gives them."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from flowforge.api.memory_models import KeptDetail, KeptOut
from flowforge.cli.output import say
from flowforge.cli.requests import invalid
from flowforge.core.errors import Reason, Refused
from flowforge.jobs.answers import expression
from flowforge.resolve.memory import rejected
from flowforge.store.answer_file import AnswerFile, Row
from flowforge.wiring.remembered import answer_file, found_in, kept_in, repository_at, said_of


@dataclass(frozen=True, kw_only=True)
class LocalKeeper:
    """Implements `cli.memory.Keeper`."""

    file: AnswerFile
    repository: str

    def answers(self, filters: Mapping[str, str], limit: int) -> list[KeptOut]:
        return [KeptOut(**_kept(row)) for row in self._chosen(filters)[:limit]]

    def answer(self, key: str) -> KeptDetail:
        found = self.file.find(self.repository, [key])
        if not found:
            raise _missing(key)
        return KeptDetail(**_kept(found[0]), text=_text(found[0]))

    def forget(self, filters: Mapping[str, str]) -> int:
        return self.file.drop(self.repository, [str(row["key"]) for row in self._chosen(filters)])

    def forget_one(self, key: str) -> int:
        count = self.file.drop(self.repository, [key])
        if not count:
            raise _missing(key)
        return count

    def reject(self, key: str) -> KeptDetail:
        """As a person's no to a result does it in a service.

        Raises:
            Refused: not_found.
        """

        def no(before: Mapping[str, Row]) -> Mapping[str, Row | None]:
            return {one: {**row, **said_of(rejected(kept_in(row)))} for one, row in before.items()}

        self.answer(key)  # or it is refused, before a file is made
        self.file.change(self.repository, [key], no)
        return self.answer(key)

    def _chosen(self, filters: Mapping[str, str]) -> list[Row]:
        fits = _Filter.read(filters)
        return [row for row in self.file.of_repository(self.repository) if fits.names(row)]


@dataclass(frozen=True, kw_only=True)
class _Filter:
    key: str
    path: re.Pattern[str] | None
    person: str
    before: float | None

    @classmethod
    def read(cls, filters: Mapping[str, str]) -> "_Filter":
        glob, day = filters.get("path", ""), filters.get("before", "")
        return cls(
            key=filters.get("key", ""),
            path=re.compile(expression(glob), re.DOTALL) if glob else None,
            person=filters.get("person", "").casefold(),
            before=datetime.combine(_day(day), time(), UTC).timestamp() if day else None,
        )

    def names(self, row: Mapping[str, Any]) -> bool:
        people = {str(row["by_user"] or "").casefold(), str(row["by_name"] or "").casefold()}
        return (
            row["key"].startswith(self.key)
            and (self.path is None or self.path.match(row["path"]) is not None)
            and (not self.person or self.person in people)
            and (self.before is None or row["last_used_at"] < self.before)
        )


def keeper_of(repository: str) -> LocalKeeper:
    """What this user's runs remember of the repository in a folder, or at a url.

    Raises:
        Refused: invalid_request, it is neither.
    """
    named = repository_at(repository)
    if not named:
        raise invalid(
            f"there is no repository in a folder {repository[:200]!r} here, and no server is named",
            "give a folder such as '.', or name a server: FLOWFORGE_URL and FLOWFORGE_TOKEN",
        )
    return LocalKeeper(file=answer_file(say, os.environ), repository=named)


def _kept(row: Mapping[str, Any]) -> dict[str, Any]:
    same = ("key", "path", "size", "rung", "rule", "why", "confirmed", "by_name", "refused", "uses")
    return {
        **{name: row[name] for name in same},
        "by": None,
        "job": None,
        "commit": row["commit_id"],
        "created_at": datetime.fromtimestamp(row["created_at"], UTC),
        "last_used_at": datetime.fromtimestamp(row["last_used_at"], UTC),
    }


def _text(row: Row) -> str | None:
    found = found_in(row)
    try:
        return None if found is None else found.text.decode()
    except UnicodeDecodeError:
        return None


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise invalid(f"--before {text[:40]!r} is no day", "write it as 2026-03-01") from None


def _missing(key: str) -> Refused:
    return Refused(
        Reason.NOT_FOUND,
        f"nothing is kept under {key[:80]!r}",
        next_action="list what is kept: flowforge memory list REPOSITORY",
    )
