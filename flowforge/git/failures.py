"""What git said, turned into an error of the house. Pure: a table of patterns and one function that reads it.

Git's messages are stable under LC_ALL=C; a message that the table does not know keeps its first line, cleaned.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary

MAX_WORDS = 2000  # characters of git's own words that are kept

_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")
_QUOTED = re.compile(r"(?<!\w)'[^'\n]*'")
_CONTROL = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One thing git may say, and what it means for the caller."""

    pattern: str
    kind: type[FlowForgeError]
    reason: Reason
    sentence: str
    next_action: str


def _row(
    pattern: str, kind: type[FlowForgeError], reason: Reason, sentence: str, next_action: str
) -> Explanation:
    return Explanation(pattern=pattern, kind=kind, reason=reason, sentence=sentence, next_action=next_action)


# The order matters: the first pattern that is found explains the failure.
LOCAL = (
    _row(
        r"no space left on device|disk quota exceeded|ENOSPC",
        Broken,
        Reason.NO_SPACE,
        "the disk is full",
        "free space on the worker's disk, then retry the job",
    ),
    _row(
        r"is corrupt|bad object|object file .* is empty|unable to read (tree|sha1|blob object|[0-9a-f]{40})|"
        r"packfile .* (cannot be accessed|does not match|is (too small|far too short))|"
        r"not a git repository|missing (blob|tree|commit) |could not (read|parse) object|"
        r"inflate: data stream error|bad (tree|signature|config|ref)|unable to (unpack|parse) .*header|"
        r"unable to find [0-9a-f]{40}|loose object|did not send all necessary objects|"
        r"failed to read object|error: .*index file .* (is too small|corrupt)|invalid object|"
        r"revision walk setup failed|failed to traverse parents|"
        r"(unexpected|unterminated) line in .*packed-refs",
        Temporary,
        Reason.MIRROR_DAMAGED,
        "the local mirror of the repository is damaged",
        "nothing: the mirror is made anew and the job runs again",
    ),
)
REMOTE = (
    LOCAL[0],
    _row(  # git says the first also where its own process was killed there: only with the second it is damage
        r"(?s)(?=.*repository corruption on the remote side).*"
        r"(is corrupt|object file .* is empty|unable to (read|unpack) [0-9a-f]{40}|bad object|data stream error|"
        r"missing (blob|tree|commit) )",
        Refused,
        Reason.REPOSITORY_DAMAGED,
        "the git host's own copy of the repository is damaged: it cannot send all objects",
        "run `git fsck` in the repository there and repair what it names, then submit again",
    ),
    _row(
        r"(unexpected|unterminated) line in .*packed-refs",
        Temporary,
        Reason.MIRROR_DAMAGED,
        "the local mirror of the repository is damaged",
        "nothing: the mirror is made anew and the job runs again",
    ),
    _row(
        r"couldn't find remote ref",
        Refused,
        Reason.BRANCH_MISSING,
        "the repository has no such branch",
        "check the name; branches are told apart by capital letters",
    ),
    _row(
        r"mismatched algorithms",  # the mirror was made for the other kind of object ids
        Temporary,
        Reason.MIRROR_DAMAGED,
        "the mirror was made for another kind of object ids",
        "nothing: the mirror is made anew and the job runs again",
    ),
    _row(
        r"shallow (update not|roots are not) allowed|source repository is shallow",
        Refused,
        Reason.REPOSITORY_SHALLOW,
        "the remote repository is shallow: it does not hold the whole history",
        "give the url of a complete repository, or run `git fetch --unshallow` there",
    ),
    _row(
        r"authentication failed|could not read (username|password)|invalid credentials|"
        r"returned error: 40[17]|permission denied|host key verification failed|terminal prompts disabled|"
        r"access denied|http basic: access denied",
        Refused,
        Reason.AUTHENTICATION_FAILED,
        "the git host did not accept the credentials",
        "check that the repository's credential is still valid and may read it (and write it, for a push)",
    ),
    _row(
        r"returned error: 403",
        Refused,
        Reason.AUTHENTICATION_FAILED,
        "the git host refused access with these credentials (403)",
        "check that the repository's credential is still valid and may read it (and write it, for a push)",
    ),
    _row(
        r"repository .*(not found|does not exist)|does not appear to be a git repository|"
        r"returned error: (404|410)|no such repository|not found: did you run git update-server-info",
        Refused,
        Reason.REPOSITORY_MISSING,
        "there is no such repository, or the credentials may not see it",
        "check the url, and that the credential may read the repository",
    ),
    _row(
        r"returned error: 30[0-9]|unable to update url base from redirection|redirect",
        Refused,
        Reason.REPOSITORY_UNREACHABLE,
        "the git host answered with a redirect, which is never followed",
        "give the url that the redirect points to",
    ),
    _row(
        r"transport '.*' not allowed|protocol .* not supported|unable to find remote helper",
        Refused,
        Reason.INVALID_URL,
        "this kind of url is not allowed here",
        "give an https or ssh url",
    ),
    _row(
        r"fsck error|badtree|hasdotgit|hasdotdot|gitmodules(url|path|symlink|name|large|missing)|"
        r"nullsha1|error in object|object of unexpected type|treenotsorted|duplicateentries",
        Refused,
        Reason.HOSTILE_CONTENT,
        "git's own check refused objects of this repository",
        "run `git fsck` in the repository and repair what it names",
    ),
    _row(
        r"pack exceeds maximum allowed size|fatal: pack is too large",
        Refused,
        Reason.TOO_LARGE,
        "the repository is larger than this installation allows",
        "raise the limit for fetched packs, or use a smaller repository",
    ),
    _row(
        r"returned error: 429|too many requests|rate limit",
        Temporary,
        Reason.REPOSITORY_UNREACHABLE,
        "the git host asks for fewer requests (429)",
        "nothing: the job runs again later",
    ),
    _row(
        r"could not resolve host|name or service not known|temporary failure in name resolution",
        Temporary,
        Reason.REPOSITORY_UNREACHABLE,
        "the git host's name could not be resolved",
        "check the url and the worker's name service",
    ),
    _row(
        r"failed to connect|connection (refused|reset|timed out)|couldn't connect|unable to access|"
        r"returned error: 5\d\d|rpc failed|early eof|unexpected disconnect|operation (too slow|timed out)|"
        r"the remote end hung up|hung up unexpectedly|bad line length|transfer closed|premature|"
        r"index-pack failed|fetch-pack: |protocol error|expected flush|invalid index-pack output|"
        r"could not read from remote repository|unexpected|recv failure|empty reply|ssl|tls|certificate|gnutls",
        Temporary,
        Reason.REPOSITORY_UNREACHABLE,
        "the git host could not be reached, or broke off",
        "check the host; the job runs again by itself while attempts are left",
    ),
)


