"""Named blobs that outlive a worker, in a folder of this machine.

`put` answers with a reference, `NAME#SHA256`: whoever holds it gets exactly these bytes or an error. A blob
appears whole or not at all (it is written beside its place and renamed).
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import obstore
from obstore import exceptions
from obstore.store import LocalStore

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")  # so neither "." nor ".." nor a hidden file
_REFERENCE = re.compile(r"(?P<name>[^#]+)(?:#(?P<sha256>[0-9a-f]{64}))?")
_MAX_NAME, _CHUNK = 512, 1 << 20
_IDENTITY = ".store"  # no name for a blob: those begin with no dot
_NO_SPACE = ("No space left", "Disk quota", "os error 28", "os error 122")


@dataclass(frozen=True, kw_only=True)
class Stored:
    name: str
    size: int  # bytes
    sha256: str

    @property
    def reference(self) -> str:
        return f"{self.name}#{self.sha256}"


class Artifacts:
    def __init__(self, folder: Path) -> None:
        """Keep blobs under `folder`, which is made if need be and readable by its owner only."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._store: Any = LocalStore(folder, mkdir=False)

    def identity(self) -> str:
        """A word that is the same for all who share this store, made by whoever asks first.

        Raises:
            Temporary: no room, or the store cannot be reached.
        """
        with _translated(_IDENTITY), suppress(exceptions.AlreadyExistsError):
            obstore.put(self._store, _IDENTITY, uuid4().hex.encode(), mode="create")
        with _translated(_IDENTITY):
            return bytes(obstore.get(self._store, _IDENTITY).bytes()).decode("ascii", "replace")

    def put(self, name: str, content: bytes | Path) -> Stored:
        """Store bytes, or a file's content without reading it whole; a blob of this name is replaced.

        Raises:
            Refused: the name is not possible.
            Temporary: no room, or the store cannot be reached.
        """
        check_name(name)
        with _translated(name):
            if isinstance(content, bytes):
                stored = Stored(name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())
                obstore.put(self._store, name, content)
                return stored
            with content.open("rb") as file:
                reader = _Hashing(file)
                obstore.put(self._store, name, reader.chunks())
            return Stored(name=name, size=reader.size, sha256=reader.digest.hexdigest())

    def get(self, reference: str, limit: int = 64 << 20) -> bytes:
        """The bytes of a blob of at most `limit` bytes.

        Raises:
            Refused: no such blob, a larger one, or an impossible name.
            Broken: its bytes are not those that were stored.
        """
        parts: list[bytes] = []
        left = limit
        for chunk in self.stream(reference):
            left -= len(chunk)
            if left < 0:
                raise Refused(
                    Reason.TOO_LARGE,
                    f"artifact {reference!r} has more than {limit} bytes",
                    next_action="download it as a file",
                )
            parts.append(chunk)
        return b"".join(parts)

    def fetch(self, reference: str, into: Path) -> int:
        """Write a blob to a file, which stands there whole and checked or not at all; returns its size."""
        beside = into.with_name(f".{into.name}.part")
        try:
            with beside.open("wb") as file:
                size = sum(file.write(chunk) for chunk in self.stream(reference))
            beside.replace(into)
        finally:
            beside.unlink(missing_ok=True)
        return size

    def stream(self, reference: str) -> Iterator[bytes]:
        """A blob in chunks of about 1 MiB; damage is found at its end, so act on nothing before that."""
        name, expected = split_reference(reference)
        digest = hashlib.sha256()
        with _translated(name):
            for chunk in obstore.get(self._store, name).stream(min_chunk_size=_CHUNK):
                digest.update(chunk)
                yield bytes(chunk)
        if expected and digest.hexdigest() != expected:
            raise Broken(
                Reason.INTERNAL_ERROR,
                f"artifact {name!r} is damaged: its SHA-256 is {digest.hexdigest()}, it was stored as {expected}",
                next_action="check the disk of the artifact store, then run the job again",
            )

    def range(self, reference: str, begin: int, length: int) -> bytes:
        """A part of a blob; what is read is not checked against its SHA-256.

        Raises:
            Refused: no such blob, or an impossible name.
            Broken: it is shorter than that.
            Temporary: the store cannot be reached.
        """
        name, _ = split_reference(reference)
        with _translated(name):
            obstore.head(self._store, name)  # a local store says of an absent blob only that a range is wrong
            found = bytes(obstore.get_range(self._store, name, start=begin, length=length)) if length else b""
        if len(found) != length:
            raise Broken(
                Reason.INTERNAL_ERROR,
                f"artifact {name!r} ends before byte {begin + length}",
                next_action="check the disk of the artifact store",
            )
        return found

    def delete(self, reference: str) -> bool:
        """Remove a blob; False when it was not there."""
        name, _ = split_reference(reference)
        try:
            with _translated(name):
                obstore.head(self._store, name)
                obstore.delete(self._store, name)
        except Refused:
            return False
        return True

    def names(self, prefix: str = "") -> list[str]:
        """The names under a prefix of whole parts (`jobs/ID`), sorted."""
        if prefix:
            check_name(prefix)
        with _translated(prefix):
            found = [item["path"] for batch in obstore.list(self._store, prefix or None) for item in batch]
        return sorted(name for name in found if name != _IDENTITY)


def known_identity(folder: Path) -> str:
    """The word of the store in a folder, for who only looks; "" where there is none."""
    try:
        return (folder / _IDENTITY).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


class _Hashing:
    """Reads a file once, for the store and for the hash."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def chunks(self) -> Iterator[bytes]:
        while chunk := self._file.read(_CHUNK):
            self.digest.update(chunk)
            self.size += len(chunk)
            yield chunk


def check_name(name: str) -> str:
    """Parts of letters, digits, `.`, `_`, `-` with `/` between; no part begins with a dot or hyphen.

    Raises:
        Refused: anything else, so that a name can never leave the store's folder.
    """
    if len(name) > _MAX_NAME or not all(_PART.fullmatch(part) for part in name.split("/")):
        raise Refused(
            Reason.INVALID_REQUEST,
            f"{name[:80]!r} is no name for an artifact",
            next_action="use letters, digits, '.', '_' and '-', with '/' between parts",
        )
    return name


def split_reference(reference: str) -> tuple[str, str]:
    """Name and SHA-256 ("" = any content) of a reference."""
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise Refused(
            Reason.INVALID_REQUEST,
            f"{reference[:80]!r} is no artifact",
            next_action="use NAME or NAME#SHA256",
        )
    return check_name(found["name"]), found["sha256"] or ""


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except FlowForgeError:
        raise
    except (FileNotFoundError, exceptions.NotFoundError) as error:
        raise Refused(
            Reason.NOT_FOUND,
            f"there is no artifact {name!r}",
            next_action="it may have been removed after its time; run the job again",
        ) from error
    except (exceptions.BaseError, OSError) as error:
        full = any(words in str(error) for words in _NO_SPACE)
        raise Temporary(
            Reason.NO_SPACE if full else Reason.SERVICE_UNAVAILABLE,
            f"artifact {name!r} could not be read or written: {str(error).splitlines()[0]}",
            delay=60.0 if full else 5.0,
            next_action="free space in the artifact store" if full else "check the artifact store",
        ) from error
