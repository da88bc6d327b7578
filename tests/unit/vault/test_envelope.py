"""Sealed secrets open where they were sealed, with the key they were sealed with, and nowhere else."""

import uuid
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.errors import Broken, Reason
from flowforge.vault.envelope import Place, Vault
from flowforge_plugins.keys.local_key import LocalKey

PLACE = Place(organization=uuid.UUID(int=1), record=uuid.UUID(int=2), field="credentials")


def vault(key: bytes = b"k" * 32) -> Vault:
    return Vault(LocalKey(key))


@given(st.binary(max_size=5000))
def test_what_was_sealed_opens(secret: bytes) -> None:
    assert vault().open(vault().seal(secret, PLACE), PLACE) == secret


def test_the_same_secret_never_looks_the_same() -> None:
    sealed = {vault().seal(b"secret", PLACE) for _ in range(50)}
    assert len(sealed) == 50
    assert not any(b"secret" in text for text in sealed)


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(PLACE, organization=uuid.UUID(int=9)),
        replace(PLACE, record=uuid.UUID(int=9)),
        replace(PLACE, field="other"),
    ],
)
def test_it_does_not_open_in_another_place(elsewhere: Place) -> None:
    with pytest.raises(Broken) as caught:
        vault().open(vault().seal(b"secret", PLACE), elsewhere)
    assert caught.value.reason is Reason.CONFIGURATION


def test_it_does_not_open_with_another_key() -> None:
    with pytest.raises(Broken, match="does not open"):
        vault(b"x" * 32).open(vault().seal(b"secret", PLACE), PLACE)


def test_no_changed_byte_goes_unseen() -> None:
    sealed = vault().seal(b"secret", PLACE)
    for at in range(len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(Broken):
            vault().open(changed, PLACE)


@pytest.mark.parametrize("cut", list(range(0, 98, 7)))
def test_a_part_of_it_does_not_open(cut: int) -> None:
    with pytest.raises(Broken):
        vault().open(vault().seal(b"secret", PLACE)[:cut], PLACE)
