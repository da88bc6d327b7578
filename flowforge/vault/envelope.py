"""Seal small secrets: AES-256-GCM with a fresh key for every record, that key wrapped by a key provider.

The place of a secret (organization, record, field) is bound in: a sealed value that is copied to another row,
field or organization does not open. Nothing is cached: the data key lives for one call.

Layout: `FF1` | length of the wrapped key (2 bytes, big endian) | wrapped key | nonce (12) | ciphertext with tag.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from flowforge.core.errors import Broken, Reason
from flowforge.hooks.contracts import KeyProvider

_MAGIC, _NONCE, _KEY, _TAG = b"FF1", 12, 32, 16


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a secret lives."""

    organization: UUID
    record: UUID
    field: str

    @property
    def context(self) -> bytes:
        return f"{self.organization}:{self.record}:{self.field}".encode()


class Vault:
    def __init__(self, keys: KeyProvider, random: Callable[[int], bytes] = os.urandom) -> None:
        self._keys = keys
        self._random = random

    def seal(self, secret: bytes, place: Place) -> bytes:
        """Encrypt `secret` for `place`.

        Raises:
            Broken: the key provider cannot wrap; nothing was stored.
        """
        key, nonce = self._random(_KEY), self._random(_NONCE)
        wrapped = self._keys.wrap(key, place.context)
        text = AESGCM(key).encrypt(nonce, secret, _MAGIC + place.context)
        return _MAGIC + len(wrapped).to_bytes(2, "big") + wrapped + nonce + text

    def open(self, sealed: bytes, place: Place) -> bytes:
        """Decrypt what `seal` made for the same place.

        Raises:
            Broken: another key, another place, or damaged bytes; which one cannot be told apart.
        """
        wrapped, nonce, text = _cut(sealed)
        key = self._keys.unwrap(wrapped, place.context)
        try:
            return AESGCM(key).decrypt(nonce, text, _MAGIC + place.context)
        except (InvalidTag, ValueError):
            raise does_not_open() from None


def _cut(sealed: bytes) -> tuple[bytes, bytes, bytes]:
    head = len(_MAGIC) + 2
    start = head + int.from_bytes(sealed[len(_MAGIC) : head], "big")
    if not sealed.startswith(_MAGIC) or len(sealed) < start + _NONCE + _TAG:
        raise does_not_open()
    return sealed[head:start], sealed[start : start + _NONCE], sealed[start + _NONCE :]


def does_not_open() -> Broken:
    return Broken(
        Reason.CONFIGURATION,
        "a sealed secret does not open: it was sealed with another key or for another place, or is damaged",
        next_action="restore the master key that was in use, or store the secret again",
    )
