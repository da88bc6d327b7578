"""One suite for both forms of `llm.ports.Books`: in one process, and in Postgres."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol
from uuid import UUID, uuid4

import pytest

from flowforge.accounts.spending import StoredBooks
from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.core.spend import Budget
from flowforge.hooks.contracts import ModelAnswer
from flowforge.llm.in_process import LocalBooks
from flowforge.llm.ports import Asker, Books, Query
from flowforge.store import budgets, ledger
from flowforge.store.database import Database
from flowforge.store.ids import make_ids
from flowforge.store.scope import Scope
from flowforge.vault.envelope import Vault
from tests.conftest import TestDatabase
from tests.integration.api.conftest import PlainKeys
from tests.integration.jobs.world import World, make_world
from tests.unit.llm.conftest import ANSWER, QUERY, call

ONE, HALF = Decimal(1), Decimal("0.5")


class State(Protocol):
    """What a test may look at behind the port."""

    def spent(self) -> tuple[Decimal, Decimal]:
        """Spent and reserved under the job's cap."""
        ...

    def records(self) -> list[tuple[str, Decimal, bool]]:
        """Result, cost and cache hit of each recorded call, in order."""
        ...


@dataclass(frozen=True, kw_only=True)
class Desk:
    books: Books
    query: Query
    state: State

    @property
    def who(self) -> Asker:
        return self.query.asker

    def paid(self, cost: Decimal = HALF, answer: ModelAnswer | None = ANSWER, **query: object) -> str:
        """A whole call."""
        asked = replace(self.query, **query)  # type: ignore[arg-type]  # fields of a query
        reservation = self.books.reserve(asked.asker, ONE)
        assert self.books.begin(reservation, asked) is None
        self.books.settle(call(reservation, cost, asked), asked, answer)
        return reservation


@dataclass(frozen=True, kw_only=True)
class InProcess:
    books: LocalBooks
    job: UUID

    def spent(self) -> tuple[Decimal, Decimal]:
        budget = self.books.spent(self.job)
        return budget.spent, budget.reserved

    def records(self) -> list[tuple[str, Decimal, bool]]:
        return [(one.result, one.cost, one.cache_hit) for one in self.books.calls]


@dataclass(frozen=True, kw_only=True)
class InPostgres:
    world: World
    job: UUID

    def spent(self) -> tuple[Decimal, Decimal]:
        query = "SELECT spent_usd AS s, reserved_usd AS r FROM budget_totals WHERE kind = 'job' AND subject = %(j)s"
        with self.world.everywhere() as transaction:
            row = transaction.row(query, j=self.job) or {"s": Decimal(0), "r": Decimal(0)}
        return row["s"], row["r"]

    def records(self) -> list[tuple[str, Decimal, bool]]:
        with self.world.everywhere() as transaction:
            rows = transaction.rows("SELECT result, cost_usd, cache_hit FROM model_usage ORDER BY id")
            audited = transaction.value("SELECT count(*) FROM audit_logs WHERE action = 'model.call'")
        assert audited == len(rows), "usage and audit tell the same calls"
        return [(row["result"], row["cost_usd"], row["cache_hit"]) for row in rows]


def vault() -> Vault:
    return Vault(PlainKeys())


def in_postgres(database: TestDatabase, budget: Decimal | None) -> Desk:
    world = make_world(database)
    job = world.submit()
    asker = Asker(organization=job.organization, user=job.user, repository=job.repository, job=job.id)
    if budget is not None:
        with world.everywhere() as transaction:
            budgets.set_budget(
                transaction, id_=uuid4(), period="daily", amount=budget, organization=job.organization
            )
    door = Database(database.urls.system, connections=20, wait=60)
    books = StoredBooks(database=door, ids=make_ids(), vault=vault())
    return Desk(books=books, query=replace(QUERY, asker=asker), state=InPostgres(world=world, job=job.id))


def in_process(budget: Decimal | None) -> Desk:
    books = LocalBooks([Budget(name="organization", limit=budget)] if budget is not None else [])
    assert QUERY.asker.job is not None
    return Desk(books=books, query=QUERY, state=InProcess(books=books, job=QUERY.asker.job))


Make = Callable[..., Desk]


