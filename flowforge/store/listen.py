"""Hear what transactions notify. A listener has a connection of its own: a pooled one could not keep listening."""

import contextlib
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2 import sql

from flowforge.store.errors import translate


class Listener:
    """Waits for signals of one channel. A lost connection counts as a signal: something may have been missed."""

    def __init__(self, url: str, channel: str) -> None:
        self._url = url
        self._channel = channel
        self._connection: Any = None

    def wait(self, seconds: float) -> bool:
        """Block until a signal comes or `seconds` have passed; True when there is reason to look.

        Raises:
            Temporary: the database is away; call again later.
        """
        try:
            if self._connection is None:
                self._connect()
                return True  # whatever was signalled before we listened
            return self._hear(seconds)
        except (psycopg2.Error, OSError, ValueError) as error:
            self.close()
            raise translate(error) or error from error

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg2.Error):
                self._connection.close()
            self._connection = None

    def _hear(self, seconds: float) -> bool:
        """Something to read is not yet a signal: a server that goes away says so first, then hangs up."""
        deadline = time.monotonic() + seconds
        while select.select([self._connection], [], [], max(0.0, deadline - time.monotonic()))[0]:
            self._connection.poll()
            if self._connection.notifies:
                self._connection.notifies.clear()
                return True
        return False

    def _connect(self) -> None:
        self._connection = psycopg2.connect(self._url, connect_timeout=5, application_name="flowforge listen")
        self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))


@contextmanager
def listening(url: str, channel: str) -> Iterator[Listener]:
    """A listener that is closed again; it connects when it is first waited on."""
    listener = Listener(url, channel)
    try:
        yield listener
    finally:
        listener.close()
