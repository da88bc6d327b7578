"""What may be called a branch or a url here. Stricter than git, because these names travel far.

The API asks these questions too, so nothing here brings in what runs remote commands.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from flowforge.core.errors import Reason, Refused
from flowforge.git import process

MAX_REF, MAX_URL = 200, 2048  # bytes; file systems and hosts refuse longer ones
_REF_MARKS = frozenset("._/-+#@=,%")
_TAKEN = frozenset({"HEAD", "@", "FETCH_HEAD", "ORIG_HEAD", "MERGE_HEAD", "CHERRY_PICK_HEAD"})
_SHOWN = 80  # characters of a refused name that a message repeats
_REF_CATEGORIES = frozenset("LMN")  # letters, combining marks, digits of any script
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?\.?|\[[0-9A-Fa-f:.]{2,45}\]")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_PATH = re.compile(r"/?[A-Za-z0-9._~/+@%=,:-]+")
_SCP = re.compile(rf"(?P<user>{_USER.pattern})@(?P<host>[A-Za-z0-9][A-Za-z0-9.-]{{0,252}}):(?P<path>[^:]+)")
_REFUSED = frozenset(" \\\"'`$(){}<>|;&*?#!^")
_BOUNDS = process.Bounds(deadline=10.0, max_output=1 << 16, cancelled=lambda: False)
_NEXT_REF = "give a branch name of letters, digits and . _ / - + # @ = , %"
_NEXT_URL = "give a url such as https://host/owner/name.git"


def plain_ref(name: str) -> str:
    """The short branch name of `name` by our own pattern, which is narrower than git's; starts no process.

    For a door that many knock at; whoever hands the name to git asks `check_ref`.

    Raises:
        Refused: invalid_ref.
    """
    short = name.removeprefix("refs/heads/")
    problem = next(_ref_problems(short), "")
    if problem:
        raise Refused(
            Reason.INVALID_REF, f"{_shown(name)} is no branch name: {problem}", next_action=_NEXT_REF
        )
    return short


def check_ref(name: str) -> str:
    """The short branch name of `name` (`refs/heads/` is cut off), if it may be one.

    Raises:
        Refused: invalid_ref.
    """
    short = plain_ref(name)
    if not _git_takes(f"refs/heads/{short}"):
        raise Refused(Reason.INVALID_REF, f"git refuses {_shown(name)} as a name", next_action=_NEXT_REF)
    return short


def check_url(url: str, protocols: Collection[str]) -> str:
    """`url` unchanged, if it is of an allowed protocol, carries no credentials, and hides nothing.

    `user@host:path` counts as ssh. Which hosts may be reached is another question: see `hosts.py`.

    Raises:
        Refused: invalid_url.
    """
    problem = next(_url_problems(url, protocols), "")
    if problem:
        raise Refused(Reason.INVALID_URL, f"this url is not accepted: {problem}", next_action=_NEXT_URL)
    return url


def check_id(oid: str) -> str:
    """`oid` unchanged, if it is a full object id.

    Raises:
        Refused: invalid_ref.
    """
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", oid):
        raise Refused(
            Reason.INVALID_REF, f"{_shown(oid)} is no commit id", next_action="give a full commit id"
        )
    return oid


def host_of(url: str) -> str:
    """The host name of an accepted url, in small letters; "" for file urls."""
    match = _SCP.fullmatch(url)
    if match and "://" not in url:
        return match["host"].lower()
    return (urlsplit(url).hostname or "").lower()


@lru_cache(maxsize=256)  # a job asks about its two names again at every step
def _git_takes(ref: str) -> bool:
    argv = (process.program(), "check-ref-format", ref)
    return process.run(argv, {"LC_ALL": "C"}, b"", _BOUNDS, "git check-ref-format").code == 0


def _ref_problems(name: str) -> Iterator[str]:
    """What is wrong with a short branch name; only the first is told."""
    if not name:
        yield "it is empty"
    if len(name.encode("utf-8", "surrogatepass")) > MAX_REF:
        yield f"it is longer than {MAX_REF} bytes"
    yield from (f"it holds {c!a}" for c in name if not _ref_character(c))
    if name.startswith(("-", "refs/")) or name in _TAKEN:
        yield "it would be read as something else"
    if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", name):
        yield "it looks like a commit id"
    parts = name.split("/")
    if any(not p or p.startswith(".") or p.endswith((".", ".lock")) for p in parts) or ".." in name:
        yield "one of its parts is empty, or begins or ends with a dot"


def _ref_character(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character in _REF_MARKS
    category = unicodedata.category(character)
    return category[0] in _REF_CATEGORIES or category == "So"


def _url_problems(url: str, protocols: Collection[str]) -> Iterator[str]:
    """What is wrong with a url; only the first is told."""
    if not url or len(url) > MAX_URL:
        yield f"it is empty or longer than {MAX_URL} characters"
    if not url.isascii() or not url.isprintable() or any(c in _REFUSED for c in url):
        yield "it holds a character that no repository url needs"
    if "://" in url:
        yield from _full_problems(url, protocols)
    else:
        yield from _scp_problems(url, protocols)


def _full_problems(url: str, protocols: Collection[str]) -> Iterator[str]:
    scheme = url.partition("://")[0]
    if scheme not in protocols:
        yield f"{scheme!r} is not one of the allowed protocols ({', '.join(sorted(protocols))})"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        yield "its host or port cannot be read"
        return
    if port == 0 or parts.netloc.endswith(":"):
        yield "its port cannot be read"
    user, at, host = parts.netloc.rpartition("@")
    if at and (scheme != "ssh" or not _USER.fullmatch(user)):
        yield "it carries a user name or password; store a credential instead"
    if scheme == "file":
        if host:
            yield "a file url has no host"
    elif not _HOST.fullmatch(re.sub(r":\d+$", "", host)) or ".." in host:
        yield "its host is no host name"
    yield from _path_problems(parts.path)


def _scp_problems(url: str, protocols: Collection[str]) -> Iterator[str]:
    match = _SCP.fullmatch(url)
    if match is None:
        yield "it has no protocol"
        return
    if "ssh" not in protocols:
        yield f"'ssh' is not one of the allowed protocols ({', '.join(sorted(protocols))})"
    if ".." in match["host"] or match["path"].startswith("-"):
        yield "its host or path would be read as something else"
    yield from _path_problems(match["path"])


def _path_problems(path: str) -> Iterator[str]:
    if not path.strip("/"):
        yield "it names no repository"
    plain = unquote(path, errors="replace")
    if not _PATH.fullmatch(path) or not plain.isprintable() or "%" in plain:
        yield "its path holds a character that no repository path needs"
    if any(part in {".", ".."} for part in plain.split("/")) or plain.lstrip("/").startswith("-"):
        yield "its path leads elsewhere"


def _shown(name: str) -> str:
    return ascii(name if len(name) <= _SHOWN else name[:_SHOWN] + "...")