@pytest.fixture(params=["one process", pytest.param("Postgres", marks=pytest.mark.services)])
def make(request: pytest.FixtureRequest) -> Make:
    if request.param == "one process":
        return lambda budget=None: in_process(budget)
    database: TestDatabase = request.getfixturevalue("database")
    return lambda budget=None: in_postgres(database, budget)


@pytest.fixture
def desk(make: Make) -> Desk:
    return make()


def test_a_call_that_was_answered_is_paid_recorded_and_stored(desk: Desk) -> None:
    desk.paid()
    assert desk.state.spent() == (HALF, 0)
    assert desk.state.records() == [("end", HALF, False)]
    assert desk.books.answered(desk.query) == ANSWER


def test_what_was_asked_before_is_answered_before_it_is_sent(desk: Desk) -> None:
    desk.paid()
    second = desk.books.reserve(desk.who, ONE)
    assert desk.books.begin(second, desk.query) == ANSWER
    desk.books.release(second, replace(call("", Decimal(0), desk.query), cache_hit=True))
    assert desk.state.spent() == (HALF, 0)
    assert desk.state.records() == [("end", HALF, False), ("end", Decimal(0), True)]


def test_nothing_is_stored_of_a_call_that_broke_off(desk: Desk) -> None:
    desk.paid(answer=None)
    assert desk.books.answered(desk.query) is None
    assert desk.state.spent() == (HALF, 0)


@pytest.mark.parametrize("text", ["", "{}", "ä\u202e\U0001f600", "a\0b", "\ud800 alone", "x" * 200_000])
def test_an_answer_comes_back_as_it_was(desk: Desk, text: str) -> None:
    answer = replace(ANSWER, text=text, stop="max_tokens", request_id="")
    desk.paid(answer=answer)
    assert desk.books.answered(desk.query) == answer


def test_another_question_finds_nothing(desk: Desk) -> None:
    desk.paid()
    assert desk.books.answered(replace(desk.query, key="b" * 64)) is None


def test_a_call_is_booked_once_however_often_it_is_said(desk: Desk) -> None:
    reservation = desk.paid()
    for cost in (HALF, ONE):
        desk.books.settle(call(reservation, cost, desk.query), desk.query, ANSWER)
    desk.books.release(reservation, call("", Decimal(0), desk.query))
    assert desk.state.spent() == (HALF, 0)
    assert desk.state.records() == [("end", HALF, False)]


def test_what_was_given_back_is_free_and_its_call_is_recorded(desk: Desk) -> None:
    reservation = desk.books.reserve(desk.who, ONE)
    assert desk.state.spent() == (0, ONE)
    refused = replace(call("", Decimal(0), desk.query), result="model_unavailable")
    desk.books.release(reservation, refused)
    desk.books.release(desk.books.reserve(desk.who, ONE))
    assert desk.state.spent() == (0, 0)
    assert desk.state.records() == [("model_unavailable", Decimal(0), False)]


def test_a_call_without_a_reservation_is_recorded_only(desk: Desk) -> None:
    desk.books.note(replace(call("", Decimal(0), desk.query), cache_hit=True))
    assert desk.state.records() == [("end", Decimal(0), True)]
    assert desk.state.spent() == (0, 0)


def test_a_question_in_a_batch_is_known_until_it_is_paid(desk: Desk) -> None:
    assert desk.books.batch_of(desk.query) is None
    reservation = desk.books.reserve(desk.who, ONE)
    desk.books.begin(reservation, desk.query)
    desk.books.submitted(reservation, desk.query, "batch-1")
    found = desk.books.batch_of(desk.query)
    assert found is not None
    assert (found.id, found.reservation) == ("batch-1", reservation)
    assert 0 <= found.age < 60
    assert desk.books.batch_of(replace(desk.query, key="b" * 64)) is None
    desk.books.settle(call(reservation, HALF, desk.query), desk.query, ANSWER)
    assert desk.books.batch_of(desk.query) is None
    assert desk.state.spent() == (HALF, 0)


