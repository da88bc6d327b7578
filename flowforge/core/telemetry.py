"""The measuring port that rooms are handed. `flowforge.observe` implements it; `Silent` is for tests and CLI."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Telemetry(Protocol):
    """Metric and span names are those of CONTRACTS; labels must come from bounded sets."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...

    def observe(self, name: str, seconds: float, **labels: str) -> None: ...

    def gauge(self, name: str, value: float, **labels: str) -> None: ...

    def span(self, name: str, **attributes: str) -> AbstractContextManager[object]: ...


class Silent:
    """Measures nothing."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...

    def observe(self, name: str, seconds: float, **labels: str) -> None: ...

    def gauge(self, name: str, value: float, **labels: str) -> None: ...

    @contextmanager
    def span(self, name: str, **attributes: str) -> Iterator[None]:  # noqa: ARG002 (the Protocol's names)
        yield
