"""Whose clock decides: the database's. A process reads its own only where this table says why that decides nothing."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = (ROOT / "flowforge", ROOT / "plugins" / "flowforge_plugins")

READS = {  # (module, what): monotonic clocks are free, they know no time of day
    "time": {"time", "time_ns", "localtime", "gmtime", "ctime", "strftime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}

ALLOWED = {
    "flowforge/store/ids.py": "an id sorts by it; when something happened is a column that the database fills",
    "flowforge/queues/limits.py": "a header's seconds until the window ends; Redis ends the window",
    "flowforge/sandbox/choose.py": "ages of this machine's own folders",
    "flowforge/cli/live.py": "seconds on a person's screen",
    "flowforge/store/answer_file.py": "what of one machine's own memory was used longest ago, and a damaged file's name",
    "flowforge/wiring/calibrate.py": "the day that stands in a policy's file and on its page",
    "flowforge/wiring/doctor.py": "compares this clock with the database's, to warn",
    "flowforge/wiring/history_child.py": "the day that stands in a policy's file and on its page",
    "flowforge/wiring/local.py": "a run without a service has no other clock",
    "plugins/flowforge_plugins/models/anthropic_batches.py": "the date in a provider's retry-after, as seconds",
    "plugins/flowforge_plugins/models/openai_chat_client.py": "the date in a provider's retry-after, as seconds",
    "plugins/flowforge_plugins/models/anthropic_client.py": "the date in a provider's retry-after, as seconds",
}


def readings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Where a clock of the time of day is read, or handed on to be read."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = (
                node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            )
            if node.attr in READS.get(owner, ()):
                yield node.lineno, f"{owner}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            names = {alias.name for alias in node.names}
            yield from ((node.lineno, f"time.{name}") for name in sorted(names & READS["time"]))


def modules() -> list[Path]:
    return [path for folder in FOLDERS for path in sorted(folder.rglob("*.py"))]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_process_decides_by_its_own_clock(path: Path) -> None:
    found = list(readings(ast.parse(path.read_text())))
    assert not found or str(path.relative_to(ROOT)) in ALLOWED, found


def test_the_table_names_nothing_that_is_not_there() -> None:
    reading = {
        str(path.relative_to(ROOT)) for path in modules() if list(readings(ast.parse(path.read_text())))
    }
    assert reading == set(ALLOWED)


@pytest.mark.parametrize(
    "source",
    [
        "import time\nx = time.time()",
        "def f(clock=time.time): ...",
        "from time import monotonic, time_ns",
        "from datetime import datetime\ndatetime.now()",
        "import datetime\ndatetime.datetime.now(datetime.UTC)",
        "datetime.date.today()",
    ],
)
def test_the_check_sees_every_way_to_read_a_clock(source: str) -> None:
    assert list(readings(ast.parse(source)))


def test_the_check_leaves_monotonic_clocks_alone() -> None:
    assert not list(readings(ast.parse("import time\ntime.monotonic(); time.sleep(1)")))
