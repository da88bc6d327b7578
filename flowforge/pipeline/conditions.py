"""`when:` of a stage: one small CEL expression, checked when the definition is read, bounded when it runs.

CEL itself has no step limit, so its cost is bounded by form: one line, at most `MAX_LENGTH` characters, at most one
loop (`all`, `exists`, `filter`, `map`), and `paths` at most once beside a loop. What is left is linear in the number
of changed paths, which is capped too. Regular expressions (`matches`) are not offered for the same reason.
"""

import importlib.machinery
import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from flowforge.core.errors import Reason, Refused

MAX_LENGTH = 500
MAX_PATHS = 50_000
MAX_CHANGED = 32  # calls of changed() in one evaluation
NAMES = {
    "results": "stage id -> {result, reason, ok} of every stage; result is 'none' before it ran",
    "paths": "list of paths that differ between target and branch",
    "branch": "the branch that is brought up to date",
    "target": "the branch it is rebased onto",
    "event": "what started the job: api, pull_request, comment, push, schedule or cli",
}
FUNCTIONS = frozenset(
    {"changed", "size", "startsWith", "endsWith", "contains", "string", "int", "double", "has"}
)
_LOOPS = r"all|exists|exists_one|existsOne|filter|map"
_LOOP = re.compile(rf"\.\s*(?:{_LOOPS})\s*\(")
_BOUND = re.compile(rf"\.\s*(?:{_LOOPS})\s*\(\s*(\w+)\s*,")
_PATHS = re.compile(r"(?<![\w'\"/.])paths\b")
_OPERATOR = re.compile(r"[^\w]|^_|^@")
_NESTED = 40  # brackets within brackets
_RAISED = (
    ValueError,
    TypeError,
    RuntimeError,
    ArithmeticError,
    LookupError,
)  # by the library, for a bad value


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a condition may ask about. `results` maps a stage id to {result, reason, ok}."""

    branch: str
    target: str
    event: str
    results: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    paths: Callable[[], Sequence[str]] = tuple  # asked only where the expression needs it


@dataclass(eq=False, kw_only=True)  # an exception stays hashable, and its traceback settable
class BadCondition(Exception):
    """Why an expression cannot be used. `kind`: syntax, name, bound or type."""

    kind: str
    sentence: str
    column: int = 1  # 1-based, inside the expression
    name: str = ""  # the unknown name, for a suggestion
    known: tuple[str, ...] = ()


def check(expression: str, stages: Sequence[str]) -> BadCondition | None:
    """Find out at load time whether `expression` can be evaluated; `stages` are the ids it may ask about."""
    try:
        _check_form(expression)
        _check_names(expression)
        _rehearse(expression, stages)
    except BadCondition as problem:
        return problem
    return None


def holds(expression: str, facts: Facts) -> bool:
    """Evaluate a checked condition.

    Raises:
        Refused: it asked for something that is not there, or answered no bool; with reason pipeline_invalid.
    """
    try:
        _check_form(expression)
        answer = _evaluate(expression, facts)
    except (BadCondition, *_RAISED) as error:
        raise _refused(expression, _sentence(error)) from error
    if not isinstance(answer, bool):
        raise _refused(expression, f"it gave {answer!r}, not true or false")
    return answer


def _refused(expression: str, sentence: str) -> Refused:
    return Refused(
        Reason.PIPELINE_INVALID,
        f"`when: {expression}` could not be decided: {sentence}",
        next_action="correct the condition: flowforge explain FF026",
    )


def _sentence(error: Exception) -> str:
    if isinstance(error, BadCondition):
        return error.sentence
    if isinstance(error, KeyError):
        name = str(error.args[0]).strip("'")
        return f"there is no {name!r}"
    return str(error).splitlines()[0][:200]


def _check_form(expression: str) -> None:
    if len(expression) > MAX_LENGTH:
        raise _bound(f"the condition has {len(expression)} characters, {MAX_LENGTH} are allowed")
    if "\n" in expression or "\r" in expression:
        raise _bound("a condition is one line")
    loops = len(_LOOP.findall(expression))
    if loops > 1:
        raise _bound("a condition may loop (all, exists, filter, map) once")
    if loops and len(_PATHS.findall(expression)) > 1:
        raise _bound("beside a loop, `paths` may stand once")
    if _depth(expression) > _NESTED:
        raise _bound(f"a condition may nest brackets {_NESTED} deep")


def _bound(sentence: str) -> BadCondition:
    return BadCondition(kind="bound", sentence=sentence)


def _depth(expression: str) -> int:
    deepest = depth = 0
    for character in expression:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    return deepest


def _check_names(expression: str) -> None:
    try:
        program = _cel().compile(expression)
    except ValueError as error:
        raise _syntax(str(error)) from error
    used = program.references()
    bound = set(_BOUND.findall(expression))
    for name in used["variables"]:
        if name not in NAMES and name not in bound:
            raise _unknown(expression, name, tuple(NAMES))
    for name in used["functions"]:
        if not _OPERATOR.search(name) and name not in FUNCTIONS:
            raise _unknown(expression, name, tuple(sorted(FUNCTIONS)))


def _unknown(expression: str, name: str, known: tuple[str, ...]) -> BadCondition:
    found = re.search(rf"\b{re.escape(name)}\b", expression)
    return BadCondition(
        kind="name",
        sentence=f"unknown name {name!r} in a condition",
        column=found.start() + 1 if found else 1,
        name=name,
        known=known,
    )


def _syntax(message: str) -> BadCondition:
    """CEL's parser names every token it would have taken; the first words and the column are enough."""
    found = re.search(r"<input>:\d+:(\d+): (?:Syntax error: )?([^\n]*)", message)
    if found is None:
        return BadCondition(kind="syntax", sentence="not a CEL expression")
    said = found[2].split(" expecting ")[0].replace("'<EOF>'", "the end")
    said = re.sub(r"^(mismatched|extraneous|no viable alternative at) input", "unexpected", said)
    return BadCondition(kind="syntax", sentence=f"not a CEL expression: {said}", column=int(found[1]))


