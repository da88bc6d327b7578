"""What `flowforge doctor` asks a database: its version, its clock, what is missing in it, who works on it."""

from collections.abc import Callable
from dataclasses import dataclass

from flowforge.store.admin import connected, pending

_AT_WORK = "SELECT DISTINCT host FROM workers WHERE seen_at > now() - interval '2 minutes' ORDER BY host"


@dataclass(frozen=True, kw_only=True)
class Examined:
    version: int  # major
    clock: float  # seconds by which our clock is ahead of the server's
    pending: tuple[str, ...]  # migrations that `upgrade` would apply
    hosts: tuple[str, ...]  # machines with a worker that is alive


def examine(admin_url: str, now: Callable[[], float]) -> Examined:
    """Look, and change nothing; `now` gives epoch seconds.

    Raises:
        Temporary: the server does not answer.
        Broken: it refuses this login.
    """
    with connected(admin_url) as cursor:
        before = now()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        (theirs,) = cursor.fetchone()
        ours = (before + now()) / 2
        missing = pending(admin_url)
        cursor.execute("SELECT to_regclass('public.workers') IS NOT NULL")
        rows = []
        if cursor.fetchone() == (True,):
            cursor.execute(_AT_WORK)
            rows = cursor.fetchall()
        return Examined(
            version=cursor.connection.server_version // 10000,
            clock=ours - theirs,
            pending=missing,
            hosts=tuple(host for (host,) in rows),
        )
