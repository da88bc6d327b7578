"""What the shape of a definition cannot say: which stages exist, their order, conditions, names of variables.

Every check reads the tree, tolerates what is misshapen (the shape check reports that), and yields problems; so one
reading finds all of them.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from flowforge.core.plan import MAX_MATRIX
from flowforge.hooks.contracts import Stage
from flowforge.hooks.manager import Registry
from flowforge.pipeline import conditions, environment
from flowforge.pipeline.document import Node
from flowforge.pipeline.extends import stage_id
from flowforge.pipeline.options import BUILT_IN, CHECKS, RUNGS
from flowforge.pipeline.problems import Mark, Problem, shown, suggest

_COMMANDS = ("test", "run")  # built-in stages that run a command
_COMMAND_KEYS = (
    "run",
    "image",
    "network",
    "cpu",
    "memory",
    "env",
    "matrix",
    "cache",
    "junit",
    "compare_base",
)
_NOT_OF_A_PERSON = {
    "timeout": "say how long it waits with `with: {within: 24h}`",
    "retry": "a person who said no is not asked again",
}
_LAST = ("report", "run")
_NEEDS: Mapping[str, str] = {
    "rebase": "clone",
    "resolve": "rebase",
    "validate": "rebase",
    "test": "rebase",
    "review": "clone",
    "approve": "rebase",
    "push": "rebase",
}
_CONDITION_CODES = {"name": "FF027"}
_TOOL_KEYS = ("network", "cpu", "memory", "env")  # of resolve: for the tools of the rung `lockfile`
_SURE_CHECKS = frozenset(CHECKS)
_FALLBACKS = ("hand_back", "upstream", "commit")


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """What the installed plugins add to the words a definition may use."""

    stages: Mapping[str, Stage] = field(default_factory=dict)
    rungs: frozenset[str] = frozenset()
    checks: frozenset[str] = frozenset()

    @classmethod
    def of(cls, registry: Registry) -> "Catalog":
        return cls(
            stages=registry.stages,
            rungs=frozenset(resolver.rung for resolver in registry.resolvers.values()),
            checks=frozenset(validator.check for validator in registry.validators.values()),
        )

    @property
    def uses(self) -> tuple[str, ...]:
        return (*BUILT_IN, *(name for name in self.stages if name not in BUILT_IN))


def check_meaning(root: Node, catalog: Catalog) -> Iterator[Problem]:
    """Every problem of meaning in the merged tree."""
    stages, last = root.children("stages"), root.children("finally")
    yield from _variables(root)
    yield from _unique([*stages, *last])
    yield from _order(stages)
    yield from _last(last)
    for stage in (*stages, *last):
        yield from _stage(stage, catalog)
    yield from _conditions(stages, last)


def _problem(mark: Mark, code: str, message: str, suggestion: str = "") -> Problem:
    return Problem(mark=mark, code=code, message=message, suggestion=suggestion)


def _stage(stage: Node, catalog: Catalog) -> Iterator[Problem]:
    yield from _uses(stage, catalog)
    yield from _fits(stage, catalog)
    yield from _variables(stage)
    yield from _matrix(stage)
    yield from _words(stage, "resolve", "rungs", RUNGS, frozenset(RUNGS) | catalog.rungs)
    yield from _words(stage, "validate", "checks", CHECKS, _SURE_CHECKS | catalog.checks)


def _uses(stage: Node, catalog: Catalog) -> Iterator[Problem]:
    uses = stage.text("uses")
    if uses and uses not in catalog.uses:
        yield _problem(
            stage.at("uses"), "FF020", f"there is no stage {shown(uses)}", suggest(uses, catalog.uses)
        )


def _fits(stage: Node, catalog: Catalog) -> Iterator[Problem]:
    uses = stage.text("uses")
    if uses in _COMMANDS and "run" not in stage.key_marks:
        yield _problem(stage.mark, "FF013", f"stage {shown(stage_id(stage))} needs `run`, the command")
    if uses == "approve":
        yield from _asks_only(stage)
    if uses == "review":
        yield from _advises_only(stage)
    if uses not in BUILT_IN or uses in _COMMANDS or uses in catalog.stages:
        return
    if uses == "resolve":
        yield from _regenerates(stage)
        yield from _falls_back(stage)
    for key in _COMMAND_KEYS:
        if key in stage.key_marks and not (uses == "resolve" and key in _TOOL_KEYS):
            yield _problem(
                stage.at(key), "FF028", f"`{key}` does not fit stage {uses!r}, which runs no command"
            )


def _regenerates(stage: Node) -> Iterator[Problem]:
    """A command for a lockfile that nobody would run is no command."""
    options = stage.get("with")
    rungs = options.get("rungs") if options is not None else None
    if options is None or rungs is None or "regenerate" not in options.key_marks:
        return
    if "lockfile" not in [item.value for item in rungs.items or ()]:
        said = "`regenerate` does nothing without `lockfile` in `rungs`"
        yield _problem(options.at("regenerate"), "FF028", said)


def _falls_back(stage: Node) -> Iterator[Problem]:
    """Globs of `fallback` that mean nothing, too much, or two things."""
    options = stage.get("with")
    fallback = options.get("fallback") if options is not None else None
    if options is None or fallback is None:
        return
    persons = {glob: key for key in ("never", "ask") for glob in _globs(options, key)}
    seen: dict[object, str] = {}
    for key in _FALLBACKS:
        listed = fallback.get(key)
        for item in (listed.items or []) if listed is not None else []:
            said = _glob_problem(item.value, key, seen, persons)
            if said:
                yield _problem(item.mark, "FF035", said)
            seen.setdefault(item.value, key)


def _glob_problem(glob: object, key: str, seen: Mapping[object, str], persons: Mapping[object, str]) -> str:
    if key != "hand_back" and isinstance(glob, str) and not glob.strip("*/"):
        return f"{shown(glob)} in `fallback: {key}` names every path; name those that may lose a side"
    if seen.get(glob, key) != key:
        return f"{shown(glob)} stands under `{seen[glob]}` and under `{key}`; say one of them"
    if key != "hand_back" and glob in persons:
        return (
            f"{shown(glob)} stands in `{persons[glob]}`, where a person decides; take it out of one of them"
        )
    return ""


def _globs(options: Node, key: str) -> Iterator[object]:
    listed = options.get(key)
    yield from (item.value for item in listed.items or []) if listed is not None else ()


def _asks_only(stage: Node) -> Iterator[Problem]:
    """A person is no command: they have their own time, are asked once, and nothing goes on without their yes."""
    for key, instead in _NOT_OF_A_PERSON.items():
        if key in stage.key_marks:
            yield _problem(stage.at(key), "FF028", f"`{key}` does not fit stage 'approve'; {instead}")
    if stage.text("on_failure") == "continue":
        said = "`on_failure: continue` does not fit stage 'approve': nothing may go on without the yes"
        yield _problem(stage.at("on_failure"), "FF028", said)


def _advises_only(stage: Node) -> Iterator[Problem]:
    """Advice is no reason to stop: whatever becomes of a review, the pipeline goes on."""
    if stage.text("on_failure") not in {"", "continue"}:
        said = "`on_failure` does not fit stage 'review': it is advice, and no pipeline ends because of it"
        yield _problem(stage.at("on_failure"), "FF028", said)


def _variables(holder: Node) -> Iterator[Problem]:
    env = holder.get("env")
    for name in env.key_marks if env else ():
        value = env.text(name) if env else ""
        refusal = environment.refusal(name, value)
        if env and refusal:
            yield _problem(env.at(name), "FF023", f"variable {shown(name)} {refusal}")


def _matrix(stage: Node) -> Iterator[Problem]:
    matrix = stage.get("matrix")
    lists = {
        name: node
        for name, node in ((matrix.entries if matrix else None) or {}).items()
        if node.items is not None
    }
    if matrix is None or not lists:
        return
    for name, node in lists.items():
        if not environment.is_name(name.replace("-", "_")):
            yield _problem(
                matrix.at(name), "FF024", f"{shown(name)} cannot be a matrix name: letters, digits, - and _"
            )
        values = [item.value for item in node.items or ()]
        if not values or len(set(values)) < len(values):
            yield _problem(node.mark, "FF024", f"matrix list {shown(name)} is empty or has a value twice")
    size = math.prod(len(node.items or ()) for node in lists.values())
    if size > MAX_MATRIX:
        yield _problem(matrix.mark, "FF024", f"this matrix makes {size} stages, {MAX_MATRIX} are possible")


def _words(
    stage: Node, uses: str, key: str, contract: Iterable[str], known: frozenset[str]
) -> Iterator[Problem]:
    """`rungs` and `checks`: words of the format, or of a plugin."""
    options = stage.get("with")
    listed = options.get(key) if options is not None and stage.text("uses") == uses else None
    for item in (listed.items or []) if listed is not None else []:
        word = item.value
        if not isinstance(word, str) or word in known:
            continue
        if word in contract:
            yield _problem(item.mark, "FF030", f"{shown(word)} in `{key}` is not supported yet; take it out")
        else:
            yield _problem(item.mark, "FF015", f"{shown(word)} is no word of `{key}`", suggest(word, known))


def _unique(stages: Iterable[Node]) -> Iterator[Problem]:
    seen: dict[str, Mark] = {}
    for stage in stages:
        id_ = stage_id(stage)
        if id_ and id_ in seen:
            said = f"stage id {shown(id_)} is used twice (first in line {seen[id_].line}); give it an `id`"
            yield _problem(stage.mark, "FF021", said)
        seen.setdefault(id_, stage.mark)


def _order(stages: Iterable[Node]) -> Iterator[Problem]:
    before: set[str] = set()
    for stage in stages:
        uses = stage.text("uses")
        needed = _NEEDS.get(uses)
        if needed and needed not in before:
            yield _problem(stage.at("uses"), "FF033", f"stage {uses!r} needs a stage `{needed}` before it")
        elif uses == "push":
            yield from _push(stage, before)
        elif uses in before and uses in {"clone", "rebase"}:
            yield _problem(stage.at("uses"), "FF033", f"stage {uses!r} stands twice")
        before.add(uses)


def _push(stage: Node, before: set[str]) -> Iterator[Problem]:
    options = stage.get("with")
    to, require = (options.text("to"), options.text("require")) if options else ("", "")
    require = require or ("tested" if to == "target" else "validated")
    enough = {"tested": {"test"}, "validated": {"validate", "test"}}.get(require)
    if enough and not enough & before:
        said = f"`push` requires the result {require}; a stage `{' or '.join(sorted(enough))}` must stand before it"
        yield _problem(stage.mark, "FF033", said)


def _last(stages: Iterable[Node]) -> Iterator[Problem]:
    for stage in stages:
        uses = stage.text("uses")
        if uses in BUILT_IN and uses not in _LAST:
            said = f"stage {uses!r} may not stand in `finally`, which runs after a failure too"
            yield _problem(stage.at("uses"), "FF033", said)


def _conditions(stages: list[Node], last: list[Node]) -> Iterator[Problem]:
    before: list[str] = []
    for stage in (*stages, *last):
        when = stage.text("when").strip()
        if when and (bad := conditions.check(when, before)) is not None:
            yield _condition(stage, bad)
        if id_ := stage_id(stage):
            before.append(id_)


def _condition(stage: Node, bad: conditions.BadCondition) -> Problem:
    node = stage.get("when")
    mark = node.mark if node else stage.mark
    place = Mark(path=mark.path, line=mark.line, column=mark.column + bad.column - 1)
    code = _CONDITION_CODES.get(bad.kind, "FF026")
    return _problem(place, code, bad.sentence, suggest(bad.name, bad.known) if bad.name else "")
