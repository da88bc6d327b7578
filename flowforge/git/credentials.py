"""How a secret reaches git: through a helper that reads a private file, for one host, while one command runs.

The secret is never in an argument, an environment variable, a configuration file or a log. Git is told to ask
a one-line helper; the helper prints a file of mode 600 that is gone when the command has ended.
"""

import os
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from flowforge.core.errors import Reason, Refused


@dataclass(frozen=True, kw_only=True)
class Credential:
    """User name and secret (a password or token) for one repository's host."""

    username: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if any(mark in self.username + self.secret for mark in "\n\r\0"):
            raise Refused(
                Reason.AUTHENTICATION_FAILED,
                "the credential holds a line break, which no user name or token has",
                next_action="store the credential again without surrounding white space",
            )


@contextmanager
def helper(credential: Credential | None, url: str, folder: Path) -> Iterator[tuple[str, ...]]:
    """Git options (`-c name=value` pairs) under which git may ask for `credential` for the host of `url` only.

    The first option always empties the list of helpers, so that nothing else can answer.
    """
    nothing = ("-c", "credential.helper=")
    if credential is None or urlsplit(url).scheme not in {"http", "https"}:
        yield nothing
        return
    handle, name = tempfile.mkstemp(prefix="credential-", dir=folder)  # mkstemp's mode is 600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(f"username={credential.username}\npassword={credential.secret}\n".encode())
        script = f'!f() {{ test "$1" = get && cat {shlex.quote(name)}; }}; f'
        yield (*nothing, "-c", f"credential.{_origin(url)}.helper={script}")
    finally:
        Path(name).unlink(missing_ok=True)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
