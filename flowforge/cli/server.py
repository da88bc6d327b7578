"""Which server the command line talks to, and with which token.

The environment comes first (`FLOWFORGE_URL`, `FLOWFORGE_TOKEN`), then a file that only its owner may read. A
token is never an argument: argument lists are visible to every user of a machine and stay in shell histories.
"""

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from flowforge.core.errors import Reason, Refused

DEFAULT_URL = "http://127.0.0.1:8080"
_FILE_LIMIT = 65_536  # bytes
_ESCAPED = frozenset('"\\\x7f' + "".join(map(chr, range(32))))


@dataclass(frozen=True, kw_only=True)
class Server:
    """An address without userinfo, query or trailing slash, and the token to show there ("" = none known)."""

    url: str
    token: str = field(default="", repr=False)


def client_file(environment: Mapping[str, str]) -> Path:
    """Where address and token are kept: `$XDG_CONFIG_HOME/flowforge/client.toml`."""
    home = Path(environment.get("HOME", "~")).expanduser()
    return Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "flowforge" / "client.toml"


def find_server(environment: Mapping[str, str]) -> Server:
    """The server that commands talk to.

    Raises:
        Refused: the file is readable by others, unreadable or no TOML, or the address is none.
    """
    kept = _read(client_file(environment))
    return Server(
        url=check_address(environment.get("FLOWFORGE_URL") or kept.get("url") or DEFAULT_URL),
        token=environment.get("FLOWFORGE_TOKEN") or kept.get("token", ""),
    )


def is_named(environment: Mapping[str, str]) -> bool:
    """Whether somebody has said which server to talk to; else it is the usual address, where maybe nobody is.

    Raises:
        Refused: as `find_server`.
    """
    kept = _read(client_file(environment))
    return any(environment.get(name) for name in ("FLOWFORGE_URL", "FLOWFORGE_TOKEN")) or bool(kept)


def keep_server(path: Path, server: Server) -> None:
    """Write address and token to `path`, readable by its owner only, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"url = {_quoted(server.url)}\ntoken = {_quoted(server.token)}\n")
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def check_address(url: str) -> str:
    """An http or https address of a server, normalised.

    Raises:
        Refused: it is none, or it holds credentials.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise _refused(
            "FLOWFORGE_URL is no http or https address", "set it like https://flowforge.example.org"
        )
    if "@" in parts.netloc:
        raise _refused(
            "FLOWFORGE_URL holds credentials", "leave them out; the token goes into FLOWFORGE_TOKEN"
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _read(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_FILE_LIMIT)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _refused(
            f"{path} cannot be read: {error.strerror}", f"check the file, or remove it: rm {path}"
        ) from None
    if stat.S_IMODE(mode) & 0o077:
        raise _refused(f"{path} holds a token and other users may read it", f"chmod 600 {path}")
    try:
        found = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise _refused(f"{path} is no TOML file", f"remove it and sign in again: rm {path}") from None
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _quoted(text: str) -> str:
    """A TOML basic string, with everything escaped that may not stand in one."""
    return '"' + "".join(c if c not in _ESCAPED else f"\\u{ord(c):04x}" for c in text) + '"'


def _refused(sentence: str, next_action: str) -> Refused:
    return Refused(Reason.CONFIGURATION, sentence, next_action=next_action)
