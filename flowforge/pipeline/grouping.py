"""Which concurrency group a definition asks for, found without a worker: for the door that takes a job in.

Only what is certain is answered. A text with problems is the worker's to refuse, and one that extends a file of its
repository cannot be read whole here.
"""

from functools import lru_cache

from pydantic import ValidationError

from flowforge.core.concurrency import Concurrency
from flowforge.pipeline.extends import Extender
from flowforge.pipeline.load import FILE, shipped_definitions
from flowforge.pipeline.models import ConcurrencyModel

_KEPT = 64  # texts whose answer is remembered; each may have 64 KiB


@lru_cache(maxsize=_KEPT)
def of_text(text: str) -> Concurrency | None:
    """What a definition asks for; None when it asks for no group, or cannot be read here."""
    if "concurrency" not in text and "extends" not in text:
        return None
    extender = Extender(lambda _path: None, shipped_definitions())
    root = extender.load(text.encode(errors="replace"), FILE)
    if root is None or extender.problems:
        return None
    node, named = root.get("concurrency"), root.get("name")
    name = None if named is None else named.plain()
    if node is None or not isinstance(name, str):
        return None
    try:
        asked = ConcurrencyModel.model_validate(node.plain())
    except ValidationError:
        return None
    return Concurrency(group=asked.group, policy=asked.policy, pipeline=name)


def of_shipped(name: str) -> Concurrency | None:
    """What a shipped definition asks for; None also for a name that does not ship."""
    text = shipped_definitions().get(name)
    return None if text is None else of_text(text.decode())
