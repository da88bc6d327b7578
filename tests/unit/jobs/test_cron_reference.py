"""Cron expressions against a second opinion: every minute is asked whether the five fields fit it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from flowforge.core.errors import Reason, Refused
from flowforge.jobs.cron import dues, next_due

Fits = Callable[[int], bool]
START = datetime(2026, 2, 26, tzinfo=UTC)
DAYS = 8  # over the end of a short month
CHANGES = [  # zone, and the day on which its clocks change
    (zone, datetime(2026, month, day, tzinfo=UTC))
    for zone, *days in (
        ("Europe/Berlin", (3, 29), (10, 25)),
        ("America/New_York", (3, 8), (11, 1)),
        ("Africa/Casablanca", (2, 15), (3, 22)),
    )
    for month, day in days
]


def parts(low: int, high: int) -> st.SearchStrategy[str]:
    """One part of a field: a number, a range, either with a step."""
    number = st.integers(low, high)
    ranges = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    stepped = st.tuples(st.sampled_from(["*", f"{low}-{high}"]), st.integers(1, high + 5)).map(
        lambda pair: f"{pair[0]}/{pair[1]}"
    )
    return st.one_of(number.map(str), ranges, stepped)


def field(low: int, high: int) -> st.SearchStrategy[str]:
    lists = st.lists(parts(low, high), min_size=1, max_size=3).map(",".join)
    return st.one_of(st.just("*"), lists)


def fits(text: str, low: int, high: int) -> Fits:
    """The numbers that a field stands for, read as the manual of cron describes it."""
    known: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = (f"{low}-{high}" if span == "*" else span).partition("-")
        known |= set(range(int(first), int(last or first) + 1, int(step or 1)))
    return known.__contains__


def by_hand(cron: str, zone: ZoneInfo, start: datetime, until: datetime) -> list[datetime]:
    minute, hour, day, month, weekday = cron.split()
    in_minute, in_hour, in_month = fits(minute, 0, 59), fits(hour, 0, 23), fits(month, 1, 12)
    in_day, in_week = fits(day, 1, 31), fits(weekday, 0, 7)
    both = day.startswith("*") or weekday.startswith("*")
    found, moment = [], start
    while (moment := moment + timedelta(minutes=1)) <= until:
        local = moment.astimezone(zone)
        of_month, number = in_day(local.day), local.isoweekday()
        of_week = in_week(number) or in_week(number % 7)
        day_fits = of_month and of_week if both else of_month or of_week
        if in_minute(local.minute) and in_hour(local.hour) and day_fits and in_month(local.month):
            found.append(moment)
    return found


def between(cron: str, timezone: str, start: datetime, until: datetime) -> Iterator[datetime]:
    return takewhile(lambda due: due <= until, dues(cron, timezone, start))


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7)),
    st.sampled_from(["UTC", "Asia/Kolkata", "America/Phoenix"]),  # whose clocks do not change
)
def test_every_time_is_one_that_the_fields_fit_and_none_is_left_out(
    fields: tuple[str, ...], timezone: str
) -> None:
    cron, until = " ".join(fields), START + timedelta(days=DAYS)
    expected = by_hand(cron, ZoneInfo(timezone), START, until)
    try:
        found = list(between(cron, timezone, START, until))
    except Refused as error:
        found = [] if error.reason is Reason.NEVER_DUE else [START]
    assert found == expected


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(st.sampled_from(["*/7", "*/30", "0"]), st.sampled_from(["*", "*/2", "*/5"]), field(0, 7)),
    st.sampled_from(CHANGES),
)
def test_what_follows_the_time_that_passes_does_so_over_changes_of_clocks_too(
    fields: tuple[str, ...], change: tuple[str, datetime]
) -> None:
    minute, hour, weekday = fields
    cron, (timezone, day) = f"{minute} {hour} * * {weekday}", change
    start, until = day - timedelta(days=1), day + timedelta(days=2)
    assert list(between(cron, timezone, start, until)) == by_hand(cron, ZoneInfo(timezone), start, until)


def test_the_second_opinion_is_one() -> None:
    assert by_hand("30 5 28 2 *", ZoneInfo("UTC"), START, START + timedelta(days=5)) == [
        datetime(2026, 2, 28, 5, 30, tzinfo=UTC)
    ]
    assert next_due("30 5 28 2 *", "UTC", START) == datetime(2026, 2, 28, 5, 30, tzinfo=UTC)
