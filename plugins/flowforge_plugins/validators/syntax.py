"""Syntax by the languages' own readers in the standard library: Python, JSON, TOML."""

import json
import re
import tomllib
import warnings
from collections.abc import Iterator

from flowforge.plugin import CheckedFile, Finding
from flowforge_plugins.validators.newly import Problem, newly_broken

_DEEP = "is nested too deeply to be read"
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")


def python(file: CheckedFile) -> Iterator[Finding]:
    """By the compiler: what `ast` lets through, a `return` outside a function for one, is found too."""
    return newly_broken(file, "python-syntax", _python)


def json_text(file: CheckedFile) -> Iterator[Finding]:
    """By `json`, a key that stands twice in one object included: merging makes those."""
    return newly_broken(file, "json-syntax", _json)


def toml(file: CheckedFile) -> Iterator[Finding]:
    return newly_broken(file, "toml-syntax", _toml)


def _python(text: bytes) -> Problem | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "<result>", "exec", flags=0, dont_inherit=True)
    except SyntaxError as error:
        return Problem(message=f"is no valid Python: {error.msg}", line=max(1, error.lineno or 1))
    except ValueError as error:  # NUL bytes, on interpreters before 3.12
        return Problem(message=f"is no valid Python: {error}", line=_line_of(text, b"\0"))
    except (RecursionError, MemoryError):
        return Problem(message=_DEEP)
    return None


def _json(text: bytes) -> Problem | None:
    try:
        json.loads(text.decode("utf-8-sig"), object_pairs_hook=_without_doubles)
    except json.JSONDecodeError as error:
        return Problem(message=f"is no valid JSON: {error.msg}", line=error.lineno)
    except (UnicodeDecodeError, ValueError) as error:
        return Problem(message=f"is no valid JSON: {error}")
    except RecursionError:
        return Problem(message=_DEEP)
    return None


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    seen: dict[str, object] = {}
    for key, value in pairs:
        if key in seen:
            raise ValueError(f"the key {key[:80]!r} stands twice in one object")
        seen[key] = value
    return seen


def _toml(text: bytes) -> Problem | None:
    try:
        tomllib.loads(text.decode().replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        return Problem(message=f"is no valid TOML: {error}")
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        return Problem(message=f"is no valid TOML: {error}", line=int(found[1]) if found else 1)
    except RecursionError:
        return Problem(message=_DEEP)
    return None


def _line_of(text: bytes, needle: bytes) -> int:
    return text.count(b"\n", 0, max(0, text.find(needle))) + 1
