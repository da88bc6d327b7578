"""What runs in a child process: one validator's function on one file. Imports next to nothing, so it starts fast."""

import importlib
from collections.abc import Callable, Iterable

from flowforge.hooks.contracts import CheckedFile


def run_check(load: str, file: CheckedFile) -> tuple[object, ...]:
    """Run ``"module:function"`` on the file and gather what it yields; whatever it raises goes through."""
    module, _, name = load.partition(":")
    check: Callable[[CheckedFile], Iterable[object]] = getattr(importlib.import_module(module), name)
    return tuple(check(file))
