"""What a person's word names on this machine: any text may come, and nothing is raised but a refusal."""

from pathlib import Path

from flowforge.core.errors import Reason, Refused


def folder_named(text: str) -> Path | None:
    """The folder, None where the text names none (a url, a file, a name that no file can have)."""
    path = _path(text)
    try:
        return path if path is not None and path.is_dir() else None
    except OSError:  # a name that is too long, a folder that may not be looked into
        return None


def file_named(text: str) -> Path | None:
    """The regular file, None where the text names none."""
    path = _path(text)
    try:
        return path if path is not None and path.is_file() else None
    except OSError:
        return None


def _path(text: str) -> Path | None:
    if not text or "\0" in text:
        return None
    try:
        return Path(text).expanduser()
    except RuntimeError:  # ~nobody: no such user
        return None


def writable(name: str) -> None:
    """Refuse before the work what could not be written after it; nothing is meant by an empty name.

    Raises:
        Refused: invalid_request.
    """
    path = _path(name)
    if not name:
        return
    if path is None or folder_named(str(path.parent)) is None:
        raise _unwritten(name, "no such folder")
    if folder_named(name) is not None:
        raise _unwritten(name, "it is a folder")


def written(name: str, text: bytes) -> None:
    """Write a file that a person named.

    Raises:
        Refused: invalid_request.
    """
    try:
        Path(name).expanduser().write_bytes(text)
    except OSError as error:
        raise _unwritten(name, error.strerror or "") from error


def _unwritten(name: str, why: str) -> Refused:
    return Refused(
        Reason.INVALID_REQUEST, f"{name[:200]!r} cannot be written: {why}", next_action="name another file"
    )
