"""Where a user's own files of FlowForge are, by the rules of the platform."""

from collections.abc import Mapping
from pathlib import Path


def home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME", "~")).expanduser()


def config_file(environment: Mapping[str, str]) -> Path:
    """The settings: `FLOWFORGE_CONFIG`, else `$XDG_CONFIG_HOME/flowforge/config.toml`."""
    folder = Path(environment.get("XDG_CONFIG_HOME") or home(environment) / ".config")
    return Path(environment.get("FLOWFORGE_CONFIG") or folder / "flowforge" / "config.toml").expanduser()


def memory_file(environment: Mapping[str, str], platform: str) -> Path:
    """What runs without a service remember: `$XDG_STATE_HOME/flowforge/memory.sqlite3`, else where the platform keeps it.

    `platform` is as `sys.platform` names it.
    """
    usual = ("Library", "Application Support") if platform == "darwin" else (".local", "state")
    given = environment.get("XDG_STATE_HOME", "")
    folder = Path(given) if given.startswith("/") else home(environment).joinpath(*usual)
    return folder / "flowforge" / "memory.sqlite3"
