"""What a model is told of a conflict: real git, real children, and every way in which a part may be missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.core.job import Result
from flowforge.llm.context import CHILD
from flowforge.resolve.prompt import Facts
from flowforge.sandbox.pool import Pool
from tests.gitrepo import Content
from tests.integration.pipeline.scene import Proposes, Scene

HELPERS = '''"""Helpers."""


def fetch(url, times=3):
    """Fetch."""
    return url * times


LIMIT = 5
'''
HEAD = """import json
import os
import re

from app.helpers import LIMIT
from app.helpers import fetch


def small(text):
    return text.strip()


"""
FUNCTION = '''class Client:
    """A client."""

    def call(self, url):
        """Call it."""
        name = {name}
        if not url:
            raise ValueError(url)
        answer = {answer}
        self.seen.append(name)
        return answer
'''


def client(name: str, answer: str) -> str:
    return HEAD + FUNCTION.format(name=name, answer=answer) + "\n\ndef after():\n    return None\n"


def files(name: str, answer: str, **more: str) -> Mapping[str, Content]:
    return {"app/client.py": client(name, answer), "app/helpers.py": HELPERS, **more}


def told(
    scene: Scene, main: Mapping[str, Content], topic: Mapping[str, Content], base: Mapping[str, Content]
) -> Facts:
    scene.branches(main, topic, base=base)
    scene.with_resolve()
    scene.do("clone")
    scene.do("rebase")
    assert scene.work.pending
    scene.models = asked = Proposes(text=b"both\n")
    scene.do("resolve", rungs=["model"])
    (facts,) = asked.facts
    return facts


def usual(scene: Scene) -> Facts:
    """Upstream calls another way, the commit asks for more, and names the thing anew beside it."""
    return told(
        scene,
        files("url", "fetch(small(url), times=LIMIT)"),
        files("url.lower()", "fetch(url, times=4)"),
        files("url", "fetch(url)"),
    )


def test_the_function_around_the_hunk_is_told_whole_with_the_hunk_in_it(scene: Scene) -> None:
    (place,) = usual(scene).places
    texts = [part for part in place.parts if isinstance(part, str)]
    assert place.parts[0] == "class Client:\n"
    assert place.parts[1] is None  # its docstring is left out
    assert texts[1].startswith("    def call(self, url):\n")
    assert texts[-1].endswith("        return answer\n")
    assert "def after" not in "".join(texts)
    assert place.whole


def test_what_the_commit_changed_beside_the_hunk_is_told_as_its_own(scene: Scene) -> None:
    (place,) = usual(scene).places
    assert "-        name = url\n+        name = url.lower()" in place.changed.commit
    assert place.changed.upstream == ""


def test_names_are_told_from_the_same_file_and_from_the_one_they_are_imported_from(scene: Scene) -> None:
    found = {(one.path, one.name): one.text for one in usual(scene).definitions}
    assert found["", "small"] == "def small(text):\n    return text.strip()"
    assert found["app/helpers.py", "fetch"].startswith("def fetch(url, times=3):")
    assert found["app/helpers.py", "LIMIT"] == "LIMIT = 5"


def test_upstreams_commits_are_those_of_the_lines(scene: Scene) -> None:
    facts = usual(scene)
    assert [line.partition(" ")[2] for line in facts.upstream_commits] == ["main moves on"]
    assert all(len(line.partition(" ")[0]) >= 10 for line in facts.upstream_commits)


def test_habits_are_measured_in_the_files_beside(scene: Scene) -> None:
    assert "Lines are indented by 4 spaces." in usual(scene).repository


def test_a_commit_that_touched_the_file_elsewhere_is_not_told(scene: Scene) -> None:
    start = scene.repo.commit(files("url", "fetch(url)"), message="start")
    other = scene.repo.commit(
        {**files("url", "fetch(url)"), "app/client.py": client("url", "fetch(url)") + "X = 1\n"},
        start,
        message="elsewhere",
    )
    moved = {**files("url", "fetch(url, 9)"), "app/client.py": client("url", "fetch(url, 9)") + "X = 1\n"}
    scene.repo.commit(moved, other, branch="main", message="nine times")
    scene.repo.commit(files("url", "fetch(url, 4)"), start, branch="topic", message="topic 1")
    scene.with_resolve()
    scene.do("clone")
    scene.do("rebase")
    scene.models = asked = Proposes(text=b"both\n")
    scene.do("resolve", rungs=["model"])
    assert [line.partition(" ")[2] for line in asked.facts[0].upstream_commits] == ["nine times"]


@dataclass
class Failing:
    """A pool of which some calls fail."""

    pool: Pool
    error: Exception
    words: str
    calls: list[str]

    def call(self, load: str, *args: object, deadline: float, **more: Any) -> object:
        self.calls.append(load)
        if self.words in load:
            assert deadline == CHILD
            raise self.error
        return self.pool.call(load, *args, deadline=deadline, **more)


LATE = Refused(Reason.TIMEOUT, "it was stopped after 2 s")
DEAD = Temporary(Reason.INFRASTRUCTURE, "it was lost", next_action="try again")


@pytest.mark.parametrize("error", [LATE, DEAD], ids=["late", "dead"])
def test_a_child_that_fails_makes_the_prompt_poorer_and_nothing_else(scene: Scene, error: Exception) -> None:
    scene.pool = failing = Failing(scene.pool, error, "flowforge.merge.", [])  # type: ignore[assignment]  # its one method
    facts = usual(scene)
    (place,) = facts.places
    assert place.hunks == (0,)
    assert any(isinstance(part, str) for part in place.parts)
    assert facts.definitions == ()
    assert facts.repository == ()
    assert facts.message.startswith("topic 1")
    assert len(failing.calls) >= 2


def test_a_cancelled_job_does_not_go_on_without_the_part(scene: Scene) -> None:
    error = Refused(Reason.CANCELLED, "the job was cancelled")
    scene.branches(
        files("url", "fetch(url, 9)"), files("url", "fetch(url, 4)"), base=files("url", "fetch(url)")
    )
    scene.with_resolve()
    scene.do("clone")
    scene.do("rebase")
    scene.pool = Failing(scene.pool, error, "surroundings", [])  # type: ignore[assignment]  # its one method
    scene.models = asked = Proposes(text=b"both\n")
    result = scene.do("resolve", rungs=["model"])
    assert (result.result, result.reason) == (Result.CANCELLATION, Reason.CANCELLED)
    assert asked.facts == []


@pytest.mark.parametrize(
    ("base", "main", "topic"),
    [
        ("x = 1\r\ny = 2\r\n", "x = 3\r\ny = 2\r\n", "x = 4\r\ny = 2\r\n"),
        ("def f(:\n  x = 1\n ((\n", "def f(:\n  x = 2\n ((\n", "def f(:\n  x = 3\n ((\n"),
        ("\ufeffx = 1\n", "\ufeffx = 2\n", "\ufeffx = 3\n"),
        ("x = 1", "x = 2", "x = 3"),
        (
            "# caf\u00e9 \U0001f600\nx = '\u202e'\n",
            "# caf\u00e9 \U0001f600\nx = 2\n",
            "# caf\u00e9 \U0001f600\nx = 3\n",
        ),
    ],
    ids=["CR LF", "unparsable", "byte order mark", "no last line end", "wide characters"],
)
def test_odd_texts_are_told_all_the_same(scene: Scene, base: str, main: str, topic: str) -> None:
    facts = told(scene, {"a.py": main}, {"a.py": topic}, {"a.py": base})
    assert [index for place in facts.places for index in place.hunks] == [0]


def test_a_renamed_file_is_looked_for_where_upstream_has_it(scene: Scene) -> None:
    body = client("url", "fetch(url)")
    facts = told(
        scene,
        {"app/client.py": None, "app/moved.py": client("url", "fetch(url, 9)"), "app/helpers.py": HELPERS},
        {"app/client.py": client("url", "fetch(url, 4)"), "app/helpers.py": HELPERS},
        {"app/client.py": body, "app/helpers.py": HELPERS},
    )
    assert [line.partition(" ")[2] for line in facts.upstream_commits] == ["main moves on"]
    assert {one.path for one in facts.definitions} == {"app/helpers.py"}
