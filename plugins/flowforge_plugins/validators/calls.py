"""Calls that run commands or build code from data, on lines that no side had: nobody wrote those, so they fail.

Python by its syntax tree; other languages by what the call looks like, a comment or string included: on a line
that came from nowhere, one false alarm is cheaper than one true call.
"""

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from flowforge.plugin import CheckedFile, Finding, Level, split_lines

_ALWAYS = frozenset(
    {
        "__import__",
        "compile",
        "ctypes.CDLL",
        "eval",
        "exec",
        "importlib.import_module",
        "marshal.load",
        "marshal.loads",
        "os.popen",
        "os.system",
        "pickle.load",
        "pickle.loads",
        "pty.spawn",
        "shelve.open",
        "socket.create_connection",
        "socket.socket",
        "subprocess.getoutput",
        "subprocess.getstatusoutput",
        "urllib.request.urlopen",
    }
)
_PREFIXES = ("os.exec", "os.spawn", "os.posix_spawn")
_SAFE_LOADERS = frozenset({"SafeLoader", "CSafeLoader", "BaseLoader"})

_ANY = (
    (r"\beval\s*\(", "eval"),
    (r"\bcurl\b[^\n|]*\|\s*(ba)?sh\b", "a download piped into a shell"),
)
_SCRIPT = (
    *_ANY,
    (r"\bnew\s+Function\s*\(", "new Function"),
    (r"\bchild_process\b", "child_process"),
    (r"\b(exec|execSync|spawn|spawnSync|execFile|execFileSync|fork)\s*\(", "a process"),
    (r"\bvm\.(runIn|Script)", "vm"),
    (r"dangerouslySetInnerHTML|\.innerHTML\s*=|document\.write\s*\(", "raw HTML"),
)
_RULES = {
    "javascript": _SCRIPT,
    "typescript": _SCRIPT,
    "tsx": _SCRIPT,
    "go": (*_ANY, (r"\bexec\.Command(Context)?\s*\(", "exec.Command"), (r"\bsyscall\.Exec\s*\(", "syscall.Exec"),
           (r"\bunsafe\.Pointer\b", "unsafe.Pointer"), (r"\bplugin\.Open\s*\(", "plugin.Open")),
    "java": (*_ANY, (r"\.getRuntime\s*\(\s*\)\s*\.exec\s*\(", "Runtime.exec"), (r"\bProcessBuilder\s*\(", "ProcessBuilder"),
             (r"\bObjectInputStream\s*\(", "ObjectInputStream"), (r"\bScriptEngine", "ScriptEngine"),
             (r"\bSystem\.load(Library)?\s*\(", "System.load")),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Imports:
    """What a file's names mean: local name -> dotted name."""

    names: dict[str, str]

    def dotted(self, node: ast.expr) -> str:
        if isinstance(node, ast.Attribute):
            inner = self.dotted(node.value)
            return f"{inner}.{node.attr}" if inner else ""
        return self.names.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def python(file: CheckedFile) -> Iterator[Finding]:
    if not file.introduced:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(file.text)
    except (SyntaxError, ValueError, RecursionError):
        return  # the syntax check's to tell; a file that does not parse does not pass
    imports = _Imports(names=dict(_imported(tree)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (danger := _danger(node, imports)):
            yield from _told(file, danger, node.lineno, node.end_lineno or node.lineno)


def other(file: CheckedFile) -> Iterator[Finding]:
    rules = [(re.compile(pattern.encode()), what) for pattern, what in _RULES.get(file.language, _ANY)]
    lines = split_lines(file.text)
    for number in sorted(file.introduced):
        what = next((what for pattern, what in rules if pattern.search(lines[number - 1])), "")
        if what:
            yield from _told(file, what, number, number)


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (
                (a.asname or a.name.partition(".")[0], a.name if a.asname else a.name.partition(".")[0])
                for a in node.names
            )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((a.asname or a.name, f"{node.module}.{a.name}") for a in node.names)


def _danger(call: ast.Call, imports: _Imports) -> str:
    name = imports.dotted(call.func).removeprefix("builtins.")
    given = {word.arg: word.value for word in call.keywords}
    if name in _ALWAYS or name.startswith(_PREFIXES):
        return name
    if name.startswith("subprocess.") and _is_true(given.get("shell")):
        return f"{name} with a shell"
    if name in {"yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"} and not _safe(
        call, given
    ):
        return f"{name} without a safe loader"
    return ""


def _is_true(value: ast.expr | None) -> bool:
    """Anything but a plain False may be true."""
    return value is not None and not (isinstance(value, ast.Constant) and not value.value)


def _safe(call: ast.Call, given: dict[str | None, ast.expr]) -> bool:
    loader = given.get("Loader") or (call.args[1] if len(call.args) > 1 else None)
    name = loader.attr if isinstance(loader, ast.Attribute) else getattr(loader, "id", "")
    return name in _SAFE_LOADERS


def _told(file: CheckedFile, danger: str, start: int, end: int) -> Iterator[Finding]:
    new = [number for number in range(start, end + 1) if number in file.introduced]
    if new:
        yield Finding(
            rule="dangerous-call",
            level=Level.ERROR,
            message=f"{danger} on a line that no side had",
            path=file.path,
            start=new[0],
            end=new[-1],
        )
