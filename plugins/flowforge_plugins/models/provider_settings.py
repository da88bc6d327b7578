"""Settings that providers have in common, read with a plain sentence for what cannot be."""

import math
from typing import Final

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
