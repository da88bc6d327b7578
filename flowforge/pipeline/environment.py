"""Which variables a definition or a request may set for its commands."""

import re

MAX_VALUE = 4096

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)
_ALLOWED = frozenset({"PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE"})
_NAMES = frozenset({"PATH", "HOME", "ENV", "BASH_ENV", "SHELLOPTS", "BASHOPTS", "IFS", "PS4", "SSH_ASKPASS"})
_PREFIXES = ("GIT_", "LD_", "DYLD_", "PYTHON", "BASH_FUNC_", "FLOWFORGE_", "MATRIX_")


def is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def refusal(name: str, value: str = "") -> str:
    """Why this variable cannot be set, or "" where it can."""
    if not is_name(name):
        return "is no name of a variable: letters, digits and _, not beginning with a digit"
    upper = name.upper()
    if name in _ALLOWED:
        return _of_value(value)
    if upper in _NAMES or upper.startswith(_PREFIXES) or upper.endswith("_PROXY"):
        return "cannot be set: it would change how programs are found, loaded or connected"
    return _of_value(value)


def _of_value(value: str) -> str:
    if "\0" in value:
        return "has a value with a NUL character"
    return f"has a value of more than {MAX_VALUE} characters" if len(value) > MAX_VALUE else ""
