"""What a waiting job asks, as lines of 80 columns, and its texts as files."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

from flowforge.api.control_models import AskedFileOut, OutlookOut, QuestionOut
from flowforge.cli.output import WIDTH, say
from flowforge.cli.requests import invalid
from flowforge.cli.waiting import folded
from flowforge.core.decision import Verb

_SHORT = 10  # letters of a commit id
_NAMED = 8  # paths in a line


def described_question(job: UUID, asked: QuestionOut, *, checks: bool = True) -> list[str]:
    """What is asked, what a yes lets through, file by file how it was answered, and the commands that answer.

    Without `checks` what the stages said stands nearby already.
    """
    lines = [f"question {asked.number}, of stage {asked.stage}", *_said(asked.sentence)]
    lines += folded("asked", f"{asked.asked_at:%Y-%m-%d %H:%M} UTC", indent=2)
    if asked.decision is not None:
        lines += folded("decided", asked.decision, indent=2)
    else:
        lines += folded(
            "until", f"{asked.expires_at:%Y-%m-%d %H:%M} UTC; undecided the job ends then", indent=2
        )
    if asked.who != "user":
        lines += folded("who", f"{asked.who} or higher may approve it; anybody may reject it", indent=2)
    if asked.outlook is not None:
        lines += _outlook(asked.outlook, checks=checks)
    lines += [line for file in asked.files for line in _file(file)]
    return lines if asked.decision is not None else [*lines, "answers", *commands(job, asked)]


def commands(job: UUID, asked: QuestionOut) -> list[str]:
    """The commands that answer, those first that only look."""
    open_ = [file.path for file in asked.files if file.open]
    edited = " ".join(f"{path}=FILE" for path in open_[:3] or [file.path for file in asked.files[:1]])
    ways = {
        Verb.APPROVE: f"  flowforge job approve {job}",
        Verb.EDIT: f"  flowforge job edit {job} {edited or 'PATH=FILE'}",
        Verb.REJECT: f"  flowforge job reject {job}",
    }
    look = [f"  flowforge job question {job} --out FOLDER"] if asked.files else []
    said = [verb for verb in asked.answers if verb is not Verb.EDIT or asked.files]
    return [*look, *(ways[verb] for verb in said)]


def _outlook(outlook: OutlookOut, *, checks: bool) -> Iterator[str]:
    for move in outlook.moves:
        name = move.ref.removeprefix("refs/heads/")
        how = f"from {move.old[:_SHORT]} to" if move.old else "made at"
        yield from folded("push", f"{name}, {how} {move.new[:_SHORT]}", indent=2)
    commits = f"{outlook.commits} commit{'' if outlook.commits == 1 else 's'}"
    stands = f"{commits} on {outlook.target} at {outlook.upstream[:_SHORT]}"
    yield from folded("result", f"{outlook.head[:_SHORT]}, {stands}", indent=2)
    yield from folded("changes", _paths(outlook.changed, outlook.changed_count), indent=2)
    for check in outlook.checks if checks else ():
        sentence = f": {check.sentence}" if check.sentence else ""
        yield from folded(check.stage, f"{check.result}{sentence}", indent=2)


def _paths(paths: Sequence[str], count: int) -> str:
    """As many names as a person reads, and how many there are."""
    more = f" and {count - _NAMED} more" if count > _NAMED else ""
    return (
        f"{', '.join(paths[:_NAMED])}{more} ({count} file{'' if count == 1 else 's'})" if count else "no file"
    )


def _file(file: AskedFileOut) -> Iterator[str]:
    marks = [word for word, there in (("open", file.open), ("protected", file.protected)) if there]
    yield f"  {file.path} in {file.commit[:_SHORT]}{' (' + ', '.join(marks) + ')' if marks else ''}"
    for hunk in file.hunks:
        yield from folded(f"{hunk.rung}:", hunk.why, indent=4)


def _said(sentence: str) -> list[str]:
    return textwrap.wrap(
        sentence,
        width=WIDTH,
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def write_text(folder: Path, file: AskedFileOut) -> None:
    """The answer or merge of a file below `folder`; a path of a repository never leads out of it."""
    if file.result is None:
        say(f"{file.path!r} has no text that can be shown")
        return
    place = (folder / file.path).resolve()
    if not place.is_relative_to(folder.resolve()):
        raise invalid(f"{file.path!r} leads out of {str(folder)!r}", "look at it with --json")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.result.encode())
    except OSError as error:
        raise invalid(f"{str(place)!r} cannot be written: {error.strerror}", "name another folder") from None
    say(f"wrote {place}")
