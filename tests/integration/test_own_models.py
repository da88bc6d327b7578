"""Models of an operator's own, from the settings to the books: a server, a program, and a recording of either."""

import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from flowforge.core.errors import Broken, Refused, Temporary
from flowforge.hooks.contracts import ModelRequest
from flowforge.hooks.manager import discover, load_plugins
from flowforge.llm.in_process import LocalBooks
from flowforge.llm.ports import Asker
from flowforge.llm.service import Ports
from flowforge.settings import Settings
from flowforge.wiring.models import Services, find_model
from tests.chatserver import ChatServer, Talk, chat_server, deny

WHO = Asker(organization=UUID(int=1), job=UUID(int=2), job_usd=Decimal(50))
REQUEST = ModelRequest(
    model="paid",
    system="rules",
    prompt="a question",
    schema={"type": "object", "additionalProperties": False},
)
PRICES = """
date: 2026-01-01
source: a test
models:
  free: {input: "0", output: "0", cache_write: "0", cache_read: "0"}
  paid: {input: "100", output: "1000", cache_write: "100", cache_read: "10"}
"""


class Open:
    def admit(self, asker: Asker, tokens: int, amount: Decimal) -> None:
        """Admit everybody."""


class House:
    """Services by settings, and their books."""

    def __init__(self, folder: Path, **settings: object) -> None:
        file = folder / "prices.yaml"
        file.write_text(PRICES)
        given = {"model_name": "paid", "model_prices": file, **settings}
        self.books = LocalBooks()
        ports = Ports(
            books=self.books,
            limiter=Open(),
            clock=lambda: 0.0,
            sleep=lambda _seconds: None,
            random=lambda: 0.0,
        )
        self.settings = Settings(**given)  # type: ignore[arg-type]  # read as text
        self.services = Services(load_plugins(discover()), self.settings, ports)

    def ask(self, request: ModelRequest = REQUEST) -> str:
        model = find_model(self.services.registry, self.settings.model_provider)
        return self.services.of(model).ask(request, WHO).text

    @property
    def spent(self) -> Decimal:
        budget = self.books.spent(WHO.job)
        assert budget.reserved == 0
        return budget.spent


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


def test_a_server_of_ones_own_is_paid_by_its_own_prices(server: ChatServer, tmp_path: Path) -> None:
    house = House(tmp_path, model_provider="openai", model_base_url=server.url, model_key=server.manner.key)
    assert house.ask() == '{"hunks": []}'
    billed = (100 * (server.prompt - server.cached) + 10 * server.cached + 1000 * server.made) / Decimal(
        1_000_000
    )
    assert house.spent == billed > 0


def test_a_server_whose_dialect_is_being_learnt_is_paid_once(tmp_path: Path) -> None:
    with chat_server(forms=frozenset(), counts=False, streams=False) as server:
        house = House(
            tmp_path, model_provider="openai", model_base_url=server.url, model_key=server.manner.key
        )
        house.ask()
        assert len(server.seen) == 4
        assert house.spent == (100 * server.prompt + 1000 * server.made) / Decimal(1_000_000)


def test_a_refusal_costs_nothing(server: ChatServer, tmp_path: Path) -> None:
    house = House(tmp_path, model_provider="openai", model_base_url=server.url, model_key=server.manner.key)
    server.answer(deny(400, code="context_length_exceeded"))
    with pytest.raises(Refused):
        house.ask()
    assert house.spent == 0


def test_a_server_that_does_not_count_is_paid_at_its_most_and_free_where_it_is_free(tmp_path: Path) -> None:
    with chat_server(tells=False, key="") as server:
        dear = House(tmp_path, model_provider="openai", model_base_url=server.url)
        dear.ask()
        assert dear.spent >= Decimal("4.096")  # 4096 tokens of answer
        free = House(tmp_path, model_provider="openai", model_base_url=server.url, model_name="free")
        free.ask(ModelRequest(model="free", system="rules", prompt="a question", schema={}))
        assert free.spent == 0


@pytest.mark.parametrize("provider", ["openai", "command"])
def test_a_model_without_a_price_stops_the_start(tmp_path: Path, provider: str) -> None:
    with pytest.raises(Broken, match="'unheard-of' has no price"):
        House(tmp_path, model_provider=provider, model_name="unheard-of")
    with pytest.raises(Broken, match="no usual model"):
        House(tmp_path, model_provider=provider, model_name="")


def test_a_program_is_asked_and_paid(tmp_path: Path) -> None:
    said = {"text": "{}", "usage": {"input": 1000, "output": 10}}
    argv = [sys.executable, "-c", f"import json, sys; json.load(sys.stdin); print(json.dumps({said!r}))"]
    house = House(tmp_path, model_provider="command", model_command=tuple(argv))
    assert house.ask() == "{}"
    assert house.spent == Decimal("0.11")


def test_a_recording_gives_the_same_answer_and_the_same_figures_offline(
    server: ChatServer, tmp_path: Path
) -> None:
    server.answer(Talk(text=json.dumps({"hunks": ["recorded"]})))
    tape = {"model_provider": "openai", "model_cassette": tmp_path / "answers.jsonl"}
    live = House(
        tmp_path, **tape, model_cassette_mode="record", model_base_url=server.url, model_key=server.manner.key
    )
    text = live.ask()
    again = House(tmp_path, **tape)
    assert again.ask() == text
    assert again.spent == live.spent > 0
    assert len(server.seen) == 1
    with pytest.raises(Refused, match="recorded answers"):
        again.ask(ModelRequest(model="paid", system="rules", prompt="another question", schema={}))


def test_a_program_whose_answer_is_none_is_told_of_in_words(tmp_path: Path) -> None:
    argv = (
        sys.executable,
        "-c",
        "import sys; sys.stdin.read(); print('no idea'); print('why', file=sys.stderr)",
    )
    house = House(tmp_path, model_provider="command", model_command=argv)
    with pytest.raises(Temporary, match="the program's answer is no JSON, saying: why"):
        house.ask()
    assert house.spent > 0
