"""A master key in a file of this machine. Only the descriptor: the cipher is imported on first use."""

from collections.abc import Sequence

from flowforge.plugin import Keys, hookimpl


@hookimpl
def register_key_providers() -> Sequence[Keys]:
    return [Keys(id="local", load="flowforge_plugins.keys.local_key:open_key")]
