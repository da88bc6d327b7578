"""The one door for git processes: argv only, clean environment, fixed configuration, bounds, typed errors.

Local plumbing runs as a tuned subprocess, commands that reach over the network through sh (one sh call costs
four to eight plain ones, and there is one or two of them a job). Trusted git never runs in a repository that
untrusted code could write; the fixed configuration is the second wall, not the first.
"""

import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from flowforge.core.errors import FlowForgeError, Reason
from flowforge.git import failures, process
from flowforge.git.credentials import Credential, helper
from flowforge.git.objects import Objects, opened
from flowforge.git.process import Bounds
from flowforge.git.remote import run_remote

__all__ = ["Credential", "Door", "Git", "RemoteOperation"]

# Old, harmless faults that many honest histories hold; every other fault of git's own check is refused.
_TOLERATED = (
    "badDateOverflow",
    "badTimezone",
    "emptyName",
    "missingEmail",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "missingTaggerEntry",
    "zeroPaddedDate",
    "zeroPaddedFilemode",
)
_FIXED = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.excludesFile": "/dev/null",
    "core.askPass": "",
    "core.abbrev": "no",
    "core.quotePath": "false",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "core.commitGraph": "true",
    "core.alternateRefsCommand": "",
    "init.templateDir": "",
    "color.ui": "false",
    "merge.conflictStyle": "diff3",
    "diff.algorithm": "default",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "transfer.bundleURI": "false",
}
_FIXED_REMOTE = {
    "protocol.allow": "never",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "100",  # bytes a second; a dead connection must not hold a lock for ever
    "http.lowSpeedTime": "60",
    "transfer.fsckObjects": "true",
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",  # one pack a fetch: thousands of loose objects are slow to read
    "push.recurseSubmodules": "no",
    "push.gpgSign": "false",
    **{f"fetch.fsck.{fault}": "warn" for fault in _TOLERATED},
}
_SILENT = b"shallow roots are not allowed"  # a fetch that leaves refs as they were, and ends with 0
_SSH = "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oServerAliveInterval=15 -oServerAliveCountMax=4"


def _unrecorded(_: "RemoteOperation") -> None:
    """Nobody keeps a record."""


def _never() -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class RemoteOperation:
    """One command that reached over the network; `url` has no userinfo, `status` is "ok" or a reason."""

    type: str  # fetch | ls_remote | push
    url: str
    ref: str
    sha: str
    status: str
    duration_ms: int


@dataclass(frozen=True, kw_only=True)
class Door:
    """How git may run here. Times are seconds, sizes bytes; `env` adds what a site needs (proxy, CA file)."""

    deadline: float = 60.0
    remote_deadline: float = 600.0
    max_output: int = 256 << 20
    protocols: frozenset[str] = frozenset({"https", "ssh"})
    record: Callable[[RemoteOperation], None] = _unrecorded
    cancelled: Callable[[], bool] = _never
    env: Mapping[str, str] = field(default_factory=dict)
    ssh: str = _SSH
    private: Path | None = (
        None  # where a credential may lie while git asks for it; None = the system's folder
    )

    def bounds(self, deadline: float | None = None) -> Bounds:
        return Bounds(
            deadline=self.deadline if deadline is None else deadline,
            max_output=self.max_output,
            cancelled=self.cancelled,
        )


@dataclass(frozen=True, kw_only=True)
class Git:
    """Git bound to one git directory. `attributes` is the file that merges read instead of .gitattributes."""

    folder: Path
    door: Door
    attributes: Path = Path(os.devnull)

    def with_attributes(self, attributes: Path) -> "Git":
        return replace(self, attributes=attributes)

    def run(
        self,
        *argv: str,
        stdin: bytes = b"",
        ok: Collection[int] = (0,),
        deadline: float | None = None,
        env: Mapping[str, str] | None = None,
    ) -> bytes:
        """Standard output of a local git command.

        Raises:
            FlowForgeError: typed from git's words, when its status is not in `ok`, or a bound was passed.
        """
        return self.try_run(*argv, stdin=stdin, ok=ok, deadline=deadline, env=env)[1]

    def try_run(
        self,
        *argv: str,
        stdin: bytes = b"",
        ok: Collection[int] = (0, 1),
        deadline: float | None = None,
        env: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """As `run`, with the status, for commands whose status is an answer."""
        done = process.run(
            (*self._prefix(), *argv),
            {**self._environment(), **(env or {})},
            stdin,
            self.door.bounds(deadline),
            f"git {argv[0]}",
        )
        if done.code not in ok:
            raise failures.explain(argv, done.code, done.err)
        return done.code, done.out

    def remote(
        self,
        *argv: str,
        url: str,
        ref: str = "",
        sha: str = "",
        credential: Credential | None = None,
        deadline: float | None = None,
        hold: Sequence[int] = (),
    ) -> bytes:
        """Standard output of a command that reaches `url`; recorded, whatever came of it.

        `argv` holds the url itself where the command wants it. `hold`: descriptors of locks to keep.

        Raises:
            FlowForgeError: typed from git's words, or a bound was passed.
        """
        begun = time.monotonic()
        status = Reason.INTERNAL_ERROR.value
        try:
            out = self._reach(argv, url, credential, deadline, hold)
            status = "ok"
        except FlowForgeError as error:
            status = error.reason.value
            raise
        finally:
            self.door.record(
                RemoteOperation(
                    type=argv[0].replace("-", "_"),
                    url=failures.clean(url.encode()),
                    ref=ref,
                    sha=sha,
                    status=status,
                    duration_ms=round((time.monotonic() - begun) * 1000),
                )
            )
        return out

    @contextmanager
    def objects(self) -> Iterator[Objects]:
        """A reader and writer of this repository's objects, backed by one helper process."""
        with opened(
            lambda: Objects(self._prefix(), self._environment(), self.folder, self.door.bounds())
        ) as it:
            yield it

    def _reach(
        self,
        argv: Sequence[str],
        url: str,
        credential: Credential | None,
        deadline: float | None,
        hold: Sequence[int],
    ) -> bytes:
        limit = self.door.remote_deadline if deadline is None else deadline
        with (
            tempfile.TemporaryDirectory(prefix="flowforge-git-", dir=self.door.private) as private,
            helper(credential, url, Path(private)) as ours,
        ):
            done = run_remote(
                (*self._prefix(), *_options(_FIXED_REMOTE), *self._allowed(), *ours, *argv),
                self._environment(),
                self.door.bounds(limit),
                f"git {argv[0]}",
                hold,
            )
        if done.code != 0 or _SILENT in done.err:
            secrets = (credential.secret,) if credential else ()
            raise failures.explain(
                argv, done.code, failures.clean(done.out + b"\n" + done.err, secrets).encode(), remote=True
            )
        return done.out

    def _prefix(self) -> tuple[str, ...]:
        return (
            process.program(),
            "--git-dir",
            str(self.folder),
            *_options({**_FIXED, "core.attributesFile": str(self.attributes)}),
        )

    def _allowed(self) -> tuple[str, ...]:
        return _options({f"protocol.{name}.allow": "always" for name in sorted(self.door.protocols)})

    def _environment(self) -> dict[str, str]:
        """Everything a git process may know: an allow-list, so nothing of the worker's own environment leaks."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": os.devnull,  # nothing can be below it: no .netrc, no .gitconfig
            "LC_ALL": "C",
            "TZ": "UTC",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_EDITOR": "false",
            "GIT_SSH_COMMAND": self.door.ssh,
            "GIT_ALLOW_PROTOCOL": ":".join(sorted(self.door.protocols)),
            **self.door.env,
        }


def _options(settings: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
