"""Letters of a real outbox: delivered once in the good case, again after trouble, and given up in the end."""

from decimal import Decimal
from uuid import uuid4

import pytest

from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.outbound.budgets import BudgetTeller
from flowforge.outbound.deliver import Deliver, Patience, Post, nobody_to_tell
from flowforge.store import budgets, ledger
from flowforge.store.alerts import LETTER
from flowforge.store.ledger import Spender
from flowforge.store.outbox import Letter
from tests.conftest import TestDatabase
from tests.integration.jobs.world import World, make_world

pytestmark = pytest.mark.services


@pytest.fixture
def world(database: TestDatabase) -> World:
    made = make_world(database)
    made.submit()
    return made


class Host:
    """Takes letters, or raises what it was told to."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.taken: list[Letter] = []

    def __call__(self, letter: Letter) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(letter)


def post(world: World, deliver: Deliver, patience: Patience = Patience(first=60.0)) -> Post:  # noqa: B008 (frozen)
    return Post(
        database=world.database.system, kind="report", deliver=deliver, draw=lambda: 0.0, patience=patience
    )


def again(world: World) -> None:
    world.run("UPDATE outbox SET run_after = now()")


def test_a_letter_is_delivered_once_and_kept_as_done(world: World) -> None:
    host = Host()
    assert post(world, host).empty() == 1
    assert post(world, host).empty() == 0
    assert [(letter.kind, letter.payload, letter.attempts) for letter in host.taken] == [
        ("report", {"state": "queued"}, 1)
    ]
    assert world.value("SELECT done_at IS NOT NULL AND error = '' FROM outbox")


def test_trouble_that_may_pass_is_tried_again_after_a_pause(world: World) -> None:
    host = Host(Temporary(Reason.REPOSITORY_UNREACHABLE, "no answer"))
    assert post(world, host).empty() == 0
    assert world.value("SELECT error FROM outbox") == "no answer"
    assert 25 < world.value("SELECT extract(epoch FROM run_after - now()) FROM outbox") < 35
    assert post(world, host).empty() == 0
    again(world)
    assert post(world, host).empty() == 1
    assert host.taken[0].attempts == 2


def test_a_longer_delay_that_the_host_asks_for_is_kept(world: World) -> None:
    post(world, Host(Temporary(Reason.BUSY, "slow down", delay=600))).empty()
    assert world.value("SELECT extract(epoch FROM run_after - now()) FROM outbox") > 590


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Refused(Reason.AUTHENTICATION_FAILED, "wrong token"), "authentication_failed: wrong token"),
        (ZeroDivisionError(), "internal_error: ZeroDivisionError"),
    ],
)
def test_what_never_passes_is_given_up_with_its_reason(world: World, error: Exception, said: str) -> None:
    assert post(world, Host(error)).empty() == 1
    assert world.value("SELECT error FROM outbox WHERE done_at IS NOT NULL") == said


def test_patience_ends(world: World) -> None:
    host = Host(*(Temporary(Reason.BUSY, "no") for _ in range(3)))
    for settled in (0, 0, 1):
        again(world)
        assert post(world, host, Patience(first=0.01, attempts=3)).empty() == settled
    assert world.value("SELECT error FROM outbox") == "given up after 3 tries: no"


def test_a_letter_whose_carrier_died_comes_again(world: World) -> None:
    class Died(BaseException):
        pass

    with pytest.raises(Died):
        post(world, Host(Died())).empty()  # type: ignore[arg-type]  # kill -9 is no Exception
    host = Host()
    assert post(world, host).empty() == 0
    again(world)
    assert post(world, host).empty() == 1


def test_many_carriers_deliver_each_letter_once(world: World) -> None:
    for number in range(30):
        world.submit(branch=f"b{number}")
    host = Host()
    world.at_once(lambda: post(world, host).empty(), threads=4, times=8)
    assert len(host.taken) == len({letter.id for letter in host.taken}) == 31


def test_old_letters_are_forgotten(world: World) -> None:
    sender = post(world, nobody_to_tell)
    sender.empty()
    assert sender.forget() == 0
    world.run("UPDATE outbox SET done_at = now() - interval '8 days'")
    assert sender.forget() == 1


def test_an_alert_of_the_installation_is_a_letter_without_an_organization(world: World) -> None:
    heard: list[dict[str, str]] = []

    def notify(hook: str, **values: str) -> tuple[()]:
        assert hook == "budget_alert"
        heard.append(values)
        return ()

    who = Spender(organization=world.principal.organization)
    with world.everywhere() as tx:
        budgets.set_budget(tx, id_=uuid4(), period="weekly", amount=Decimal(1))
        reservation = uuid4()
        assert ledger.reserve(tx, id_=reservation, spender=who, amount=Decimal(1)) is None
        ledger.settle(tx, reservation, Decimal(1))
        assert ledger.reserve(tx, id_=uuid4(), spender=who, amount=Decimal(1)) is not None
    tell = BudgetTeller(notify=notify)
    letters = Post(database=world.database.system, kind=LETTER, deliver=tell, draw=lambda: 0.0)
    assert letters.empty() == 2
    assert [(one["alert"], one["whose"], one["organization"]) for one in heard] == [
        ("threshold", "installation", ""),
        ("exhausted", "installation", ""),
    ]
    assert letters.empty() == 0