def explain(argv: Sequence[str], code: int, stderr: bytes, *, remote: bool = False) -> FlowForgeError:
    """The error for a git command `argv` (without the fixed part) that ended with `code` and said `stderr`."""
    words = clean(stderr)
    told = _QUOTED.sub("''", words)  # a url or branch may hold any word of the table
    for row in REMOTE + LOCAL[1:] if remote else LOCAL:
        if re.search(row.pattern, told, re.IGNORECASE):
            return row.kind(row.reason, row.sentence, next_action=row.next_action, evidence=words)
    first = next((line for line in words.splitlines() if line.strip()), "it said nothing")
    return Broken(
        Reason.REPOSITORY_UNREACHABLE if remote else Reason.INFRASTRUCTURE,
        f"git {argv[0] if argv else ''} ended with status {code}: {first[:300]}",
        next_action="look at the worker's log; the whole answer of git is kept as evidence",
        evidence=words,
    )


def clean(stderr: bytes, secrets: Sequence[str] = ()) -> str:
    """Git's words as a person may see them: no control characters, no userinfo, no secret, not too long."""
    text = stderr.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = _CONTROL.sub("", _USERINFO.sub("", text))
    lines = [line.removeprefix("remote: ").rstrip() for line in text.split("\n")]
    return "\n".join(line for line in lines if line)[:MAX_WORDS]
