import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowforge.api.lifespan import STOP
from flowforge.settings import Settings
from flowforge.wiring import api
from flowforge.wiring.connections import Connections


def settings(**given: Any) -> Settings:
    return Settings(**given)


def test_an_address_and_the_processes_come_from_the_settings() -> None:
    chosen = api.options(settings(host="::1", port=8123, api_processes=3))
    assert chosen["bind"] == ["[::1]:8123"]
    assert chosen["workers"] == 3


def test_every_name_in_our_file_is_one_that_gunicorn_knows() -> None:
    ours = {
        n: v for n, v in vars(importlib.import_module("flowforge_config.gunicorn")).items() if n[0] != "_"
    }
    server = api.Server(lambda: pytest.fail("nothing is loaded"), {"bind": ["127.0.0.1:0"]})
    assert set(ours) <= set(server.cfg.settings)
    assert server.cfg.worker_class is api.Worker
    assert server.cfg.logger_class is api.HouseLog
    assert server.cfg.control_socket_disable is True
    assert server.cfg.address == [("127.0.0.1", 0)]


def test_without_redis_nobody_listens() -> None:
    assert api.hearing("") is None
    assert api.hearing("redis://h") is not None


class Bare(api.Worker):
    """The worker without its process: only what our methods touch."""

    def __init__(self, state: dict[str, Callable[[], None]]) -> None:
        self.state = state
        self.alive = True
        self.connections = Connections()


def test_sigterm_ends_the_streams_before_the_server_waits() -> None:
    said: list[str] = []
    worker = Bare({STOP: lambda: said.append("stop")})
    worker.handle_exit_signal()
    assert said == ["stop"]
    assert worker.alive is False


def test_a_worker_whose_application_has_not_started_still_stops() -> None:
    worker = Bare({})
    worker.handle_exit_signal()
    assert worker.alive is False


def test_parts_connect_to_nothing(tmp_path: Path) -> None:
    made = api.parts(
        settings(database_app_url="postgresql://ff_app@127.0.0.1:1/none", data_dir=tmp_path, api_threads=2)
    )
    assert made.database.in_use == 0
    assert made.hear is None
    for close in made.on_close:
        close()
