"""Where the machine's model takes place: a remote that is quickly made, mirrors whose word is old, a bell that forgets."""

import hashlib
import shutil
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from flowforge.core.job import PriorityClass
from flowforge.git.command import Door
from flowforge.git.mirror import Mirror, open_mirror
from tests.githttp import PUSHER
from tests.gitrepo import git

CONFIG = f"""[core]
	repositoryformatversion = 0
	bare = true
	logAllRefUpdates = always
[user]
	name = host
	email = {PUSHER}
[receive]
	autogc = false
"""
NO = "#!/bin/sh\necho closed >&2\nexit 1\n"


def loose(kind: str, body: bytes, *stores: Path) -> str:
    """Write an object into these repositories; its id."""
    data = f"{kind} {len(body)}\0".encode() + body
    oid = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    for store in stores:
        place = store / "objects" / oid[:2] / oid[2:]
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(zlib.compress(data, 1))
    return oid


def commit(what: str, parents: Sequence[str], *stores: Path) -> str:
    """A commit with a tree of its own: a file that says `what`."""
    blob = loose("blob", what.encode(), *stores)
    tree = loose("tree", b"100644 a\0" + bytes.fromhex(blob), *stores)
    who = "Ada <ada@example.org> 1700000000 +0000"
    lines = [f"tree {tree}", *(f"parent {one}" for one in parents), f"author {who}", f"committer {who}"]
    return loose("commit", "\n".join([*lines, "", what, ""]).encode(), *stores)


@dataclass(kw_only=True)
class Remote:
    """A bare repository as a host has it: every update of a ref is in its reflog, with who made it."""

    path: Path
    made: int = 0

    def __post_init__(self) -> None:
        for folder in ("objects/info", "objects/pack", "refs/heads", "hooks"):
            (self.path / folder).mkdir(parents=True)
        (self.path / "HEAD").write_text("ref: refs/heads/main\n")
        (self.path / "config").write_text(CONFIG)

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    def tip(self, branch: str) -> str:
        return (self.path / "refs" / "heads" / branch).read_text().strip()

    def person_pushes(self, branch: str, *parents: str) -> str:
        """A person's new commit, on nothing or on what they had seen."""
        self.made += 1
        sha = commit(f"person {self.made}", parents, self.path)
        git(self.path, "update-ref", f"refs/heads/{branch}", sha)
        return sha

    def close(self, *, closed: bool) -> None:
        """Let a hook refuse every push, or none."""
        hook = self.path / "hooks" / "pre-receive"
        if closed:
            hook.write_text(NO)
            hook.chmod(0o755)
        else:
            hook.unlink(missing_ok=True)

    @property
    def closed(self) -> bool:
        return (self.path / "hooks" / "pre-receive").exists()


@dataclass(kw_only=True)
class Stale(Mirror):
    """A mirror whose answer about the remote is as old as the last `look`."""

    seen: list[str] = field(default_factory=list)

    def look(self, ref: str) -> None:
        self.seen = [super().ls_remote(ref)]

    def ls_remote(self, ref: str) -> str:
        return self.seen.pop() if self.seen else super().ls_remote(ref)


@dataclass(kw_only=True)
class Bell:
    """Implements `jobs.relay.Bell` without a server: rings lie here until heard, and may be lost or come twice."""

    rings: list[UUID] = field(default_factory=list)
    deaf: bool = False

    def ring_all(self, jobs: Sequence[tuple[UUID, PriorityClass]]) -> tuple[UUID, ...]:
        if self.deaf:
            return tuple(job for job, _ in jobs)
        self.rings += [job for job, _ in jobs]
        return ()

    def waiting(self) -> int:
        return len(self.rings)


@dataclass(kw_only=True)
class Yard:
    """The folder of one run of the machine: its remote, and a mirror for each worker."""

    folder: Path
    undo: ExitStack = field(default_factory=ExitStack)
    remote: Remote = field(init=False)

    def __post_init__(self) -> None:
        self.remote = Remote(path=self.folder / "remote.git")

    def mirror(self, worker: str) -> Stale:
        door = Door(protocols=frozenset({"file"}), record=lambda _operation: None, cancelled=lambda: False)
        opened = self.undo.enter_context(open_mirror(self.folder / worker, self.remote.url, door))
        alternates = opened.path / "objects" / "info" / "alternates"
        alternates.write_text(f"{self.remote.path / 'objects'}\n")  # what a fetch would have brought
        return Stale(
            path=opened.path, url=opened.url, git=opened.git, credential=None, lock=opened.lock, notes=[]
        )

    def close(self) -> None:
        self.undo.close()
        shutil.rmtree(self.folder, ignore_errors=True)
