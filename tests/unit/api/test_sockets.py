"""What a handshake asks for, and why a stream ends."""

from typing import Any

import falcon.asgi
import falcon.testing
import pytest

from flowforge.api.auth import shown_token
from flowforge.api.feeds import TooFarBehind, TooSlow
from flowforge.api.sockets import Close, asked, code_of, number
from flowforge.api.stream_models import JobLiveQuery
from flowforge.core.errors import Reason, Refused, Temporary


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TooSlow(), 4408),
        (TooFarBehind(), 4410),
        (Temporary(Reason.SERVICE_UNAVAILABLE, "away"), 1013),
        (Refused(Reason.NOT_SIGNED_IN, "revoked"), 4401),
        (Refused(Reason.NOT_ALLOWED, "made a guest"), 4401),
        (Refused(Reason.INVALID_REQUEST, "x"), 4422),
        (ValueError("a bug"), 1011),
    ],
)
def test_every_trouble_has_its_code(error: Exception, code: int) -> None:
    assert code_of(error)[0] == code


def test_every_code_that_has_no_words_of_its_own_says_why_in_one_frame() -> None:
    for code in Close:
        words = code_of(Refused(Reason.INVALID_REQUEST, "not possible: after"))[1]
        assert len(words.encode()) <= 123, code


@pytest.mark.parametrize(("after", "seq"), [("", 0), ("0", 0), ("17", 17)])
def test_a_number_is_read(after: str, seq: int) -> None:
    assert number(after) == seq


@pytest.mark.parametrize("after", ["x", "-1", "1.5", " 1", "²", "9" * 19])
def test_what_is_no_number_is_refused(after: str) -> None:
    with pytest.raises(Refused):
        number(after)


def request(query: str) -> Any:
    scope = falcon.testing.create_scope_ws(path="/x", query_string=query)
    return falcon.asgi.Request(scope, None)  # type: ignore[arg-type]  # a handshake has no body


def test_the_parameters_of_a_handshake_are_read() -> None:
    assert asked(request("after=5&logs=true"), JobLiveQuery) == JobLiveQuery(after="5", logs=True)


@pytest.mark.parametrize("query", ["moon=full", "logs=perhaps", "after=1&after=2", "x" * 300 + "=1"])
def test_a_parameter_that_is_not_possible_is_named_shortly(query: str) -> None:
    with pytest.raises(Refused) as caught:
        asked(request(query), JobLiveQuery)
    assert len(caught.value.sentence) < 110


def test_a_token_comes_by_header_or_by_subprotocol_and_the_header_comes_first() -> None:
    words = ["flowforge.v1", "flowforge.token.ff_of_the_browser"]
    assert shown_token(None, words) == "ff_of_the_browser"
    assert shown_token("Bearer ff_of_the_header", words) == "ff_of_the_header"
    for header, offered in ((None, ["flowforge.v1"]), (None, ["flowforge.token.x y"]), ("Basic x", words)):
        with pytest.raises(Refused) as caught:
            shown_token(header, offered)
        assert caught.value.reason is Reason.NOT_SIGNED_IN
