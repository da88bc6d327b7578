"""The vault of a process: the key provider that the settings name, from the plugins that are loaded."""

from collections.abc import Callable, Mapping
from typing import cast

from flowforge.core.errors import Broken, Reason
from flowforge.hooks.contracts import KeyProvider
from flowforge.hooks.manager import Registry, resolve_load
from flowforge.settings import Settings
from flowforge.vault.envelope import Vault

Factory = Callable[[Mapping[str, str]], KeyProvider]


def open_vault(settings: Settings, registry: Registry) -> Vault:
    """The vault; its provider opens (or makes) the master key now, so a wrong one stops the start.

    Raises:
        Broken: no plugin provides what `key_provider` names, or the key cannot be used.
    """
    keys = registry.keys.get(settings.key_provider)
    if keys is None:
        known = ", ".join(sorted(registry.keys)) or "none"
        raise Broken(
            Reason.CONFIGURATION,
            f"no plugin provides keys as {settings.key_provider!r}; known: {known}",
            next_action="set FLOWFORGE_KEY_PROVIDER to one of them, or install the plugin",
        )
    factory = cast("Factory", resolve_load(keys.load))
    return Vault(factory({"key": settings.key.get_secret_value(), "file": str(settings.key_path)}))
