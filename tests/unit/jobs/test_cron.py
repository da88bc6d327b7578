"""When a schedule is due, clocks that change included. No test here looks at a clock."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowforge.core.errors import Reason, Refused
from flowforge.jobs.cron import LONGEST, dues, next_due, upcoming, zone

BERLIN = "Europe/Berlin"
SPRING = datetime(2026, 3, 29, 0, 10, tzinfo=UTC)  # at 01:00 UTC Berlin goes from 02:00 to 03:00
AUTUMN = datetime(2026, 10, 25, 0, 10, tzinfo=UTC)  # at 01:00 UTC Berlin goes from 03:00 back to 02:00
SECOND_PASS = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 in Berlin for the second time


def told(cron: str, moment: datetime, count: int = 3, timezone: str = BERLIN) -> list[str]:
    return [f"{due:%m-%d %H:%M}" for due in upcoming(cron, timezone, moment, count)]


def refused(cron: str, timezone: str = "UTC") -> Reason:
    with pytest.raises(Refused) as caught:
        next_due(cron, timezone, SPRING)
    assert caught.value.next_action
    assert len(caught.value.sentence) < 400
    return caught.value.reason


def test_an_expression_is_read_in_its_zone() -> None:
    moment = datetime(2026, 1, 5, 12, tzinfo=UTC)
    assert told("0 5 * * 1-5", moment) == ["01-06 04:00", "01-07 04:00", "01-08 04:00"]
    assert told("0 5 * * 1-5", moment, timezone="UTC") == ["01-06 05:00", "01-07 05:00", "01-08 05:00"]
    assert told("0 5 * * *", moment, 1, "Asia/Kathmandu") == ["01-05 23:15"]


def test_a_time_of_day_that_does_not_exist_is_due_right_after_the_change() -> None:
    assert told("30 2 * * *", SPRING) == ["03-29 01:00", "03-30 00:30", "03-31 00:30"]


def test_a_time_of_day_that_exists_twice_is_due_once_at_its_first() -> None:
    assert told("30 2 * * *", AUTUMN) == ["10-25 00:30", "10-26 01:30", "10-27 01:30"]


def test_from_within_the_second_pass_the_first_is_over() -> None:
    """Or a relay that comes late would find a time in the past, and start it again and again."""
    assert told("30 2 * * *", SECOND_PASS) == ["10-26 01:30", "10-27 01:30", "10-28 01:30"]


def test_what_recurs_within_the_hour_follows_the_time_that_passes() -> None:
    assert told("*/30 2 * * *", AUTUMN, 4) == ["10-25 00:30", "10-25 01:00", "10-25 01:30", "10-26 01:00"]
    assert told("*/30 2 * * *", SPRING, 2) == ["03-30 00:00", "03-30 00:30"]
    assert told("0 * * * *", SPRING) == ["03-29 01:00", "03-29 02:00", "03-29 03:00"]


def test_a_zone_that_moves_by_half_an_hour_is_met_too() -> None:
    start = datetime(2026, 10, 3, 0, tzinfo=UTC)
    assert told("15 2 * * *", start, 2, "Australia/Lord_Howe") == ["10-03 15:30", "10-04 15:15"]


def test_the_last_day_and_the_leap_day_come() -> None:
    start = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert told("0 0 L * *", start, timezone="UTC") == ["02-28 00:00", "03-31 00:00", "04-30 00:00"]
    assert next_due("0 0 29 2 *", "UTC", start) == datetime(2028, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "0 0 31 4,6 *", "* * 31 2 *", "0 0 31 FEB *"])
def test_days_that_no_calendar_has_are_never_due(cron: str) -> None:
    assert refused(cron) is Reason.NEVER_DUE


def test_a_day_of_the_week_beside_an_impossible_day_is_a_day() -> None:
    assert told("0 0 30 2 1", SPRING, 1, "UTC") == ["02-01 00:00"]


@pytest.mark.parametrize(
    "cron",
    [
        *("", "x", "@daily", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 9"),
        *(
            "*/0 * * * *",
            "5-1 * * * *",
            "1, * * * *",
            "\u0663 * * * *",
            "* * * * L",
            "0 0 30 2 9",
            "-1 * * * *",
        ),
        *("* * * * *;id", "0" * 5000, "1," * LONGEST + "1 * * * *", "* * * * * * *", "\0 * * * *"),
    ],
    ids=repr,
)
def test_what_is_no_expression_is_refused(cron: str) -> None:
    assert refused(cron) is Reason.INVALID_SCHEDULE


def test_seconds_are_refused_with_the_reason() -> None:
    with pytest.raises(Refused, match="at most once a minute") as caught:
        next_due("*/10 * * * * *", "UTC", SPRING)
    assert caught.value.reason is Reason.INVALID_SCHEDULE


@pytest.mark.parametrize(
    "name",
    [
        *("", "Mars/Base", "America", "../etc/passwd", "/etc/passwd", "right/UTC", "localtime", "Factory"),
        *("a\0b", "x" * 5000, "zone.tab", "+01:00", "posixrules", "Europe/Berlin/..", "Europe//Berlin"),
    ],
    ids=lambda name: repr(name[:20]),
)
def test_what_is_no_zone_of_every_machine_is_refused(name: str) -> None:
    assert refused("0 0 * * *", name) is Reason.UNKNOWN_TIMEZONE


@pytest.mark.parametrize(
    ("name", "meant"), [("Europe/Berln", BERLIN), ("utc", "UTC"), ("europe/berlin", BERLIN)]
)
def test_a_zone_that_is_nearly_right_is_named(name: str, meant: str) -> None:
    with pytest.raises(Refused, match=f"did you mean '{meant}'"):
        zone(name)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("0123456789*/,-#L W\0aM"), max_size=24), st.sampled_from(["UTC", BERLIN]))
def test_no_text_is_a_bug(cron: str, timezone: str) -> None:
    try:
        found: datetime | Reason = next_due(cron, timezone, SPRING)
    except Refused as error:
        found = error.reason
    wrong = {Reason.INVALID_SCHEDULE, Reason.NEVER_DUE}
    assert found in wrong if isinstance(found, Reason) else found > SPRING


FIELDS = st.tuples(
    st.sampled_from(["*", "*/20", "0", "30", "15,45"]),
    st.sampled_from(["*", "*/2", "1-3", "2", "0,3"]),
    st.sampled_from(["*", "L", "25-29", "1"]),
    st.sampled_from(["*", "3,10", "10"]),
    st.sampled_from(["*", "0", "SUN#L", "6,0"]),
)


@settings(max_examples=200, deadline=None)
@given(
    FIELDS,
    st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "UTC"]),
    st.integers(0, 366 * 24 * 60),
)
def test_times_come_in_order_and_asking_anew_from_each_gives_the_same(
    fields: tuple[str, ...], timezone: str, minutes: int
) -> None:
    """The relay asks after every time anew, from a moment a little later."""
    cron, start = " ".join(fields), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    try:
        found = upcoming(cron, timezone, start, 6)
    except Refused:
        return
    assert list(found) == sorted(set(found))
    assert all(due > start and due.second == 0 for due in found)
    for before, after in pairwise(found):
        assert next(dues(cron, timezone, before)) == after
        assert next(dues(cron, timezone, before + timedelta(seconds=7))) == after
