"""A first definition for a repository, from the files that lie in its root. Nothing of the repository is run.

A test command is proposed where a file says how the project is tested; a stage runs without network, so commands
that would download what they need are asked to do without.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_READ = 1 << 20  # bytes of a file that are looked at
_COLUMN = 42  # where comments begin


@dataclass(frozen=True, kw_only=True)
class Found:
    """One way to test the project."""

    language: str
    command: str
    because: str  # what was found, as the comment beside it


def detect(folder: Path) -> tuple[Found, ...]:
    """One command a language, in an order that is always the same."""
    ways = (_python, _node, _go, _rust, _java)
    return tuple(found for way in ways if (found := way(folder)) is not None)


def propose(found: Sequence[Found]) -> str:
    """The definition's text: a comment on every line."""
    lines = [
        "# What FlowForge does with a branch of this repository; `flowforge help pipelines` tells all keys.",
        "# It is read from the branch that is rebased onto: it counts once it is committed there.",
        _line("version: 1", "of this format"),
        _line("name: checked", "shown in reports"),
        _line("extends: [flowforge:rebase-and-resolve]", "clone, rebase, resolve, validate, push, report"),
    ]
    if not found:
        return "\n".join([*lines, *_NO_TESTS, ""])
    lines.append(_line("stages:", "put in before the push"))
    for one in found:
        lines += _stage(one, "test" if len(found) == 1 else f"test-{one.language}")
    return "\n".join([*lines, *_PUSH, ""])


def _line(text: str, comment: str) -> str:
    return f"{text.ljust(_COLUMN - 2)}  # {comment}"


def _stage(one: Found, name: str) -> Iterator[str]:
    yield _line(f"  - id: {name}", f"{one.language}: {one.because}")
    yield _line("    uses: test", "in the sandbox, without network")
    yield _line(f"    run: {json.dumps(one.command)}", "passes with exit status 0")
    yield _line("    timeout: 20m", "then it is stopped")
    yield _line("    memory: 4Gi", "of all its processes together")


_PUSH = (
    _line("  - id: push", "the push stage of what is extended"),
    _line("    uses: push", "with a lease on what was seen"),
    _line("    with: {require: tested}", "only the very tree that was tested"),
)
_NO_TESTS = (
    "# No test command was recognised. With one, put this in, and only tested trees are pushed:",
    "# stages:",
    '#   - {id: test, uses: test, run: "make test", timeout: 20m}',
    "#   - {id: push, uses: push, with: {require: tested}}",
)


def _python(folder: Path) -> Found | None:
    names = ("pyproject.toml", "setup.cfg", "setup.py", "tox.ini", "pytest.ini", "requirements.txt")
    present = [name for name in names if (folder / name).is_file()]
    tests = _first(
        folder, ("test_*.py", "*_test.py", "tests/test_*.py", "tests/**/test_*.py", "test/test_*.py")
    )
    if not present and not tests:
        return None
    pytest = _uses_pytest(folder, present)
    if pytest and (folder / "uv.lock").is_file():
        return Found(
            language="python",
            command="uv run --offline --frozen pytest -q",
            because=f"uv.lock, and pytest in {pytest}",
        )
    if pytest:
        return Found(language="python", command="python -m pytest -q", because=f"pytest in {pytest}")
    if (folder / "tox.ini").is_file() or _has(folder / "pyproject.toml", r"^\[tool\.tox\b"):
        return Found(language="python", command="tox run -q", because="tox, whose environments must be there")
    if tests:
        return Found(
            language="python", command="python -m unittest discover", because=f"{tests}, no test runner named"
        )
    return None


def _uses_pytest(folder: Path, present: Sequence[str]) -> str:
    """The file that names pytest, "" where none does."""
    for name in ("pytest.ini", "conftest.py", "tests/conftest.py"):
        if (folder / name).is_file():
            return name
    return next((name for name in present if _has(folder / name, r"\bpytest\b")), "")


def _node(folder: Path) -> Found | None:
    try:
        package = json.loads(_text(folder / "package.json"))
        script = package["scripts"]["test"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(script, str) or "no test specified" in script:
        return None
    locks = {"pnpm-lock.yaml": "pnpm test", "yarn.lock": "yarn test"}
    tool = next((command for lock, command in locks.items() if (folder / lock).is_file()), "npm test")
    return Found(language="node", command=tool, because="the script `test` of package.json")


def _go(folder: Path) -> Found | None:
    if not (folder / "go.mod").is_file():
        return None
    return Found(language="go", command="go test ./...", because="go.mod")


def _rust(folder: Path) -> Found | None:
    if not (folder / "Cargo.toml").is_file():
        return None
    return Found(language="rust", command="cargo test --offline", because="Cargo.toml")


_BUILDS = (
    ("pom.xml", "mvnw", "mvn", "-o -q test"),
    ("build.gradle", "gradlew", "gradle", "--offline test"),
    ("build.gradle.kts", "gradlew", "gradle", "--offline test"),
)


def _java(folder: Path) -> Found | None:
    for name, wrapper, program, words in _BUILDS:
        if (folder / name).is_file():
            tool = f"./{wrapper}" if (folder / wrapper).is_file() else program
            return Found(language="java", command=f"{tool} {words}", because=name)
    return None


def _has(path: Path, pattern: str) -> bool:
    return re.search(pattern, _text(path), re.MULTILINE) is not None


def _text(path: Path) -> str:
    """The beginning of a regular file, "" where there is none that can be read."""
    if not path.is_file():
        return ""
    try:
        with path.open("rb") as file:
            return file.read(_READ).decode("utf-8", "replace")
    except OSError:
        return ""


def _first(folder: Path, patterns: Sequence[str]) -> str:
    """The first file that fits one of the patterns, by name."""
    for pattern in patterns:
        for path in folder.glob(pattern):
            if path.is_file():
                return path.relative_to(folder).parts[0] if "/" in pattern else path.name
    return ""
