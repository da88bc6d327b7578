"""Changelogs: what is read gives the text back, both sides' entries and releases are kept in the file's own order."""

from pathlib import Path

import pytest

from flowforge.core.conflict import Abstain
from flowforge.hooks.contracts import ResolveContext
from flowforge.merge.changelogs import resolve
from flowforge.merge.releaselog import order_of, read_log
from tests.golden.conflictcases import conflict_of
from tests.unit.merge.documentcases import merged

LOGS = {
    "markdown": "# Log\n\nWords.\n\n## [Unreleased]\n\n### Added\n\n- a\n  b\n\n  c\n- d\n\n## [1.0.0] - 2024-01-02\n\n* e\n",
    "rst": "Changes\n=======\n\n.. _v2:\n\nVersion 2.0.0\n-------------\n\nUnreleased\n\n-   a\n    b\n-   c\n\n\nVersion 1.x\n-----------\n",
    "plain": "1.2.3 / 2014-01-02\n * fixed; a\n * added; b\n\n1.2.2 / 2013-01-02\n * c\n",
    "fenced": "## 1.0\n\n```\n## 2.0\n- a\n```\n- b\n",
    "nothing": "just words\nwithout releases\n",
    "empty": "",
    "crlf": "## 1.0\r\n\r\n- a\r\n",
    "no end": "## 1.0\n\n- a",
}


@pytest.mark.parametrize("name", LOGS)
def test_reading_a_log_gives_its_text_back(name: str) -> None:
    text = LOGS[name].encode()
    assert b"".join(release.text for release in read_log(text)) in {text, text + b"\n"}


def test_releases_have_keys_sections_and_entries() -> None:
    first, unreleased, one = read_log(LOGS["markdown"].encode())
    assert [first.key, unreleased.key, one.key] == ["", "unreleased", "1.0.0"]
    assert [section.key for section in unreleased.sections] == ["", "added"]
    assert [entry.key for entry in unreleased.sections[1].entries] == ["- a b c", "- d"]
    assert one.day == "2024-01-02"


def test_a_label_belongs_to_the_release_below_it() -> None:
    _, two, old = read_log(LOGS["rst"].encode())
    assert two.head.startswith(b".. _v2:\n")
    assert two.dated == (".. _v2:", "Version 2.0.0", "Unreleased")
    assert old.key == "1.x"


def test_a_heading_inside_a_fence_is_none() -> None:
    assert [release.key for release in read_log(LOGS["fenced"].encode())] == ["1.0"]


@pytest.mark.parametrize(
    ("log", "one", "two", "first"),
    [
        ("## 2.0\n## 1.1\n## 1.0\n", "3.0", "2.1", "3.0"),
        ("## 1.0\n## 1.1\n## 2.0\n", "3.0", "2.1", "2.1"),
        ("## 2.0\n## 1.0\n", "2.1", "unreleased", "unreleased"),
        ("## 2.0\n## 1.0\n", "2.1rc1", "2.1", "2.1"),
    ],
)
def test_releases_stand_in_the_order_that_the_file_has(log: str, one: str, two: str, first: str) -> None:
    a, b = read_log(f"## {one}\n".encode())[0], read_log(f"## {two}\n".encode())[0]
    before = order_of(read_log(log.encode()))
    assert (a if before(a, b) else b).key == first


def test_releases_that_stand_by_day_are_put_by_day() -> None:
    log = "## 4.0.1 / 2024-04-01\n## 3.9.9 / 2024-03-01\n## 4.0.0 / 2024-02-01\n## 3.9.8 / 2024-01-01\n"
    old, new = (read_log(text)[0] for text in (b"## 4.0.2 / 2024-05-01\n", b"## 3.9.10 / 2024-06-01\n"))
    assert order_of(read_log(log.encode()))(new, old)


def log(*releases: str) -> str:
    return "# Log\n\n" + "\n".join(releases)


ONE = "## 1.0\n\n- a\n"