def test_a_batch_that_came_to_nothing_makes_room_for_another(desk: Desk) -> None:
    for number in (1, 2):
        reservation = desk.books.reserve(desk.who, ONE)
        desk.books.begin(reservation, desk.query)
        desk.books.submitted(reservation, desk.query, f"batch-{number}")
        found = desk.books.batch_of(desk.query)
        assert found is not None
        assert found.id == f"batch-{number}"
        desk.books.release(reservation)
        assert desk.books.batch_of(desk.query) is None


def test_nothing_is_sent_for_a_reservation_that_has_ended(desk: Desk) -> None:
    reservation = desk.books.reserve(desk.who, ONE)
    desk.books.release(reservation)
    with pytest.raises(Temporary) as caught:
        desk.books.begin(reservation, desk.query)
    assert caught.value.reason is Reason.SERVICE_UNAVAILABLE


@pytest.mark.parametrize("caps", [{"job_usd": HALF}, {"job_calls": 0}])
def test_a_job_s_own_caps_hold(desk: Desk, caps: dict[str, Decimal | int]) -> None:
    with pytest.raises(Refused) as caught:
        desk.books.reserve(replace(desk.who, **caps), ONE)  # type: ignore[arg-type]  # as the parameters say
    assert caught.value.reason is Reason.BUDGET_EXHAUSTED
    assert desk.state.spent() == (0, 0)


def test_calls_that_were_given_back_do_not_count(desk: Desk) -> None:
    once = replace(desk.who, job_calls=1)
    desk.books.release(desk.books.reserve(once, HALF))
    desk.books.reserve(once, HALF)
    with pytest.raises(Refused):
        desk.books.reserve(once, HALF)


def test_a_budget_over_all_jobs_holds_too(make: Make) -> None:
    desk = make(budget=HALF)
    with pytest.raises(Refused) as caught:
        desk.books.reserve(desk.who, ONE)
    assert caught.value.reason is Reason.BUDGET_EXHAUSTED
    desk.books.reserve(desk.who, HALF)


def test_many_callers_at_once_never_pass_a_budget(make: Make) -> None:
    desk = make(budget=Decimal(5))
    rich = replace(desk.who, job_usd=Decimal(100), job_calls=1000)
    barrier = threading.Barrier(20)

    def spend(number: int) -> bool:
        asked = replace(desk.query, asker=rich, key=f"{number:064x}")
        barrier.wait()
        try:
            reservation = desk.books.reserve(rich, ONE)
        except Refused:
            return False
        assert desk.books.begin(reservation, asked) is None
        desk.books.settle(call(reservation, ONE, asked), asked, ANSWER)
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(spend, range(20))) == 5
    assert desk.state.spent() == (5, 0)


