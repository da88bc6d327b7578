"""What can be wrong with a pipeline definition: one table of codes, and a problem with its place.

The table is shown by `flowforge explain FF012` and written out in `flowforge/docs/problems.md`; a code never changes
its meaning, and a retired one is not used again.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MAX_SHOWN = 60  # characters of a stranger's text that a message repeats


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What a code means, for the person who got it."""

    code: str
    title: str
    text: str
    example: str  # YAML that gets this code
    better: str  # the same, corrected


@dataclass(frozen=True, kw_only=True, order=True)
class Mark:
    """A place in a file; line and column are 1-based."""

    path: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True, kw_only=True)
class Problem:
    mark: Mark
    code: str
    message: str
    suggestion: str = ""  # a word that was probably meant

    def __str__(self) -> str:
        meant = f" (did you mean {self.suggestion!r}?)" if self.suggestion else ""
        place = f"{self.mark.path}:{self.mark.line}:{self.mark.column}"
        return f"{place}: {self.code} {self.message}{meant}"


def suggest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, or ""."""
    close = difflib.get_close_matches(word.lower()[:MAX_SHOWN], sorted(known), n=1, cutoff=0.6)
    return close[0] if close else ""


def shown(value: object) -> str:
    """A stranger's value as it may stand in a message: quoted, one line, short."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _row(code: str, title: str, text: str, example: str, better: str) -> Explanation:
    return Explanation(code=code, title=title, text=text, example=example, better=better)


