"""Strangers' output on a terminal: colours may pass, everything else that a terminal obeys is shown instead."""

import re

_COLOUR = r"\x1b\[[0-9;:]{0,40}m"
_MARK = re.compile(
    rf"(?P<colour>{_COLOUR})|(?P<control>[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069])"
)


def tame(text: str) -> str:
    r"""Keep text, newlines, tabs and colour (SGR) sequences; write other control characters as `\x1b`."""
    return _MARK.sub(lambda found: found["colour"] or _shown(found["control"]), text.replace("\r\n", "\n"))


def _shown(letter: str) -> str:
    return f"\\x{ord(letter):02x}" if ord(letter) < 256 else f"\\u{ord(letter):04x}"  # noqa: PLR2004 (two digits)
