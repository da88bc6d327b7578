"""What of the format this version does not honour yet: one table. A row is taken out when a stage honours it.

Accepted and kept with the pipeline, to be acted on outside of a run: `triggers` (pull_request, comment, push, api) by
the door that receives the event, `concurrency` by the door that submits and by the relay.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flowforge.pipeline.document import Node
from flowforge.pipeline.problems import Mark, Problem


@dataclass(frozen=True, kw_only=True)
class NotYet:
    """A key (dotted, * for any item) and which of its values are not honoured."""

    key: str
    what: str
    instead: str
    values: Callable[[object], bool] = lambda _value: True


def _is(*words: object) -> Callable[[object], bool]:
    return lambda value: value in words


def _organization(value: object) -> bool:
    return isinstance(value, str) and value.startswith("org:")


def _several(value: object) -> bool:
    return isinstance(value, int) and value > 1


NOT_YET = (
    NotYet(
        key="extends.*",
        values=_organization,
        what="extending a definition of the organization",
        instead="extend flowforge:NAME or a file of the repository",
    ),
    NotYet(
        key="triggers.schedule",
        what="the trigger `schedule`",
        instead="a definition names no branch: flowforge schedule add NAME REPOSITORY BRANCH --cron '0 5 * * 1-5'",
    ),
    NotYet(
        key="stages.*.image",
        what="`image`",
        instead="commands run on the worker's own system, so install there what they need",
    ),
    NotYet(
        key="stages.*.network",
        values=_is("registry"),
        what="`network: registry`",
        instead="use `network: none`, or `full` where the repository is trusted",
    ),
    NotYet(key="stages.*.cache", what="`cache`", instead="take it out; the stage runs without"),
    NotYet(key="stages.*.junit", what="`junit`", instead="take it out; the exit status decides"),
    NotYet(key="stages.*.with.max_file_size", what="`max_file_size`", instead="take it out"),
    NotYet(
        key="stages.*.with.model.candidates",
        values=_several,
        what="more than one candidate",
        instead="write `candidates: 1`",
    ),
)


def not_yet(root: Node) -> Iterator[Problem]:
    """A problem for every use of something in the table; `finally` is checked as `stages` is."""
    for row in NOT_YET:
        for key in sorted({row.key, row.key.replace("stages.", "finally.")}):
            yield from _of_row(row, key, root)


def _of_row(row: NotYet, key: str, root: Node) -> Iterator[Problem]:
    for mark, node in _find(root, key.split("."), root.mark):
        if row.values(node.plain()):
            message = f"{row.what} is not supported yet; {row.instead}"
            yield Problem(mark=mark, code="FF030", message=message)


def _find(node: Node, path: list[str], mark: Mark) -> Iterator[tuple[Mark, Node]]:
    if not path:
        yield mark, node
        return
    step, rest = path[0], path[1:]
    if step == "*":
        for item in node.items or []:
            yield from _find(item, rest, item.mark)
    elif (child := node.get(step)) is not None:
        yield from _find(child, rest, node.at(step))