def _rehearse(expression: str, stages: Sequence[str]) -> None:
    """Evaluate once on made-up facts: finds unknown stages and answers that are no bool."""
    result = {"result": "success", "reason": "done", "ok": True}
    facts = Facts(
        branch="feature",
        target="main",
        event="api",
        results=dict.fromkeys(stages, result),
        paths=lambda: ("README.md",),
    )
    try:
        answer = _evaluate(expression, facts)
    except KeyError as error:
        name = str(error.args[0]).strip("'")
        known = (*stages, *result)
        raise _unknown(expression, name, known) from error
    except _RAISED as error:
        raise BadCondition(kind="type", sentence=f"cannot be decided: {_sentence(error)}") from error
    if not isinstance(answer, bool):
        raise BadCondition(kind="type", sentence=f"a condition is true or false; this gives {answer!r}")


def _evaluate(expression: str, facts: Facts) -> object:
    cel = _cel()
    program = cel.compile(expression)
    needs = program.references()
    wants_paths = "paths" in needs["variables"] or "changed" in needs["functions"]
    paths = tuple(facts.paths()) if wants_paths else ()
    if len(paths) > MAX_PATHS:
        raise _bound(f"{len(paths)} paths changed; a condition can look at {MAX_PATHS}")
    variables = {
        "results": {stage: dict(fields) for stage, fields in facts.results.items()},
        "paths": list(paths),
        "branch": facts.branch,
        "target": facts.target,
        "event": facts.event,
    }
    changed = _Changed(paths)
    answer = program.execute(cel.Context(variables=variables, functions={"changed": changed}))
    if changed.problem:
        raise BadCondition(kind="type", sentence=changed.problem)
    return answer


class _Changed:
    """`changed("glob")` as CEL calls it. It never raises: the library would print what a callback raises."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = paths
        self.calls = 0
        self.problem = ""

    def __call__(self, *globs: object) -> bool:
        self.calls += 1
        if self.calls > MAX_CHANGED:
            self.problem = f"changed() may be asked {MAX_CHANGED} times"
        elif len(globs) != 1 or not isinstance(globs[0], str):
            self.problem = 'changed() takes one pattern in quotes: changed("src/**")'
        else:
            return self._matches(globs[0])
        return False

    def _matches(self, glob: str) -> bool:
        try:
            return matches(glob, self.paths)
        except ValueError as error:
            self.problem = f"{glob!r} is no pattern: {error}"
            return False


def matches(glob: str, paths: Sequence[str]) -> bool:
    """Whether any of `paths` matches `glob` (gitignore-style).

    Raises:
        ValueError: no pattern.
    """
    from pathspec import PathSpec  # 0.07 s to import, and most pipelines have no condition

    return any(True for _ in PathSpec.from_lines("gitignore", [glob]).match_files(paths))


@lru_cache(maxsize=1)
def _cel() -> ModuleType:
    """The library's compiled part alone.

    Its package also imports a terminal program with prompt_toolkit and rich: 0.4 s instead of 0.01 s.
    """
    found = importlib.util.find_spec("cel")
    folders = found.submodule_search_locations if found else None
    for folder in folders or ():
        for suffix in importlib.machinery.EXTENSION_SUFFIXES:
            file = Path(folder) / f"cel{suffix}"
            if file.exists():
                return _extension(file)
    return importlib.import_module("cel")


def _extension(file: Path) -> ModuleType:
    loader = importlib.machinery.ExtensionFileLoader("cel.cel", str(file))
    spec = importlib.util.spec_from_loader("cel.cel", loader)
    if spec is None:
        raise ImportError(f"no loader for {file.name}")
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