@pytest.mark.services
class TestInPostgres:
    """What only a store that outlives its process can be asked."""

    def test_another_process_finds_the_answer(self, database: TestDatabase) -> None:
        desk = in_postgres(database, None)
        desk.paid()
        other = StoredBooks(database=database.system, ids=make_ids(), vault=vault())
        assert other.answered(desk.query) == ANSWER

    def test_its_text_is_sealed_and_opens_for_nobody_else(self, database: TestDatabase) -> None:
        desk = in_postgres(database, None)
        desk.paid(answer=replace(ANSWER, text="the secret merge"))
        assert isinstance(desk.state, InPostgres)
        (sealed,) = desk.state.world.column("SELECT sealed_text FROM model_answers")
        assert b"secret" not in bytes(sealed)  # type: ignore[call-overload]  # it is bytea
        stranger = desk.state.world.organization("other")
        theirs = replace(desk.query, asker=Asker(organization=stranger.principal.organization))
        assert desk.books.answered(theirs) is None
        desk.state.world.run(
            "UPDATE model_answers SET organization = %(id)s", id=stranger.principal.organization
        )
        assert desk.books.answered(theirs) is None, "a copied row does not open"

    def test_one_that_does_not_open_any_more_is_asked_for_again(self, database: TestDatabase) -> None:
        desk = in_postgres(database, None)
        desk.paid()
        assert isinstance(desk.state, InPostgres)
        desk.state.world.run("UPDATE model_answers SET sealed_text = 'FF1 nonsense'")
        desk.paid(answer=replace(ANSWER, text="anew"))
        found = desk.books.answered(desk.query)
        assert found is not None
        assert found.text == "anew"

    def test_an_answer_whose_time_is_over_is_no_answer(self, database: TestDatabase) -> None:
        desk = in_postgres(database, None)
        desk.paid()
        assert isinstance(desk.state, InPostgres)
        desk.state.world.run("UPDATE model_answers SET expires_at = now() - interval '1 second'")
        assert desk.books.answered(desk.query) is None
        desk.paid(answer=replace(ANSWER, text="anew"))
        found = desk.books.answered(desk.query)
        assert found is not None
        assert found.text == "anew"

    def test_of_two_answers_to_one_question_the_first_stays(self, database: TestDatabase) -> None:
        desk = in_postgres(database, None)
        one, other = (desk.books.reserve(desk.who, HALF) for _ in range(2))
        for reservation, text in ((one, "first"), (other, "second")):
            assert desk.books.begin(reservation, desk.query) is None or text == "second"
            answer = replace(ANSWER, text=text)
            desk.books.settle(call(reservation, HALF, desk.query), desk.query, answer)
        found = desk.books.answered(desk.query)
        assert found is not None
        assert found.text == "first"
        assert desk.state.spent() == (ONE, 0)

    def test_a_giant_is_paid_and_not_stored(self, database: TestDatabase) -> None:
        desk = in_postgres(database, None)
        desk.paid(answer=replace(ANSWER, text="x" * (1 << 20) + "x"))
        assert desk.books.answered(desk.query) is None
        assert desk.state.spent() == (HALF, 0)

    def test_an_answer_that_comes_after_its_reservation_expired_is_stored_and_not_paid_again(
        self, database: TestDatabase
    ) -> None:
        desk = in_postgres(database, None)
        reservation = desk.books.reserve(desk.who, ONE)
        desk.books.begin(reservation, desk.query)
        assert isinstance(desk.state, InPostgres)
        desk.state.world.run("UPDATE budget_reservations SET expires_at = now() - interval '1 second'")
        with desk.state.world.everywhere() as transaction:
            assert ledger.expire(transaction) == 1
        desk.books.settle(call(reservation, HALF, desk.query), desk.query, ANSWER)
        assert desk.state.spent() == (ONE, 0), "it was booked at its worst, and stays so"
        assert desk.books.answered(desk.query) == ANSWER

    def test_the_money_of_a_batch_is_set_aside_for_as_long_as_it_may_take(
        self, database: TestDatabase
    ) -> None:
        desk = in_postgres(database, None)
        reservation = desk.books.reserve(desk.who, ONE)
        desk.books.begin(reservation, desk.query)
        desk.books.submitted(reservation, desk.query, "batch-1")
        assert isinstance(desk.state, InPostgres)
        left = "SELECT expires_at > now() + interval '25 hours' FROM budget_reservations"
        assert desk.state.world.value(left) is True

    def test_the_batch_of_a_job_that_has_ended_is_abandoned(self, database: TestDatabase) -> None:
        desk = in_postgres(database, None)
        reservation = desk.books.reserve(desk.who, ONE)
        desk.books.begin(reservation, desk.query)
        desk.books.submitted(reservation, desk.query, "batch-1")
        assert desk.books.abandoned("fake") == []
        assert isinstance(desk.state, InPostgres)
        desk.state.world.cancel(desk.state.world.job(desk.state.job))
        ((query, batch),) = desk.books.abandoned("fake")
        assert (query.key, query.model, query.operation) == (desk.query.key, "m", "resolve")
        assert (query.asker.organization, query.asker.job) == (desk.who.organization, desk.who.job)
        assert (batch.id, batch.reservation) == ("batch-1", reservation)
        assert desk.books.abandoned("another") == []
        desk.books.release(reservation)
        assert desk.books.abandoned("fake") == []

    def test_an_organization_s_answers_are_seen_by_nobody_else(self, database: TestDatabase) -> None:
        desk = in_postgres(database, None)
        desk.paid()
        assert isinstance(desk.state, InPostgres)
        for world, seen in ((desk.state.world, 1), (desk.state.world.organization("other"), 0)):
            with database.app.transaction(Scope.organization(world.principal.organization)) as transaction:
                assert transaction.value("SELECT count(*) FROM model_answers") == seen
