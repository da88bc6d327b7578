"""A service that is absent is a named skip on a laptop and a failure where CI says so."""

import pytest

from flowforge.core.errors import Reason, Refused
from tests.conftest import absent

MISSING = Refused(
    Reason.CONFIGURATION, "redis-server is not on PATH", next_action="apt-get install redis-server"
)


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_an_absent_service_is_named(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match=r"Redis is not here.*apt-get install redis-server"):
        absent("Redis", MISSING)
