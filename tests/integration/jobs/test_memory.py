"""What jobs of a repository remember of each other: real git, real Postgres, and workers that share only these."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flowforge.core.access import Role
from flowforge.core.decision import Verb
from flowforge.core.errors import Broken, Reason
from flowforge.core.job import Job, State
from flowforge.core.masking import Mask
from flowforge.jobs import memory as stored_memory
from flowforge.jobs.decide import Decision, decide
from flowforge.jobs.memory import StoredMemory
from flowforge.jobs.session import Stop
from flowforge.jobs.undo import undo
from flowforge.store import answers as table
from flowforge.store.errors import UnknownOutcome
from flowforge.store.scope import Actor, Scope
from flowforge.store.transaction import Row, Transaction
from flowforge.vault.envelope import Vault
from flowforge.wiring.runner import PipelineRunner
from tests.conftest import TestDatabase
from tests.contract.test_memories import given, person, stored
from tests.gitrepo import Repository
from tests.integration.api.conftest import PlainKeys
from tests.integration.jobs.workers import Make, claimed, run
from tests.integration.jobs.world import World, make_world

pytestmark = [pytest.mark.services, pytest.mark.slow]

PIPELINE = """version: 1
name: remembers
stages:
  - {id: clone, uses: clone}
  - {id: rebase, uses: rebase}
  - {id: resolve, uses: resolve, on_failure: hand_back, with: {rungs: [memory, mechanical, structural]}}
  - {id: validate, uses: validate}
  - {id: test, uses: test, run: "test -e a.py"}
  - {id: push, uses: push}
finally:
  - {uses: report}
