"""A clock that is off by FLOWFORGE_TEST_SKEW seconds, for a process of a test that has this folder in its PYTHONPATH.

It is what Python code reads as the time of day. Monotonic clocks, the kernel's and other processes' stay right.
"""

import datetime as dt
import os
import time
from typing import Any

SKEW = float(os.environ.get("FLOWFORGE_TEST_SKEW", "0"))

_time, _time_ns, _localtime, _gmtime = time.time, time.time_ns, time.localtime, time.gmtime
_datetime = dt.datetime


class Skewed(_datetime):
    """`datetime`, asked for the present."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return super().now(tz) + dt.timedelta(seconds=SKEW)

    @classmethod
    def utcnow(cls) -> Any:
        return _datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(seconds=SKEW)

    @classmethod
    def today(cls) -> Any:
        return super().now() + dt.timedelta(seconds=SKEW)


def skew() -> None:
    time.time = lambda: _time() + SKEW
    time.time_ns = lambda: _time_ns() + int(SKEW * 1e9)
    time.localtime = lambda seconds=None: _localtime(time.time() if seconds is None else seconds)
    time.gmtime = lambda seconds=None: _gmtime(time.time() if seconds is None else seconds)
    dt.datetime = Skewed  # type: ignore[misc]  # for whoever imports it after us, which is everybody


if SKEW:
    skew()
