"""Secrets that are nobody's, one of its own for each shape and place, so that where one turns up says how it came.

They are put together here from the samples of the shapes: no file holds one whole.
"""

import random
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowforge.git.hiding import secrets_in
from tests.unit.git.test_secrets import SAMPLES

PLACES = ("beside", "message", "other", "hunk", "subject")
_ALPHABETS = ("abcdef", "ghijklmnopqrstuvwxyz", "ABCDEF", "GHIJKLMNOPQRSTUVWXYZ", "234567")
_WHOLE = {  # shapes whose sample is only how the secret begins
    "private-key": ("-----BEGIN RSA " + "PRIVATE KEY-----", "-----END RSA " + "PRIVATE KEY-----"),
    "putty-key": (
        "PuTTY-User-Key-" + "File-2: ssh-rsa\nEncryption: none\nPrivate-Lines: 1",
        "Private-MAC: 9c8b7a6d",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Canary:
    """What is written into the repository, and the part of it that nobody may see."""

    rule: str
    place: str
    text: str
    secret: str

    @property
    def line(self) -> str:
        """It, behind words that say which one it is."""
        return f"{self.said} {self.text}"

    @property
    def said(self) -> str:
        return f"{self.place} {list(SAMPLES).index(self.rule)}:"  # no name: some shapes begin with one


def canaries(places: Sequence[str] = PLACES) -> Mapping[tuple[str, str], Canary]:
    return {(rule, place): canary(rule, place) for rule in SAMPLES for place in places}


def canary(rule: str, place: str) -> Canary:
    draw = random.Random(f"{rule} {place}")  # noqa: S311 (the same in every run)
    if rule in _WHOLE:
        secret = "MII" + "".join(draw.choices(string.ascii_letters + string.digits, k=60))
        return Canary(
            rule=rule, place=place, text="\n".join((_WHOLE[rule][0], secret, _WHOLE[rule][1])), secret=secret
        )
    text = _varied(SAMPLES[rule], draw)
    (found,) = secrets_in(text)
    return Canary(rule=rule, place=place, text=text, secret=text[found.start : found.end])


def _varied(sample: str, draw: random.Random) -> str:
    """The same shape with other letters: those that it begins with say what it is, those at its end too."""
    start, end = len(sample) // 2, len(sample) - 6
    return "".join(
        draw.choice(next((one for one in _ALPHABETS if char in one), char)) if start <= at < end else char
        for at, char in enumerate(sample)
    )
