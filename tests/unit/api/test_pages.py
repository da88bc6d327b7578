from datetime import UTC, datetime, timedelta
from uuid import UUID

import falcon.asgi
import falcon.testing
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.api.errors import Unreadable
from flowforge.api.pages import cursor_of, link_next, read_cursor

MOMENTS = st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (hypothesis wants naive bounds)


@given(MOMENTS, st.uuids())
def test_a_cursor_comes_back_as_the_place_it_was_made_of(at: datetime, row: UUID) -> None:
    assert read_cursor(cursor_of((at, row))) == (at, row)


def test_no_cursor_is_the_first_page() -> None:
    assert read_cursor(None) is None


@given(st.text(max_size=60))
def test_a_foreign_cursor_is_refused_by_name(cursor: str) -> None:
    try:
        place = read_cursor(cursor)
    except Unreadable as error:
        assert [fault.parameter for fault in error.faults] == ["cursor"]  # noqa: PT017 (either outcome is fine)
    else:
        assert place is not None


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "!" * 32, "A" * 31, "_" * 32, "A" * 36])
def test_these_are_not_cursors(cursor: str) -> None:
    with pytest.raises(Unreadable):
        read_cursor(cursor)


class Listing:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        link_next(
            req, resp, cursor_of((datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=1), UUID(int=5)))
        )


def test_the_link_keeps_the_filters_and_replaces_the_cursor() -> None:
    app: falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response] = falcon.asgi.App()
    app.add_route("/list", Listing())
    answer = falcon.testing.TestClient(app).simulate_get("/list?branch=a%26b%2Fc&cursor=old&limit=2")
    link = answer.headers["link"]
    assert link.startswith("</list?branch=a%26b%2Fc&limit=2&cursor=")
    assert link.endswith("; rel=next")
    assert "old" not in link
