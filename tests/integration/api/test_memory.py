"""The routes of a repository's memory against a real Postgres."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from flowforge.core.access import Operation, Role
from flowforge.jobs.answers import expression
from flowforge.resolve.memory import Given, Person
from tests.contract.test_memories import given, stored
from tests.integration.api.conftest import Api
from tests.integration.api.test_jobs import refusal

pytestmark = pytest.mark.services


def path(api: Api, key: str = "") -> str:
    return f"/api/v1/repositories/{api.world.repository}/memory" + (f"/{key}" if key else "")


def ada(api: Api) -> Person:
    return Person(user=str(api.world.principal.user), name="Ada Lovelace")


@pytest.fixture
def full(api: Api) -> Api:
    """Four answers: two of rungs, one that tests confirmed, one that Ada wrote; each ten days older than the next."""
    memory = stored(api.world)
    answers: list[Given] = [
        given("a", path="src/a.py"),
        given("b", path="src/deep/b.py"),
        given("c", path="docs/c.md", text=b"caf\xc3\xa9\n"),
        given("d", path="d.bin", text=b"\xff\n", rung="person", by=ada(api)),
    ]
    memory.keep(answers)
    memory.tested({answers[2].mark}, passed=True)
    for days, key in enumerate("dcba"):
        api.world.run(
            "UPDATE kept_answers SET created_at = now() - make_interval(days => %(d)s * 10), "
            "last_used_at = now() - make_interval(days => %(d)s * 10) WHERE key = %(key)s",
            d=days,
            key=bytes.fromhex(key * 64),
        )
    return api


def listed(api: Api, query: str = "") -> list[str]:
    return [one["key"][0] for one in api.get(path(api), query_string=query).json["answers"]]


def day(ago: float) -> str:
    return f"{datetime.now(UTC) - timedelta(days=ago):%Y-%m-%d}"


def test_answers_are_listed_newest_first_without_their_texts(full: Api) -> None:
    answer = full.get(path(full))
    assert answer.status_code == 200
    assert [one["key"][0] for one in answer.json["answers"]] == ["d", "c", "b", "a"]
    hers, tested, *_ = answer.json["answers"]
    assert (hers["rung"], hers["by"], hers["by_name"], hers["confirmed"]) == (
        "person",
        str(full.world.principal.user),
        "Ada Lovelace",
        "person",
    )
    assert (tested["confirmed"], tested["by"], tested["size"], tested["uses"]) == ("tests", None, 6, 1)
    assert "caf" not in answer.text
    assert "text" not in hers
    assert answer.json["next_cursor"] is None


def test_pages_follow_each_other_whatever_comes_meanwhile(full: Api) -> None:
    first = full.get(path(full), query_string="limit=3")
    stored(full.world, "later").keep([given("e")])
    cursor = first.json["next_cursor"]
    assert f"cursor={cursor}" in first.headers["link"]
    assert [one["key"][0] for one in first.json["answers"]] == ["d", "c", "b"]
    rest = full.get(path(full), query_string=f"limit=3&cursor={cursor}")
    assert [one["key"][0] for one in rest.json["answers"]] == ["a"]
    assert rest.json["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("key=a", ["a"]),
        ("key=" + "b" * 64, ["b"]),
        ("key=ab", []),
        ("path=src/*", ["a"]),
        ("path=src/**", ["b", "a"]),
        ("path=/src/d*/?.py", ["b"]),
        ("path=src/", ["b", "a"]),
        ("path=?.md", ["c"]),
        ("path=docs/c.md", ["c"]),
        ("path=d%25", []),
        ("path=_.bin", []),
    ],
)
def test_a_list_is_narrowed_by_what_a_key_or_a_path_begins_with(
    full: Api, query: str, expected: list[str]
) -> None:
    assert listed(full, query) == expected


def test_a_beginning_that_no_key_has_is_refused(full: Api) -> None:
    assert refusal(full.get(path(full), query_string="key=xyz")) == (422, "invalid_request")


@pytest.mark.parametrize("cursor", ["x", "bm9wZQ", "MjAyNi0wMS0wMSB6eg"])
def test_a_cursor_of_another_list_is_refused(full: Api, cursor: str) -> None:
    assert refusal(full.get(path(full), query_string=f"cursor={cursor}")) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("path=*.py", ["b", "a"]),
        ("path=src/*.py", ["a"]),
        ("path=src/**", ["b", "a"]),
        ("path=src/**/*.py", ["b", "a"]),
        ("path=src/", ["b", "a"]),
        ("path=/d.bin", ["d"]),
        ("path=a", []),
        ("path=.*", []),
        ("path=?.md", ["c"]),
        ("person=ada lovelace", ["d"]),
        ("person=Ada", []),
        (f"before={day(15)}", ["b", "a"]),
        (f"before={day(15)}&path=src/*", ["a"]),
    ],
)
def test_filters_choose(full: Api, query: str, keys: list[str]) -> None:
    assert listed(full, query) == keys


def test_a_person_is_found_by_id_too(full: Api) -> None:
    assert listed(full, f"person={full.world.principal.user}") == ["d"]


@pytest.mark.parametrize(
    "query", ["before=yesterday", "limit=0", "limit=101", "colour=red", "path=", "path=" + "x" * 501]
)
def test_what_cannot_be_asked_is_refused(full: Api, query: str) -> None:
    assert refusal(full.get(path(full), query_string=query)) == (422, "invalid_request")


def test_an_answer_is_shown_with_its_text_where_it_is_one(full: Api) -> None:
    shown = full.get(path(full, "c" * 64)).json
    assert (shown["text"], shown["path"], shown["commit"]) == ("café\n", "docs/c.md", "c1")
    assert full.get(path(full, "d" * 64)).json["text"] is None  # no UTF-8


def test_an_answer_that_does_not_open_is_shown_without_its_text(full: Api) -> None:
    full.world.run("UPDATE kept_answers SET sealed_text = 'x'")
    assert full.get(path(full, "c" * 64)).json["text"] is None


@pytest.mark.parametrize("key", ["f" * 64, "x", "C" * 64, "c" * 63, "%00", "c" * 64 + "0"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_what_is_not_kept_is_not_found(full: Api, method: str, key: str) -> None:
    assert refusal(full.ask(method, path(full, key))) == (404, "not_found")
    assert len(listed(full)) == 4


def test_one_is_forgotten_and_the_audit_log_says_by_whom(full: Api) -> None:
    answer = full.ask("DELETE", path(full, "c" * 64))
    assert (answer.status_code, answer.json) == (200, {"count": 1, "more": False})
    assert listed(full) == ["d", "b", "a"]
    (row,) = audit(full)
    assert (row["actor"], row["user_id"]) == ("user", full.world.principal.user)
    assert (row["resource"], row["resource_id"]) == ("repository", str(full.world.repository))
    assert row["details"] == {"key": "c" * 64, "count": 1}


def audit(api: Api) -> list[dict[str, Any]]:
    with api.world.everywhere() as tx:
        return tx.rows("SELECT * FROM audit_logs WHERE action = 'memory.forget'")


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("path=src/**", ["d", "c"]),
        ("person=Ada Lovelace", ["c", "b", "a"]),
        (f"before={day(15)}", ["d", "c"]),
        ("all=true", []),
        ("path=*.rs", ["d", "c", "b", "a"]),
    ],
)
def test_what_is_chosen_is_forgotten_and_nothing_else(full: Api, query: str, left: list[str]) -> None:
    answer = full.ask("DELETE", path(full), query_string=query)
    assert answer.status_code == 200, answer.text
    assert listed(full) == left
    assert len(audit(full)) == (answer.json["count"] > 0)


def test_nothing_is_forgotten_by_a_request_that_does_not_say_what(full: Api) -> None:
    assert refusal(full.ask("DELETE", path(full))) == (422, "invalid_request")
    assert refusal(full.ask("DELETE", path(full), query_string="all=false")) == (422, "invalid_request")
    assert len(listed(full)) == 4


def test_much_is_forgotten_in_pieces(full: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowforge.jobs.answers.MOST", 3)
    answers = [full.ask("DELETE", path(full), query_string="all=true").json for _ in range(2)]
    assert answers == [{"count": 3, "more": True}, {"count": 1, "more": False}]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("key", ["", "c" * 64])
def test_another_organization_finds_nothing(full: Api, method: str, key: str) -> None:
    other = full.elsewhere().acting(Role.MAINTAINER)
    answer = other.ask(method, path(full, key), query_string="" if key else "path=*")
    assert refusal(answer) == (404, "not_found")
    unknown = path(full).replace(str(full.world.repository), str(uuid4()))
    assert refusal(full.ask(method, unknown, query_string="path=*")) == (404, "not_found")
    assert len(listed(full)) == 4


@pytest.mark.parametrize(
    ("role", "scopes"), [(Role.USER, set(Operation)), (Role.MAINTAINER, {Operation.READ})]
)
def test_members_read_and_maintainers_forget(full: Api, role: Role, scopes: set[Operation]) -> None:
    user = full.acting(role, scopes=frozenset(scopes))
    assert user.get(path(full)).status_code == 200
    assert user.get(path(full, "c" * 64)).status_code == 200
    for key in ("", "c" * 64):
        answer = user.ask("DELETE", path(full, key), query_string="" if key else "all=true")
        assert refusal(answer) == (403, "not_allowed")
    assert len(listed(full)) == 4


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("*.py", r"^(?:.*/)?[^/]*\.py$"),
        ("a/**/b", r"^a/(?:.*/)?b$"),
        ("/a", "^a$"),
        ("a/", "^(?:.*/)?a/.*$"),
        ("a+(b)", r"^(?:.*/)?a\+\(b\)$"),
    ],
)
def test_a_glob_means_what_it_says(glob: str, expected: str) -> None:
    assert expression(glob) == expected
