"""Wrap data keys with one 32-byte master key, from a file that only its owner can read or from a setting.

The file is made on first use, whole or not at all. A file that others can read is refused: the key may have
been taken. The context is bound in, so a wrapped key of one record opens no other.
"""

import base64
import binascii
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from flowforge.plugin import Broken, Reason

SIZE, _NONCE = 32, 12


def open_key(settings: Mapping[str, str]) -> "LocalKey":
    """Build the provider from settings `key` (32 bytes in base64) or `file` (a path; made if absent).

    Raises:
        Broken: neither is given, the key has another size, or others may read the file.
    """
    if settings.get("key"):
        return LocalKey(_decode(settings["key"], "the setting `key`"))
    if not settings.get("file"):
        raise _wrong("no master key is configured", "set key_file or key")
    file = Path(settings["file"])
    if not file.exists():
        _make(file)
    return LocalKey(_read(file))


class LocalKey:
    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def wrap(self, key: bytes, context: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Open what `wrap` made.

        Raises:
            Broken: it was wrapped with another master key or in another context, or is damaged.
        """
        try:
            return self._cipher.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], context)
        except (InvalidTag, ValueError):
            raise _wrong(
                "a sealed secret does not open with this master key",
                "restore the master key that was in use, or store the secret again",
            ) from None


def _make(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as target:
            target.write(base64.b64encode(secrets.token_bytes(SIZE)) + b"\n")
            target.flush()
            os.fsync(target.fileno())
        _link(new, file)
    finally:
        new.unlink(missing_ok=True)


def _link(new: Path, file: Path) -> None:
    """Unlike a rename, a link never replaces the key that another process made a moment before."""
    try:
        file.hardlink_to(new)
    except FileExistsError:
        return


def _read(file: Path) -> bytes:
    try:
        mode = file.stat().st_mode
        text = file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(f"the master key {str(file)!r} could not be read: {error}", "check the file") from error
    if stat.S_IMODE(mode) & 0o077:
        raise _wrong(
            f"the master key {str(file)!r} can be read by others (mode {stat.S_IMODE(mode):04o})",
            f"chmod 600 {file}, and consider the key known",
        )
    return _decode(text, repr(str(file)))


def _decode(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != SIZE:
        raise _wrong(
            f"{where} holds no key of {SIZE} bytes in base64", "restore the file, or set another key"
        )
    return key


def _wrong(sentence: str, next_action: str) -> Broken:
    return Broken(Reason.CONFIGURATION, sentence, next_action=next_action)
