"""Read what a pool's child answered, building nothing but values that this process knows already."""

import builtins
import importlib
import io
import pickle

from flowforge.core.errors import Broken, FlowForgeError, Reason
from flowforge.sandbox.forkserver import DONE

# What an answer may be built from: our own classes, and plain values of the standard library. A plugin's own
# classes are refused, because building one here would import the plugin into the parent.
_PLAIN = frozenset(
    {
        ("builtins", "complex"),
        ("builtins", "bytearray"),
        ("builtins", "frozenset"),
        ("builtins", "set"),
        ("builtins", "range"),
        ("builtins", "slice"),
        ("collections", "OrderedDict"),
        ("datetime", "date"),
        ("datetime", "datetime"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
        ("decimal", "Decimal"),
        ("pathlib", "PosixPath"),
        ("pathlib", "PurePosixPath"),
        ("uuid", "UUID"),
    }
)


class _Answers(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) in _PLAIN:
            return getattr(builtins if module == "builtins" else importlib.import_module(module), name)
        if (module, name) == ("flowforge.core.errors", "_rebuild"):
            return super().find_class(module, name)
        if module.startswith("flowforge.") and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is no type that may cross")


def unpack(load: str, kind: bytes, payload: bytes) -> object:
    try:
        answer: object = _Answers(io.BytesIO(payload)).load()
    except Exception as error:
        raise Broken(
            Reason.PLUGIN_FAILED,
            f"{load!r} answered with something that is no value of FlowForge: {error}",
            next_action="tell the author of this plugin: answer with flowforge.plugin's values",
        ) from error
    if kind == DONE:
        return answer
    if isinstance(answer, FlowForgeError):
        raise answer
    raise Broken(Reason.PLUGIN_FAILED, f"{load!r} failed with {type(answer).__name__}")