"""
UNTESTED = PIPELINE.replace('  - {id: test, uses: test, run: "test -e a.py"}\n', "")
RED = PIPELINE.replace("test -e a.py", "test -e nowhere")
BASE = "import os\n\n\ndef f():\n    return 1\n"


def importing(*names: str) -> str:
    return "".join(f"import {name}\n" for name in names) + "\n\ndef f():\n    return 1\n"


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    """Branches one and two make the same change, which conflicts with main so that a rung can answer it."""
    made = Repository(tmp_path / "remote.git")
    base = made.commit({"a.py": BASE, "b.txt": "1\n"}, branch="main")
    made.commit({"a.py": importing("os", "sys"), "b.txt": "1\n"}, base, branch="main", message="main")
    for name in ("one", "two"):
        files = {"a.py": importing("os", "re"), "b.txt": "1\n", f"{name}.txt": "x\n"}
        made.commit(files, base, branch=name, message=f"branch {name}")
    return made


@pytest.fixture
def world(database: TestDatabase, remote: Repository) -> World:
    made = make_world(database)
    made.run("UPDATE repositories SET url = %(url)s", url=remote.url)
    made.run("UPDATE users SET name = 'Ada'")
    return made


def ended(world: World, made: PipelineRunner, branch: str, pipeline: str = PIPELINE) -> Job:
    return run(world, claimed(world, world.submit(branch=branch, pipeline=pipeline), "w1"), made)


def said(job: Job) -> tuple[State, Reason | None]:
    return job.state, job.ending.reason if job.ending else None


def kept(world: World) -> list[Row]:
    with world.everywhere() as tx:
        return tx.rows("SELECT * FROM kept_answers ORDER BY path")


def hunks(world: World, job: Job) -> list[Mapping[str, Any]]:
    rows = world.column("SELECT hunks FROM conflict_resolutions WHERE job = %(job)s ORDER BY id", job=job.id)
    return [hunk for row in rows for hunk in row]  # type: ignore[attr-defined]  # a list of JSON


def says(world: World, job: Job, made: PipelineRunner, verb: Verb, files: Mapping[str, str] = {}) -> None:
    """As Ada, who is in the audit log then."""
    principal = replace(world.principal, role=Role.MAINTAINER)
    actor = Actor(kind="user", user=principal.user)
    with world.database.app.transaction(Scope.organization(principal.organization), actor=actor) as tx:
        decide(tx, principal, job.id, Decision(verb=verb, files=files), made.vault)


def goes_on(world: World, job: Job, made: PipelineRunner) -> Job:
    return run(world, claimed(world, job, "w2"), made)


# ------------------------------------------------------------------------------------------- what becomes of one


def test_what_tests_confirmed_is_answered_from_memory_on_another_worker_and_says_so(
    world: World, remote: Repository, runner: Make
) -> None:
    first = ended(world, runner("w1"), "one")
    assert said(first) == (State.SUCCESS, Reason.PUSHED), first.ending
    (row,) = kept(world)
    rung = hunks(world, first)[0]["rung"]
    assert rung in {"mechanical", "structural"}
    assert (row["rung"], row["confirmed"], row["job"], row["uses"]) == (rung, "tests", first.id, 1)
    assert (row["path"], row["commit_id"]) == ("a.py", hunks_commit(world, first))
    second = ended(world, runner("w2"), "two", UNTESTED)
    assert said(second) == (State.SUCCESS, Reason.PUSHED), second.ending  # confirmed: no person is asked
    (hunk,) = hunks(world, second)
    assert (hunk["rung"], hunk["confirmed"]) == ("memory", True)
    assert hunk["why"].startswith(f"answered before by {rung} in job {first.id} (confirmed by tests): ")
    assert f"answered before by {rung} in job" in " ".join(str(second.outputs).split())
    assert remote.git("show", "two:a.py") == remote.git("show", "one:a.py")
    (row,) = kept(world)
    assert (row["uses"], row["job"], row["last_job"]) == (2, first.id, second.id)


def hunks_commit(world: World, job: Job) -> str:
    return str(world.value("SELECT commit_id FROM conflict_resolutions WHERE job = %(job)s", job=job.id))


def test_a_later_rebase_of_the_same_branch_is_answered_too(
    world: World, remote: Repository, runner: Make
) -> None:
    made = runner("w1")
    dry = PIPELINE.replace("  - {id: push, uses: push}\n", "")
    assert said(ended(world, made, "one", dry))[0] is State.SUCCESS
    files = {"a.py": importing("os", "sys"), "b.txt": "2\n"}
    remote.commit(files, remote.tip("main"), branch="main", message="main moves on")
    second = ended(world, made, "one")
    assert said(second) == (State.SUCCESS, Reason.PUSHED), second.ending
    assert [hunk["rung"] for hunk in hunks(world, second)] == ["memory"]


def test_one_question_is_asked_for_all_conflicts_of_a_commit(
    world: World, remote: Repository, runner: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, more = [f"{n}.py" for n in range(5)], {"a.py": BASE}
    base = remote.commit({**more, **dict.fromkeys(paths, BASE)}, branch="main")
    mains, wide = importing("os", "sys"), importing("os", "re")
    remote.commit({**more, **dict.fromkeys(paths, mains)}, base, branch="main", message="m")
    remote.commit({**more, **dict.fromkeys(paths, wide)}, base, branch="wide", message="w")
    asked: list[int] = []
    find = table.find

    def counted(transaction: Transaction, shelf: table.Shelf, keys: Any) -> list[Row]:
        asked.append(len(keys))
        return find(transaction, shelf, keys)

    monkeypatch.setattr(stored_memory.table, "find", counted)
    ended(world, runner("w1"), "wide")
    assert asked == [
        10,
        5,
        5,
    ]  # hunks and whole files at once; then, under the lock, when they were used and when tests had passed
    assert len(kept(world)) == 5


def test_red_tests_let_it_be_forgotten(world: World, runner: Make) -> None:
    job = ended(world, runner("w1"), "one", RED)
    assert said(job) == (State.FAILED, Reason.TESTS_FAILED)
    assert kept(world) == []


def test_tests_that_are_red_on_the_target_too_say_nothing(world: World, runner: Make) -> None:
    pipeline = RED.replace('run: "test -e nowhere"', 'run: "test -e nowhere", compare_base: true')
    job = ended(world, runner("w1"), "one", pipeline)
    assert said(job) == (State.FAILED, Reason.BASE_ALREADY_RED)
    assert [row["confirmed"] for row in kept(world)] == [""]


def test_red_tests_make_a_proposal_of_what_other_tests_had_confirmed(world: World, runner: Make) -> None:
    made = runner("w1")
    ended(world, made, "one")
    ended(world, made, "two", RED)
    assert [row["confirmed"] for row in kept(world)] == [""]


def test_a_yes_is_remembered_as_theirs_and_nobody_is_asked_twice(world: World, runner: Make) -> None:
    made = runner("w1")
    job = ended(world, made, "one", UNTESTED)
    assert job.state is State.WAITING
    assert [row["confirmed"] for row in kept(world)] == [""]
    says(world, job, made, Verb.APPROVE)
    (row,) = kept(world)
    assert (row["confirmed"], row["by_user"], row["by_name"]) == ("person", world.principal.user, "Ada")
    assert said(goes_on(world, job, made)) == (State.SUCCESS, Reason.PUSHED)
    second = ended(world, made, "two", UNTESTED)
    assert said(second) == (State.SUCCESS, Reason.PUSHED), second.ending
    assert "(approved by Ada)" in hunks(world, second)[0]["why"]


def test_what_a_person_wrote_is_remembered_as_theirs_and_wins_over_a_rungs(
    world: World, remote: Repository, runner: Make
) -> None:
    made = runner("w1")
    job = ended(world, made, "one", UNTESTED)
    hers = importing("os", "sys", "re").replace("import re", "import re  # for names")
    says(world, job, made, Verb.EDIT, {"a.py": hers})
    again = goes_on(world, job, made)
    assert said(again) == (State.SUCCESS, Reason.PUSHED), again.ending
    (row,) = kept(world)
    assert (row["rung"], row["confirmed"], row["by_name"]) == ("person", "person", "Ada")
    unread = UNTESTED.replace("rungs: [memory, mechanical", "rungs: [mechanical, memory")
    ended(world, made, "two", unread)  # another rung came first: its answer does not take the place of hers
    assert kept(world)[0]["by_name"] == "Ada"
    third = branch_like(remote, "three")
    second = ended(world, made, third, UNTESTED)
    assert said(second) == (State.SUCCESS, Reason.PUSHED), second.ending
    assert hunks(world, second)[0]["why"] == f"as Ada decided in job {job.id}: a person wrote it"
    assert remote.git("show", f"{third}:a.py").decode() == hers


def test_what_a_person_wrote_outside_the_hunks_is_remembered_for_exactly_this_file(
    world: World, remote: Repository, runner: Make
) -> None:
    made = runner("w1")
    job = ended(world, made, "one", UNTESTED)
    hers = importing("os", "sys", "re").replace("return 1", "return 2")
    says(world, job, made, Verb.EDIT, {"a.py": hers})
    assert said(goes_on(world, job, made)) == (State.SUCCESS, Reason.PUSHED)
    (row,) = [row for row in kept(world) if row["rung"] == "person"]
    assert (row["by_name"], row["confirmed"]) == ("Ada", "person")
    second = ended(world, made, "two", UNTESTED)
    assert said(second) == (State.SUCCESS, Reason.PUSHED), second.ending
    assert [hunk["why"] for hunk in hunks(world, second)] == [f"as Ada decided in job {job.id}"]
    assert remote.git("show", "two:a.py").decode() == hers


def test_what_a_person_made_of_a_deleted_file_is_remembered(
    world: World, remote: Repository, runner: Make
) -> None:
    made = runner("w1")
    base = remote.tip("main~1")
    remote.commit({"b.txt": "1\n"}, remote.tip("main"), branch="main", message="a.py goes")
    for name in ("three", "four"):
        files = {"a.py": BASE.replace("1", "2"), "b.txt": "1\n", f"{name}.txt": "x\n"}
        remote.commit(files, base, branch=name, message=name)
    job = ended(world, made, "three", UNTESTED)
    assert job.state is State.WAITING, job.ending
    says(world, job, made, Verb.EDIT, {"a.py": BASE.replace("1", "3")})
    assert said(goes_on(world, job, made)) == (State.SUCCESS, Reason.PUSHED)
    second = ended(world, made, "four", UNTESTED)
    assert said(second) == (State.SUCCESS, Reason.PUSHED), second.ending
    assert remote.git("show", "four:a.py").decode() == BASE.replace("1", "3")


def branch_like(remote: Repository, name: str) -> str:
    files = {"a.py": importing("os", "re"), "b.txt": "1\n", f"{name}.txt": "x\n"}
    remote.commit(files, remote.tip("main~1"), branch=name, message=name)
    return name


def test_a_no_is_remembered_and_the_same_answer_needs_a_person_from_now_on(
    world: World, runner: Make
) -> None:
    made = runner("w1")
    job = ended(world, made, "one", UNTESTED)
    says(world, job, made, Verb.REJECT)
    assert [row["refused"] for row in kept(world)] == ["rejected"]
    second = ended(world, made, "two")  # whose tests are green
    assert second.state is State.WAITING
    assert hunks(world, second)[0]["rung"] != "memory"
    says(world, second, made, Verb.APPROVE)
    (row,) = kept(world)
    assert (row["refused"], row["confirmed"], row["by_name"]) == ("", "person", "Ada")


def test_an_undone_push_takes_its_answers_back(world: World, remote: Repository, runner: Make) -> None:
    made = runner("w1")
    job = ended(world, made, "one")
    with world.transaction() as tx:
        child = undo(tx, world.principal, job.id, world.door)
    assert said(goes_on(world, child, made)) == (State.SUCCESS, Reason.UNDONE)
    (row,) = kept(world)
    assert (row["refused"], row["confirmed"]) == ("undone", "")
    assert ended(world, made, "two").state is State.WAITING


def test_a_no_to_an_open_question_says_nothing_of_what_was_answered_before(
    world: World, remote: Repository, runner: Make
) -> None:
    made = runner("w1")
    first = remote.commit({"a.py": importing("os", "re"), "b.txt": "1\n"}, remote.tip("main~1"), message="1")
    remote.commit({"a.py": importing("os", "re"), "b.txt": "3\n"}, first, branch="open", message="2")
    remote.commit({"a.py": importing("os", "sys"), "b.txt": "2\n"}, remote.tip("main"), branch="main")
    job = ended(world, made, "open")
    assert job.state is State.WAITING
    says(world, job, made, Verb.REJECT)
    assert [(row["path"], row["refused"]) for row in kept(world)] == [("a.py", "")]


# ------------------------------------------------------------------------------------------------ what is not kept


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("rungs: [mechanical, structural]", "the pipeline asks for no memory"),
        ('rungs: [memory, mechanical, structural], never: ["a.py"]', "a person decides there"),
    ],
)
def test_nothing_is_kept_where_it_shall_not_be(world: World, runner: Make, options: str, why: str) -> None:
    made = runner("w1")
    job = ended(world, made, "one", UNTESTED.replace("rungs: [memory, mechanical, structural]", options))
    if job.state is State.WAITING:
        says(world, job, made, Verb.EDIT, {"a.py": importing("os", "sys", "re")})
        goes_on(world, job, made)
    assert kept(world) == [], why


def test_nothing_is_kept_of_a_file_that_holds_a_secret(
    world: World, remote: Repository, runner: Make
) -> None:
    key = "AKIA" + "Q3EGRIJ7ZK5WMT2X"
    tail = f'\n\nKEY = "{key}"\n'
    base = remote.commit({"a.py": BASE + tail}, branch="main", message="base")
    remote.commit({"a.py": importing("os", "sys") + tail}, base, branch="main", message="m")
    remote.commit({"a.py": importing("os", "re") + tail}, base, branch="leaky", message="l")
    job = ended(world, runner("w1"), "leaky")
    assert hunks(world, job)[0]["rung"] != ""
    assert kept(world) == []


def test_a_secret_of_the_job_itself_is_not_kept(world: World) -> None:
    memory = stored(world)
    memory.recorder.mask = Mask(["hunter2-hunter2"])
    memory.keep([given("a", text=b"password = hunter2-hunter2\n"), given("b")])
    assert set(memory.find(["a" * 64, "b" * 64])) == {"b" * 64}


def test_texts_are_sealed(world: World) -> None:
    stored(world).keep([given(text=b"canary in the text\n")])
    (row,) = kept(world)
    assert b"canary" not in row["sealed_text"]
    assert b"canary" not in b"".join(value for value in row.values() if isinstance(value, bytes))


def test_a_text_that_does_not_open_is_as_if_it_had_never_been_seen(world: World) -> None:
    memory = stored(world)
    memory.keep([given("a"), given("b")])
    world.run("UPDATE kept_answers SET sealed_text = 'FF1 broken' WHERE key = %(key)s", key=b"\xaa" * 32)
    assert set(memory.find(["a" * 64, "b" * 64])) == {"b" * 64}
    world.run("UPDATE kept_answers SET sealed_text = (SELECT sealed_text FROM kept_answers WHERE key = %(b)s) "
              "WHERE key = %(a)s", a=b"\xaa" * 32, b=b"\xbb" * 32)  # fmt: skip
    assert set(memory.find(["a" * 64])) == set()  # sealed for another place


# ------------------------------------------------------------------------------------------------------- tenants


def test_another_organization_and_another_repository_find_nothing(world: World) -> None:
    stored(world).keep([given()])
    other = world.organization("other")
    theirs = stored(other)
    assert theirs.find(["a" * 64]) == {}
    theirs.keep([given(text=b"theirs\n")])
    assert len(kept(world)) == 2
    with other.transaction() as tx:  # the API's role sees one organization whatever it asks
        rows = tx.rows("SELECT organization FROM kept_answers")
    assert [row["organization"] for row in rows] == [other.principal.organization]
    with other.transaction() as tx:
        assert tx.run("DELETE FROM kept_answers WHERE repository = %(r)s", r=world.repository) == 0
        assert tx.run("UPDATE kept_answers SET why = 'x' WHERE repository = %(r)s", r=world.repository) == 0


# ----------------------------------------------------------------------------------------------------------- faults


def test_two_jobs_at_once_with_one_key_leave_one_row(world: World) -> None:
    memories = [stored(world, f"branch{number}") for number in range(4)]

    def use(number: int) -> None:
        memory = memories[number % 4]
        one = given(text=b"same\n", commit=f"c{number}")
        memory.keep([given("b", text=f"{number}\n".encode()), one] if number % 2 else [one, given("c")])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(40)))
    by_key = {row["key"].hex()[0]: row for row in kept(world)}
    assert set(by_key) == {"a", "b", "c"}
    assert by_key["a"]["uses"] == 40


def test_a_person_wins_whoever_comes_first_of_two_at_once(world: World) -> None:
    rung, hers = stored(world, "one"), stored(world, "two")
    for number in range(10):
        key = f"{number}"
        with ThreadPoolExecutor(2) as pool:
            list(
                pool.map(
                    lambda write: write(),
                    [lambda key=key: rung.keep([given(key)]), lambda key=key: hers.keep([person(key=key)])],
                )
            )
        assert rung.find([key * 64])[key * 64].text == b"hers\n"


def test_a_lost_commit_is_no_second_use(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = stored(world)
    memory.recorder.sleep = lambda _seconds: None
    answered_nobody = losing_commits(memory, 1)
    memory.keep([given()])
    assert answered_nobody == [True]
    assert [row["uses"] for row in kept(world)] == [1]


def losing_commits(memory: StoredMemory, times: int) -> list[bool]:
    """The next commits happen, and nobody hears of it."""
    lost: list[bool] = []
    real = memory.recorder.database

    class Deaf:
        @contextmanager
        def transaction(self, *args: Any, **more: Any) -> Iterator[Transaction]:
            with real.transaction(*args, **more) as transaction:
                yield transaction
            if len(lost) < times and not more.get("read_only"):
                lost.append(True)
                raise UnknownOutcome(Reason.SERVICE_UNAVAILABLE, "nobody answered")

    memory.recorder.database = Deaf()  # type: ignore[assignment]  # stands for the one it wraps
    return lost


def test_a_worker_that_lost_its_lease_writes_nothing_and_hears_it(world: World) -> None:
    memory = stored(world)
    world.run("UPDATE jobs SET state = 'queued'")
    world.claim(memory.recorder.job, "another")
    with pytest.raises(Broken) as broken:
        memory.keep([given()])
    assert broken.value.reason is Reason.LEASE_LOST
    assert memory.recorder.session.why is Stop.LOST
    assert kept(world) == []


class NoKeys(PlainKeys):
    def wrap(self, key: bytes, context: bytes) -> bytes:
        raise Broken(Reason.CONFIGURATION, "the key provider is away", next_action="wait")


def test_a_memory_that_cannot_be_written_costs_no_job_anything(
    world: World, remote: Repository, runner: Make
) -> None:
    job = ended(world, replace(runner("w1"), vault=Vault(NoKeys())), "one")
    assert said(job) == (State.SUCCESS, Reason.PUSHED), job.ending
    assert kept(world) == []


def test_what_is_forgotten_while_a_job_uses_it_stays_forgotten(world: World) -> None:
    memory = stored(world)
    memory.keep([given()])
    world.run("DELETE FROM kept_answers")
    memory.keep([given(rung="memory", commit="c2")])
    memory.tested({given().mark}, passed=True)
    assert kept(world) == []


def test_a_path_that_is_no_text_can_be_kept_and_shown(world: World) -> None:
    memory = stored(world)
    memory.keep([given(path="caf\udce9.py")])
    assert kept(world)[0]["path"].startswith("caf")
    assert set(memory.find(["a" * 64])) == {"a" * 64}
