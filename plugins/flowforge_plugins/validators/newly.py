"""The one rule of all syntax checks: a result may not be broken where both sides were whole.

A side that was broken already (an older language version, a template, a test's bad sample) makes the finding a
warning: the merge is not to blame for it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flowforge.plugin import CheckedFile, Finding, Level


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a text cannot be read, and at which 1-based line."""

    message: str
    line: int = 1


Parse = Callable[[bytes], Problem | None]


def newly_broken(file: CheckedFile, rule: str, parse: Parse) -> Iterator[Finding]:
    """A finding where `parse` has a problem with the result: an error unless it has one with a side too."""
    problem = parse(file.text)
    if problem is None:
        return
    broken = [name for name, side in _sides(file) if side and side.strip() and parse(side) is not None]
    already = f" (so is {' and '.join(broken)})" if broken else ""
    yield Finding(
        rule=rule,
        level=Level.WARNING if broken else Level.ERROR,
        message=f"{problem.message}{already}",
        path=file.path,
        start=problem.line,
        end=problem.line,
        introduced=not broken,
    )


def _sides(file: CheckedFile) -> tuple[tuple[str, bytes | None], ...]:
    return ("upstream", file.upstream), ("commit", file.commit)
