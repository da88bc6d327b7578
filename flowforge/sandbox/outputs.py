"""What a command leaves behind, read as what it is: written by code that nobody trusts."""

import os
import stat
from pathlib import Path

from flowforge.core.errors import Reason, Refused


def read_output(folder: Path, path: str, limit: int) -> bytes:
    """The bytes of the regular file at `path` below `folder`, of at most `limit`; no link on the way is followed.

    Raises:
        Refused: command_failed, where no regular file stands there; too_large.
    """
    try:
        handle = _open(folder, path)
    except OSError as error:
        raise _not_there(path) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _not_there(path)
    with os.fdopen(handle, "rb") as file:
        text = file.read(limit + 1)
    if len(text) > limit:
        raise Refused(
            Reason.TOO_LARGE,
            f"the command wrote more than {limit} bytes into {path!r}",
            next_action="look at what it writes there",
        )
    return text


def _open(folder: Path, path: str) -> int:
    *folders, name = os.fsencode(path).split(b"/")
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for step in folders:
            inner = os.open(step, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = inner
        # a pipe in its place must not be waited for
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
    finally:
        os.close(here)


def _not_there(path: str) -> Refused:
    return Refused(
        Reason.COMMAND_FAILED,
        f"the command left no file at {path!r}",
        next_action="see in the log what it did",
    )