_ROWS = (
    _row(
        "FF001",
        "not YAML",
        "The file cannot be read as YAML 1.2. The usual causes are a tab used for indenting, a bracket or quote "
        "that is not closed, and a colon inside a text without quotes.",
        "stages: [clone",
        "stages: [{uses: clone}]",
    ),
    _row(
        "FF002",
        "too large",
        "A definition may have 64 KiB. Longer programs belong in a script of the repository that a stage runs.",
        "(a file of 70000 bytes)",
        "stages: [{uses: test, run: ./ci/test.sh}]",
    ),
    _row(
        "FF003",
        "not UTF-8",
        "A definition is UTF-8 text. Save the file again in this encoding.",
        "(a file saved as UTF-16)",
        "(the same file saved as UTF-8)",
    ),
    _row(
        "FF004",
        "forbidden character",
        "The file, or a text in it, holds a control character such as NUL. No value of a pipeline may.",
        'run: "pytest\\0"',
        'run: "pytest"',
    ),
    _row(
        "FF005",
        "nested too deep",
        "Lists and mappings may stand 20 deep in one another; no key of a pipeline needs more than 6.",
        "env: [[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]",
        "env: {}",
    ),
    _row(
        "FF006",
        "anchor or alias",
        "Anchors (&name) and aliases (*name) are refused: what a definition says must stand where it is read. "
        "Share stages between definitions with `extends`.",
        "env: &e {A: b}",
        "env: {A: b}",
    ),
    _row(
        "FF007",
        "tag",
        "Tags (!name, !!python/object) are refused; every value's type follows from how it is written.",
        "name: !!str rebase",
        "name: rebase",
    ),
    _row(
        "FF008",
        "key written twice",
        "A key stands twice in one mapping, so one of its values would be lost.",
        "limits: {attempts: 2, attempts: 3}",
        "limits: {attempts: 3}",
    ),
    _row(
        "FF009",
        "merge key",
        "Merge keys (<<) are no part of YAML 1.2 and are refused. Use `extends`.",
        "env: {<<: {A: b}}",
        "env: {A: b}",
    ),
    _row(
        "FF010",
        "empty",
        "The file holds no definition.",
        "# nothing but a comment",
        "version: 1\nname: rebase\nextends: [flowforge:rebase]",
    ),
    _row(
        "FF011",
        "not one document",
        "A definition is one YAML 1.2 document: no second one after ---, no %TAG and no %YAML of another version.",
        "name: a\n---\nname: b",
        "name: a",
    ),
    _row(
        "FF012",
        "unknown key",
        "No such key is known here. Nothing is ever ignored silently, so a misspelt key is a problem.",
        "stages: [{uses: validate, timout: 5m}]",
        "stages: [{uses: validate, timeout: 5m}]",
    ),
    _row(
        "FF013",
        "missing key",
        "A key that must be there is missing.",
        "name: rebase",
        "version: 1\nname: rebase\nstages: [{uses: clone}]",
    ),
    _row(
        "FF014",
        "wrong type",
        "The value has another type than the key takes. Text that looks like a number must stand in quotes: "
        'YAML reads 3.10 as the number 3.1, "3.10" as the text.',
        "stages: [{uses: test, run: pytest, matrix: {python: [3.10]}}]",
        'stages: [{uses: test, run: pytest, matrix: {python: ["3.10"]}}]',
    ),
    _row(
        "FF015",
        "value not allowed",
        "The value has the right type, but is not one that the key takes: out of its range, or no known word.",
        "limits: {attempts: 0}",
        "limits: {attempts: 3}",
    ),
    _row(
        "FF016",
        "unknown version",
        "This FlowForge knows version 1 of the format.",
        "version: 2",
        "version: 1",
    ),
    _row(
        "FF017",
        "bad duration",
        "A duration is a number with a unit: s, m or h, also put together: 90s, 45m, 1h30m. It is more than zero "
        "and at most 24h.",
        "timeout: 45",
        "timeout: 45m",
    ),
    _row(
        "FF018",
        "bad size",
        "A size is a number with a unit: Ki, Mi, Gi, Ti (powers of 1024) or k, M, G, T (powers of 1000).",
        "memory: 4gb",
        "memory: 4Gi",
    ),
    _row(
        "FF019",
        "bad amount of money",
        "An amount is in US dollars, from 0 to 1000, with at most four places.",
        "limits: {model_usd: -1}",
        "limits: {model_usd: 2.00}",
    ),
    _row(
        "FF020",
        "unknown stage",
        "`uses` names a built-in stage (clone, rebase, resolve, validate, test, approve, push, run, report) or one that an "
        "installed plugin brings: flowforge plugins list.",
        "stages: [{uses: validat}]",
        "stages: [{uses: validate}]",
    ),
    _row(
        "FF021",
        "stage id used twice",
        "Ids of stages and of `finally` are unique in a definition. A stage without an id is called as what it uses.",
        "stages: [{uses: run, run: make}, {uses: run, run: make check}]",
        "stages: [{id: make, uses: run, run: make}, {id: check, uses: run, run: make check}]",
    ),
    _row(
        "FF022",
        "bad id",
        "An id has 1 to 40 letters, digits, - and _, and begins with a letter.",
        "stages: [{id: 'my stage', uses: clone}]",
        "stages: [{id: my-stage, uses: clone}]",
    ),
    _row(
        "FF023",
        "variable that cannot be set",
        "A variable's name has letters, digits and _, and is none that would change how programs are found or loaded: "
        "GIT_*, LD_*, PYTHON* (but PYTHONHASHSEED and PYTHONDONTWRITEBYTECODE), PATH, HOME, *_PROXY, and "
        "FLOWFORGE_* and MATRIX_*, which FlowForge sets itself.",
        "env: {LD_PRELOAD: ./evil.so}",
        'env: {PYTHONHASHSEED: "0"}',
    ),
    _row(
        "FF024",
        "matrix too large or empty",
        "A matrix makes 1 to 64 stages, the product of its lists; each list has at least one value, none twice.",
        "stages: [{uses: test, run: pytest, matrix: {python: []}}]",
        'stages: [{uses: test, run: pytest, matrix: {python: ["3.12"]}}]',
    ),
    _row(
        "FF025",
        "options that a plugin refuses",
        "A stage of a plugin checks its `with` by the plugin's own JSON schema; see the plugin's documentation.",
        "stages: [{uses: notify, with: {chanel: x}}]",
        "stages: [{uses: notify, with: {channel: x}}]",
    ),
    _row(
        "FF026",
        "condition that cannot be read",
        "`when` is one CEL expression on one line, of at most 500 characters, that is true or false. It knows results, "
        "paths, branch, target, event and changed(). It may loop once (all, exists, filter, map).",
        "when: branch = main",
        "when: branch == 'main'",
    ),
    _row(
        "FF027",
        "unknown name in a condition",
        "A condition asks for a name, function or stage that is not there. It may ask about stages before its own.",
        "when: brnch == 'main'",
        "when: branch == 'main'",
    ),
    _row(
        "FF028",
        "key that does not fit this stage",
        "The key means something, but not for this stage: only test, run and stages of plugins run a command "
        "(resolve may say what the tools of lockfiles get: network, cpu, memory, env; its `regenerate` needs the rung "
        "`lockfile`), "
        "approve waits for a person: `with: {within: 24h}` says how long, and nothing goes on without the yes; and review "
        "is advice, for which no pipeline ends.",
        "stages: [{uses: clone, run: pytest}]",
        "stages: [{uses: clone}, {uses: test, run: pytest}]",
    ),
    _row(
        "FF029",
        "bad pattern or path",
        "Patterns and paths are relative to the repository's root: they do not begin with / and hold no '..'.",
        "with: {never: [../secrets]}",
        'with: {never: ["secrets/**"]}',
    ),
    _row(
        "FF030",
        "not supported yet",
        "The key or value is part of the format, but this version of FlowForge does not honour it. It is refused, "
        "because a definition must not seem to do what it does not.",
        "stages: [{uses: clone}, {uses: run, run: pytest, image: 'python:3.12'}]",
        "stages: [{uses: clone}, {uses: run, run: pytest}]",
    ),
    _row(
        "FF031",
        "extends something that is not there",
        "`extends` names flowforge:NAME (a shipped definition: rebase, rebase-and-resolve, rebase-with-approval, "
        "validate-only, review) or the path "
        "of a file in the same commit of the repository.",
        "extends: [flowforge:rebas]",
        "extends: [flowforge:rebase]",
    ),
    _row(
        "FF032",
        "extends itself, or too much",
        "A definition extends itself, directly or through others, or `extends` leads over more than 8 files.",
        "extends: [.flowforge.yml]",
        "extends: [flowforge:rebase]",
    ),
    _row(
        "FF033",
        "stage in the wrong place",
        "A stage needs another one before it: rebase and review need clone; resolve, validate, test, approve and push need rebase; push "
        "with `require: tested` needs a test, with `require: validated` (the default for the branch itself) "
        "validate or test. "
        "`finally` takes report, run and stages of plugins only: what failed must not be pushed.",
        "stages: [{uses: rebase}, {uses: clone}]",
        "stages: [{uses: clone}, {uses: rebase}]",
    ),
    _row(
        "FF034",
        "group that cannot be read",
        "A concurrency group is one of the words repository, branch, target, or a text of one line that may hold them "
        "in braces. Other words in braces, and braces that do not close, mean nothing.",
        "concurrency: {group: 'deploy-{brnch}'}",
        "concurrency: {group: 'deploy-{branch}'}",
    ),
    _row(
        "FF035",
        "fallback that cannot be meant",
        "`fallback` names paths that get one side's text where no rung has an answer. A glob stands under one word only; "
        "one that names every path would give up half of every conflict; and one that `never` or `ask` names too would "
        "never be used, since a person decides there.",
        'with: {fallback: {upstream: ["**"]}}',
        'with: {fallback: {upstream: ["docs/api/**"]}}',
    ),
)

CODES: Mapping[str, Explanation] = {row.code: row for row in _ROWS}


def as_markdown() -> str:
    """The table as the page `flowforge/docs/problems.md`."""
    head = "# Problems in a pipeline definition\n\nEach is reported as `path:line:column: CODE message`.\n"
    return head + "".join(_section(row) for row in _ROWS)


def _section(row: Explanation) -> str:
    return (
        f"\n## {row.code}: {row.title}\n\n{row.text}\n\n"
        f"Refused:\n\n```yaml\n{row.example}\n```\n\nBetter:\n\n```yaml\n{row.better}\n```\n"
    )