@pytest.mark.parametrize(
    ("upstream", "commit", "expected"),
    [
        (log("## 1.0\n\n- a\n- b\n"), log("## 1.0\n\n- a\n- c\n"), log("## 1.0\n\n- a\n- b\n- c\n")),
        (log("## 1.0\n\n- b\n- a\n"), log("## 1.0\n\n- c\n- a\n"), log("## 1.0\n\n- b\n- c\n- a\n")),
        (log("## 1.0\n\n- a\n- b\n"), log("## 1.0\n\n- a\n- b\n- c\n"), log("## 1.0\n\n- a\n- b\n- c\n")),
        (
            log("## 2.0\n\n- b\n", ONE),
            log("## 1.1\n\n- c\n", ONE),
            log("## 2.0\n\n- b\n", "## 1.1\n\n- c\n", ONE),
        ),
        (
            log("## 1.1\n\n- b\n", ONE),
            log("## 2.0\n\n- c\n", ONE),
            log("## 2.0\n\n- c\n", "## 1.1\n\n- b\n", ONE),
        ),
        (log("## 1.1\n\n- b\n", ONE), log("## 1.1\n\n- c\n", ONE), log("## 1.1\n\n- b\n- c\n", ONE)),
    ],
)
def test_what_both_sides_added_is_kept(upstream: str, commit: str, expected: str, tmp_path: Path) -> None:
    assert merged("CHANGES.md", log(ONE), upstream, commit, tmp_path) == expected


@pytest.mark.parametrize(
    ("why", "base", "upstream", "commit"),
    [
        (
            "reworded",
            "## 1.0\n- the till opens\n",
            "## 1.0\n- the till opens up\n",
            "## 1.0\n- the till opened\n",
        ),
        ("same_entry", "## 1.0\n", "## 1.0\n- the till opens up\n", "## 1.0\n- the till opens now\n"),
        ("moved_date", "## 1.0 (soon)\n- a\n", "## 1.0 (2024-01-02)\n- a\n", "## 1.0 (soon)\n- b\n- a\n"),
        ("same_release", "## 1.0\n", "## 1.1rc1\n- a\n\n## 1.0\n", "## 1.1\n- b\n\n## 1.0\n"),
        ("same_release", "## 1.0\n", "## 1.1\n- a\n\n## 1.0\n", "## 2.0\n- a\n\n## 1.0\n"),
        ("same_release", "## 1.0\n", "## 1.x\n- a\n\n## 1.0\n", "## 1.1\n- b\n\n## 1.0\n"),
        ("removed_beside", "## 1.0\n- a\n- b\n", "## 1.0\n- b\n", "## 1.0\n- a\n- c\n- b\n"),
        ("line_ends", "## 1.0\n- a\n", "## 1.0\n- a\n- b\n", "## 1.0\r\n- a\r\n- c\r\n"),
    ],
)
def test_a_doubt_about_a_changelog_has_its_word(
    why: str, base: str, upstream: str, commit: str, tmp_path: Path
) -> None:
    assert merged("CHANGES.md", base, upstream, commit, tmp_path) == why


def test_time_that_is_up_abstains(tmp_path: Path) -> None:
    conflict = conflict_of("CHANGES.md", b"## 1.0\n", b"## 1.0\n- a\n", b"## 1.0\n- b\n", tmp_path)
    ticks = iter(range(1000))
    said = resolve(conflict, ResolveContext(deadline=0.5), clock=lambda: float(next(ticks)))
    assert isinstance(said, Abstain)
    assert said.why == "out_of_time"


def test_a_long_changelog_takes_no_long_time(tmp_path: Path) -> None:
    old = "".join(f"## 1.{n}\n\n- entry {n}\n\n" for n in range(5000, 0, -1))
    text = merged("CHANGES.md", old, f"## 2.0\n\n- b\n\n{old}", f"## 1.5001\n\n- c\n\n{old}", tmp_path)
    assert text.startswith("## 2.0\n\n- b\n\n## 1.5001\n\n- c\n\n## 1.5000\n")


@pytest.mark.parametrize(
    ("heading", "rule"),
    [("2.1.0", "changelog releases"), ("Unreleased", "changelog releases, one without a number")],
)
def test_a_release_without_a_number_is_counted_apart(tmp_path: Path, heading: str, rule: str) -> None:
    old = "## 2.0.0\n\n- bell rings\n"
    one, two = (
        f"## {name}\n\n- {said}\n\n{old}" for name, said in ((heading, "lamp lit"), ("2.2.0", "tide told"))
    )
    conflict = conflict_of("CHANGELOG.md", old.encode(), one.encode(), two.encode(), tmp_path)
    said = resolve(conflict, ResolveContext(language=None))
    assert not isinstance(said, Abstain)
    assert [answer.rule for answer in said.answers] == [rule]
