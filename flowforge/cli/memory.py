"""`flowforge memory`: what is remembered of answered conflicts, by a server or on this machine; make it forget."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Protocol
from uuid import UUID

import typer

from flowforge.api.memory_models import KeptDetail, KeptOut
from flowforge.cli.app import AsJson, group
from flowforge.cli.client import Client
from flowforge.cli.job import connect, find_repository
from flowforge.cli.output import data, data_json, say, table
from flowforge.cli.requests import invalid, listed
from flowforge.cli.server import is_named

app = group("What is remembered of answered conflicts: list, show, reject, forget.")

MUCH = 10  # answers; more are not forgotten without a question
_SHORT = 12  # letters of a key that are shown
_WHOLE = 64
_BEGINNING = re.compile(r"[0-9a-f]{1,64}")
_COUNTED = 1000  # as many as are counted before the question

Which = Annotated[
    str,
    typer.Argument(
        metavar="REPOSITORY", help="Name or id of a repository; without a server, its folder or url."
    ),
]
Key = Annotated[str, typer.Argument(metavar="KEY", help="Of an answer, or its beginning.")]
Path = Annotated[str, typer.Option(help="Only files that this glob names, as 'src/**/*.py' or '*.json'.")]
Person = Annotated[str, typer.Option(help="Only what this person wrote or approved (name or id).")]
Before = Annotated[str, typer.Option(metavar="DAY", help="Only what was used last before, as 2026-03-01.")]
Here = Annotated[bool, typer.Option("--here", help="What this machine remembers, whatever server is named.")]


class Keeper(Protocol):
    """The kept answers of one repository. `filters` are those of the REST API."""

    def answers(self, filters: Mapping[str, str], limit: int) -> list[KeptOut]:
        """Newest first."""
        ...

    def answer(self, key: str) -> KeptDetail: ...

    def forget(self, filters: Mapping[str, str]) -> int: ...

    def forget_one(self, key: str) -> int: ...

    def reject(self, key: str) -> KeptDetail:
        """Say no to an answer: it is not offered again until another text is used there."""
        ...


Open = Callable[[str], Keeper]  # a folder or url -> what this machine remembers of it


@dataclass(frozen=True, kw_only=True)
class _Served:
    client: Client
    repository: UUID

    def answers(self, filters: Mapping[str, str], limit: int) -> list[KeptOut]:
        def page(cursor: str | None) -> tuple[list[KeptOut], str | None]:
            asked: dict[str, str | int | list[str]] = {**filters, "limit": min(limit, 100)}
            found = self.client.kept_answers(self.repository, asked, cursor)
            return found.answers, found.next_cursor

        return listed(page, limit)

    def answer(self, key: str) -> KeptDetail:
        return self.client.kept_answer(self.repository, key)

    def forget(self, filters: Mapping[str, str]) -> int:
        """As many requests as it takes; each forgets a bounded number."""
        total, more = 0, True
        while more:
            done = self.client.forget_answers(self.repository, filters)
            total, more = total + done.count, done.more
        return total

    def forget_one(self, key: str) -> int:
        return self.client.forget_answer(self.repository, key).count

    def reject(self, key: str) -> KeptDetail:
        raise invalid(
            f"a server hears a no to {key[:_SHORT]} from the job that holds the answer",
            "flowforge job reject JOB, or flowforge job undo JOB; or forget the answer",
        )


@contextmanager
def _keeper(ctx: typer.Context, repository: str, *, here: bool) -> Iterator[Keeper]:
    """What this machine remembers where no server is named; only the entry point hands us that."""
    local: Open | None = ctx.obj
    if local is not None and (here or not is_named(os.environ)):
        yield local(repository)
        return
    with connect() as client:
        yield _Served(client=client, repository=find_repository(client, repository))


@app.command("list")
def list_(
    ctx: typer.Context,
    repository: Which,
    *,
    path: Path = "",
    person: Person = "",
    before: Before = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    here: Here = False,
    json: AsJson = False,
) -> None:
    """List kept answers, newest first."""
    with _keeper(ctx, repository, here=here) as keeper:
        found = keeper.answers(_chosen(path, person, before), limit)
    if json:
        data_json([one.model_dump(mode="json") for one in found])
        return
    columns = {"KEY": "left", "PATH": "left", "BY": "left", "STATE": "left", "USES": "right", "USED": "left"}
    table(
        columns,
        [
            [one.key[:_SHORT], one.path, _by(one), _state(one), str(one.uses), f"{one.last_used_at:%Y-%m-%d}"]
            for one in found
        ],
    )


@app.command()
def show(
    ctx: typer.Context, repository: Which, key: Key, *, here: Here = False, json: AsJson = False
) -> None:
    """Show an answer: where it came from, what became of it, and its text."""
    with _keeper(ctx, repository, here=here) as keeper:
        found = keeper.answer(_whole(keeper, key))
    if json:
        data_json(found.model_dump(mode="json"))
    else:
        data("\n".join(_described(found)))


@app.command()
def reject(
    ctx: typer.Context, repository: Which, key: Key, *, here: Here = False, json: AsJson = False
) -> None:
    """Say no to an answer of this machine: it is not offered again until another text is used there.

    Of what a person wrote, the no makes a proposal.
    """
    with _keeper(ctx, repository, here=here) as keeper:
        found = keeper.reject(_whole(keeper, key))
    if json:
        data_json(found.model_dump(mode="json"))
    else:
        say(f"{found.key[:_SHORT]} of {found.path}: {_state(found)}")


@app.command()
def forget(
    ctx: typer.Context,
    repository: Which,
    key: Annotated[str, typer.Argument(metavar="[KEY]", help="Of an answer, or its beginning.")] = "",
    *,
    path: Path = "",
    person: Person = "",
    before: Before = "",
    every: Annotated[bool, typer.Option("--all", help="All that the repository remembers.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, however much it is.")] = False,
    here: Here = False,
    json: AsJson = False,
) -> None:
    """Forget an answer, those that the options choose, or all. What stands in branches is not changed."""
    chosen = _chosen(path, person, before)
    if bool(key) + bool(chosen) + every != 1:
        raise invalid(
            "it is not clear what to forget", "name a KEY, or some of --path, --person and --before, or --all"
        )
    with _keeper(ctx, repository, here=here) as keeper:
        if key:
            count = keeper.forget_one(_whole(keeper, key))
        else:
            if not yes:
                _ask(repository, keeper.answers(chosen, _COUNTED))
            count = keeper.forget({**chosen, **({"all": "true"} if every else {})})
    if json:
        data_json({"forgotten": count})
    else:
        say(f"{repository} forgot {_count(count)}")


def _ask(repository: str, found: list[KeptOut]) -> None:
    """A person says yes to much; where nobody can be asked, nothing is forgotten."""
    if len(found) <= MUCH:
        return
    how = f"{'at least ' if len(found) == _COUNTED else ''}{_count(len(found))} of {repository}"
    if not sys.stdin.isatty():
        raise invalid(f"this would forget {how}", "say --yes if that is meant")
    typer.confirm(f"Forget {how}?", abort=True, err=True)


def _chosen(path: str, person: str, before: str) -> dict[str, str]:
    return {name: text for name, text in (("path", path), ("person", person), ("before", before)) if text}


def _whole(keeper: Keeper, key: str) -> str:
    """A whole key as it is; of a beginning, the one answer that it means."""
    if len(key) == _WHOLE:
        return key
    begins = key.lower()
    fits = keeper.answers({"key": begins}, 2) if _BEGINNING.fullmatch(begins) else []
    if len(fits) != 1:
        many = "more than one key begins" if fits else "no key begins"
        raise invalid(f"{many} with {key[:_WHOLE]!r}", "see them: flowforge memory list REPOSITORY --json")
    return fits[0].key


def _by(one: KeptOut) -> str:
    return one.by_name or one.rung if one.rung == "person" else one.rung


def _state(one: KeptOut) -> str:
    if one.refused:
        return one.refused
    agreed = {"tests": "tests passed", "person": f"agreed: {one.by_name or 'a person'}", "": "a proposal"}
    return agreed.get(one.confirmed, one.confirmed)


def _described(one: KeptDetail) -> list[str]:
    facts: dict[str, Any] = {
        "key": one.key,
        "path": one.path,
        "rung": one.rung + (f" ({one.rule})" if one.rule else ""),
        "why": one.why,
        "state": _state(one),
        "person": one.by_name,
        "job": one.job,
        "commit": one.commit,
        "kept": f"{one.created_at:%Y-%m-%d %H:%M} UTC",
        "used": f"{one.uses} times, last {one.last_used_at:%Y-%m-%d %H:%M} UTC",
    }
    lines = [f"{name:<7} {value}" for name, value in facts.items() if value not in ("", None)]
    text = one.text if one.text is not None else "(no text that can be shown)"
    return [*lines, "text", *(f"  {line}" for line in text.splitlines())]


def _count(number: int) -> str:
    return f"{number} answer{'' if number == 1 else 's'}"
