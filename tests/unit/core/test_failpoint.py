import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flowforge.core.errors import Broken, Reason
from flowforge.core.failpoint import Failpoints, parse

ROOT = Path(__file__).parents[3]
REACHED = "from flowforge.core.failpoint import failpoint\nfor _ in range(3): failpoint('push.after_remote')"


def reach(**environment: str) -> int:
    """Exit status of a process that comes to one place three times."""
    return subprocess.run([sys.executable, "-c", REACHED], env=environment, cwd=ROOT, check=False).returncode


def test_a_place_acts_on_the_time_it_is_told_and_on_no_other() -> None:
    acted: list[int] = []
    points = Failpoints(plan=parse("a.b:kill9@2, c.d:stop"), act=acted.append)
    for name, after in [("a.b", 0), ("x.y", 0), ("a.b", 1), ("a.b", 1), ("c.d", 2)]:
        points.reach(name)
        assert len(acted) == after, name
    assert acted == [signal.SIGKILL, signal.SIGSTOP]


@pytest.mark.parametrize("text", ["a.b", "a.b:melt", "a.b:kill9@0", "a.b:kill9@x", "AB:kill9", "a:kill9"])
def test_a_list_that_cannot_be_read_is_refused_by_name(text: str) -> None:
    with pytest.raises(Broken, match=re.escape(repr(text))) as caught:
        parse(text)
    assert caught.value.reason is Reason.CONFIGURATION
    assert "kill9, stop" in caught.value.next_action


def test_an_empty_list_plans_nothing() -> None:
    assert parse("") == parse(" , ") == {}


def test_a_process_dies_at_its_failpoint_in_test_mode_only() -> None:
    listed = "push.after_remote:kill9@3"
    assert reach(FLOWFORGE_FAILPOINTS=listed) == 0
    assert reach(FLOWFORGE_FAILPOINTS=listed, FLOWFORGE_TEST_MODE="0") == 0
    assert reach(FLOWFORGE_FAILPOINTS="push.after_remote:kill9@4", FLOWFORGE_TEST_MODE="1") == 0
    assert reach(FLOWFORGE_FAILPOINTS=listed, FLOWFORGE_TEST_MODE="1") == -signal.SIGKILL


def places() -> set[str]:
    """Every failpoint in the code; `{…}` where a part of the name is known only at run time."""
    found: set[str] = set()
    for path in (ROOT / "flowforge").rglob("*.py"):
        found |= set(re.findall(r"\bfailpoint\(f?\"([^\"]+)\"\)", path.read_text()))
    return {re.sub(r"{[^}]*}", "STAGE", name) for name in found}


def test_every_failpoint_is_documented_and_none_is_invented() -> None:
    page = (ROOT / "flowforge" / "docs" / "faults.md").read_text()
    listed = page.partition("| place |")[2].partition("\n## ")[0]  # other tables of the page name commands
    assert set(re.findall(r"^\| `([^`]+)` \|", listed, re.MULTILINE)) == places() != set()
