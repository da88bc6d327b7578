"""Settings that providers have in common, read with a plain sentence for what cannot be."""

import math
from typing import Final
from urllib.parse import urlsplit

from flowforge.plugin import Broken, Reason

DEFAULT_TIMEOUT: Final = 120.0


def wrong(provider: str, what: str, action: str) -> Broken:
    return Broken(Reason.CONFIGURATION, f"the model provider {provider!r} {what}", next_action=action)


def seconds(text: str) -> float:
    """The longest time of one call.

    Raises:
        Broken: it is no number above 0.
    """
    try:
        found = float(text or DEFAULT_TIMEOUT)
    except ValueError:
        found = 0.0
    if found > 0 and math.isfinite(found):
        return found
    raise Broken(
        Reason.CONFIGURATION,
        f"the model timeout {text!r} is no number of seconds above 0",
        next_action=f"set it to a number such as {DEFAULT_TIMEOUT:g}",
    )


def address(provider: str, text: str) -> str:
    """A base URL without a slash at its end.

    Raises:
        Broken: it is no HTTP address, or holds a key of its own, which would stand in logs.
    """
    try:
        parts = urlsplit(text)
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        known = False
    if not known:
        raise wrong(
            provider, f"cannot use the address {text!r}", "set model_base_url to one as http://host:8000/v1"
        )
    if parts.username or parts.password:
        raise wrong(provider, "has a key in its address", "set it as FLOWFORGE_MODEL_KEY instead")
    return text.rstrip("/")


def key(provider: str, text: str) -> str:
    """A key as it can stand in a header; "" = none.

    Raises:
        Broken: it holds what no header can; told here, since a call would break after it seemed to have begun.
    """
    found = text.strip()
    if all("!" <= character <= "~" for character in found):
        return found
    raise wrong(
        provider, "has a key with characters that no key has", "set FLOWFORGE_MODEL_KEY to the key alone"
    )
