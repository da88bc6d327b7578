"""What of a request is decided without a database."""

import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.concurrency import Concurrency, Group, Policy
from flowforge.core.errors import Refused
from flowforge.core.job import JobRequest
from flowforge.jobs.log import cut
from flowforge.jobs.read import read_cursor
from flowforge.jobs.retry import before
from flowforge.jobs.submit import Checked, _refuse_variables, body_hash, ref_key
from flowforge.store.events import LogChunk

REQUEST = JobRequest(repository=UUID(int=1), branch="feature", target="main")


@pytest.mark.parametrize(
    "change",
    [
        {"branch": "other"},
        {"target": "other"},
        {"priority": 9},
        {"environment": {"A": "1"}},
        {"pipeline": "version: 1"},
        {"parent_job": UUID(int=2)},
        {"repository": UUID(int=2)},
        {"concurrency": Concurrency()},
    ],
)
def test_another_request_has_another_hash(change: dict[str, object]) -> None:
    assert body_hash(replace(REQUEST, **change)) != body_hash(REQUEST)


def test_the_key_and_the_order_of_variables_are_not_part_of_the_request() -> None:
    one = replace(REQUEST, idempotency_key="a", environment={"A": "1", "B": "2"})
    two = replace(REQUEST, idempotency_key="b", environment={"B": "2", "A": "1"})
    assert body_hash(one) == body_hash(two)


def test_a_request_without_a_group_has_the_hash_of_versions_that_knew_none() -> None:
    """A key that was used before an upgrade gives the same job after it."""
    known = "repository branch target task pipeline priority environment idempotency_key trigger parent_job retry_from"
    body = {name: getattr(REQUEST, name) for name in (*known.split(), "max_attempts")}
    before = hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).digest()
    assert body_hash(REQUEST) == before
    assert body_hash(Checked(**vars(REQUEST), joins=Group(key="g", policy=Policy.QUEUE))) == before


def test_a_request_with_a_group_has_the_hash_of_versions_that_knew_no_scope() -> None:
    asked = replace(REQUEST, concurrency=Concurrency(group="branch", policy="reject"))
    body = {**vars(REQUEST), "concurrency": {"group": "branch", "policy": "reject"}, "idempotency_key": ""}
    before = hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).digest()
    assert body_hash(asked) == before


def test_a_job_writes_its_branch_unless_its_task_only_reads() -> None:
    assert ref_key(REQUEST) == "refs/heads/feature"
    assert ref_key(replace(REQUEST, task="validate-only")) == ""
    assert ref_key(replace(REQUEST, task="validate-only", pipeline="version: 1")) == "refs/heads/feature"


@pytest.mark.parametrize(
    "name",
    [
        "GIT_DIR",
        "git_dir",
        "LD_PRELOAD",
        "PYTHONPATH",
        "PATH",
        "HOME",
        "HTTPS_PROXY",
        "no_proxy",
        "FLOWFORGE_KEY",
    ],
)
def test_variables_that_steer_our_own_tools_are_refused(name: str) -> None:
    with pytest.raises(Refused, match="FlowForge's own to set"):
        _refuse_variables({name: "x"})


@pytest.mark.parametrize("name", ["PYTHONHASHSEED", "CI", "MY_PATH", "HOMEPAGE"])
def test_other_variables_pass(name: str) -> None:
    _refuse_variables({name: "x"})


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A=B", "A\n", "\N{SNOWMAN}"])
def test_what_is_no_name_of_a_variable_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="is no name of a variable"):
        _refuse_variables({name: "x"})


def test_a_retry_begins_behind_stages_that_ended_well() -> None:
    runs = [
        {"stage": "a", "result": "success"},
        {"stage": "b", "result": "skip"},
        {"stage": "c", "result": None},
    ]
    assert before(runs, "c") == ("a", "b")
    assert before(runs, "a") == ()


def test_a_retry_behind_a_failure_is_refused_with_the_stage_to_begin_at() -> None:
    runs = [{"stage": "a", "result": "failure"}, {"stage": "b", "result": "success"}]
    with pytest.raises(Refused) as refused:
        before(runs, "b")
    assert "retry from 'a'" in refused.value.next_action


@given(cursor=st.text(max_size=60))
def test_no_text_breaks_the_reader_of_cursors(cursor: str) -> None:
    with suppress(Refused):
        read_cursor(cursor)


def chunks(texts: list[bytes]) -> list[LogChunk]:
    starts, made = 0, []
    for number, text in enumerate(texts):
        made.append(LogChunk(seq=number, attempt=1, stage="s", at=None, starts=starts, text=text))  # type: ignore[arg-type]
        starts += len(text)
    return made


@given(
    texts=st.lists(st.binary(min_size=1, max_size=8), max_size=6),
    offset=st.integers(0, 50),
    limit=st.integers(1, 20),
)
def test_a_cut_of_the_log_is_a_slice_of_the_whole(texts: list[bytes], offset: int, limit: int) -> None:
    pieces = cut(chunks(texts), offset, limit)
    assert b"".join(piece.text for piece in pieces) == b"".join(texts)[offset : offset + limit]
    assert all(piece.text for piece in pieces)
