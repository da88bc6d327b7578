"""What a person's word names on this machine: any text may come, and none of it may raise."""

from pathlib import Path


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
