"""When a schedule is due: cron expressions in a time zone. The moment is an argument, and every answer is UTC.

Clocks that change are met as Debian's cron meets them. An expression with a fixed minute and hour is due once a day: a
time that the change skips, at the first minute after it; a time that comes twice, at the first. One with `*` in minute
or hour follows the time that really passes, so it is due in each of two hours that have one name.
"""

import difflib
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

from flowforge.core.errors import Reason, Refused

LONGEST = 200  # characters of an expression or of a zone's name
_FIELDS = 5
_SHOWN = 60  # characters of a name in a sentence
_NAME = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
_MACHINE = frozenset(
    {"localtime", "posixrules", "Factory"}
)  # mean something else on each machine, or nothing
_VARIANTS = ("right/", "posix/")  # zones again, one kind with leap seconds


def next_due(cron: str, timezone: str, moment: datetime) -> datetime:
    """The first time after `moment` (aware) at which the expression is due.

    Raises:
        Refused: invalid_schedule, never_due, unknown_timezone.
    """
    found = next(dues(cron, timezone, moment), None)
    if found is None:
        raise _never(cron)
    return found


def upcoming(cron: str, timezone: str, moment: datetime, count: int) -> tuple[datetime, ...]:
    """The first `count` times after `moment`; fewer where the expression is that rare.

    Raises:
        Refused: as `next_due`.
    """
    return tuple(islice(dues(cron, timezone, moment), count))


def dues(cron: str, timezone: str, moment: datetime) -> Iterator[datetime]:
    """Every time after `moment` at which the expression is due, in order, each once."""
    for local in _parsed(cron, moment.astimezone(zone(timezone))):
        due = local.astimezone(UTC)
        if due > moment:  # in an hour that comes twice, a time of its first pass may be found from the second
            moment = due
            yield due


def zone(name: str) -> ZoneInfo:
    """The zone of this name in the IANA database.

    Raises:
        Refused: unknown_timezone. Names of this machine's own (`localtime`) are none: machines differ in them.
    """
    if _NAME.fullmatch(name) and name not in _MACHINE and not name.startswith(_VARIANTS):
        with suppress(
            ZoneInfoNotFoundError, ValueError, OSError
        ):  # a folder, a file that is no zone, no such file
            return ZoneInfo(name)
    shown = name[:_SHOWN]
    raise Refused(
        Reason.UNKNOWN_TIMEZONE,
        f"there is no time zone {shown!r}{_meant(shown)}",
        next_action="use a name of the IANA database, such as 'Europe/Berlin', or 'UTC'",
    )


def _meant(name: str) -> str:
    known = {zone.casefold(): zone for zone in available_timezones() - _MACHINE}
    close = difflib.get_close_matches(name.casefold(), known, n=1, cutoff=0.6)
    return f"; did you mean {known[close[0]]!r}?" if close else ""


def _parsed(cron: str, start: datetime) -> CronSim:
    fields = cron.split()
    if len(cron) > LONGEST or len(fields) != _FIELDS:
        raise _invalid(cron, _count(cron, len(fields)))
    try:
        return CronSim(cron, start)
    except CronSimError as error:
        if _possible_days(fields, start):
            raise _never(cron) from None
        raise _invalid(cron, f"{error}".replace("Bad ", "it has a bad ")) from None


def _possible_days(fields: list[str], start: datetime) -> bool:
    """Whether each field means something by itself, so that only together they name no day."""
    minute, hour, day, month, weekday = fields
    try:
        CronSim(f"{minute} {hour} {day} * {weekday}", start)
        CronSim(f"{minute} {hour} * {month} {weekday}", start)
    except CronSimError:
        return False
    return True


def _count(cron: str, fields: int) -> str:
    if len(cron) > LONGEST:
        return f"it is longer than {LONGEST} characters"
    if fields == _FIELDS + 1:
        return "it has six fields, and a schedule is due at most once a minute"
    return f"it has {fields} fields"


def _invalid(cron: str, why: str) -> Refused:
    return Refused(
        Reason.INVALID_SCHEDULE,
        f"{cron[:LONGEST]!r} is no cron expression: {why}",
        next_action="write five fields (minute, hour, day of month, month, day of week), such as '0 5 * * 1-5'",
    )


def _never(cron: str) -> Refused:
    return Refused(
        Reason.NEVER_DUE,
        f"{cron!r} is never due: no month has such a day",
        next_action="name a day that comes; 'L' as the day of the month is its last one",
    )
