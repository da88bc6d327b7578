"""One bare mirror a repository: a cache of its history on this worker, which may be lost at any time.

Its folder holds `repository.git` and two lock files: `users` (shared by every job that reads it, exclusive for
who makes or removes it) and `fetching` (one at a time writes refs, so every `*.lock` found under it is stale).
Refs are kept under the hash of their name: a branch `a` that became `a/b` must not block a fetch.
"""

import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused
from flowforge.git.command import Credential, Door, Git
from flowforge.git.locks import Lock, locked
from flowforge.git.names import check_id, check_ref, check_url
from flowforge.git.objects import SUBMODULE_MODE, SYMLINK_MODE, TREE_MODE, disk
from flowforge.git.upkeep import keep_up, needs_upkeep

__all__ = ["Mirror", "Tips", "check_ref", "check_url", "open_mirror"]

_WAIT = 30.0  # seconds to wait until nobody else uses a mirror that must be made anew
_FETCH_WAIT = 300.0  # seconds to wait for another job's fetch
_SHA256_ID = 64
_READ_LIMIT = 1 << 20
_QUIETLY = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
_NOT_GIVEN = re.compile(r"not our ref|unadvertised object|couldn't find remote ref")


@dataclass(frozen=True, kw_only=True)
class Tips:
    """Commit ids of the two branches, taken from one answer of the remote."""

    branch: str
    target: str


@dataclass(kw_only=True)
class Mirror:
    """A mirror that this job may use while it is open. `notes` are sentences for the job's report."""

    path: Path
    url: str
    git: Git
    credential: Credential | None
    lock: Lock
    notes: list[str] = field(default_factory=list)

    def fetch(self, branch: str, target: str) -> Tips:
        """Bring both branches with their whole history; a damaged mirror is made anew on the way.

        Raises:
            Refused: invalid_ref, branch_is_target, branch_missing, target_missing, repository_empty,
                repository_shallow, repository_missing, authentication_failed, hostile_content.
            Temporary: repository_unreachable, timeout, busy.
            Broken: no_space.
        """
        names = (check_ref(branch), check_ref(target))
        if names[0] == names[1]:
            raise Refused(
                Reason.BRANCH_IS_TARGET,
                f"{branch!r} is both the branch and its target",
                next_action="name two different branches",
            )
        try:
            tips = self.fetch_all(names)
        except FlowForgeError as error:
            if error.reason is Reason.BRANCH_MISSING:
                raise self._absent(names) from error
            raise
        return Tips(branch=tips[names[0]], target=tips[names[1]])

    def fetch_all(self, names: Sequence[str]) -> Mapping[str, str]:
        """Bring these branches with their whole history in one go; their tips by name.

        Raises:
            FlowForgeError: as `fetch`; branch_missing where any of them is not there.
        """
        try:
            return self._fetch(names)
        except FlowForgeError as error:
            if error.reason is not Reason.MIRROR_DAMAGED:
                raise
            self._remake(error)
        return self._fetch(names)

    def fetch_commit(self, commit: str) -> bool:
        """Bring a commit that no branch may lead to any more; False where the remote has lost it, or gives none so.

        Raises:
            FlowForgeError: as `fetch`.
        """
        try:
            with self.writing() as lock:
                words = ("fetch", "--force", *_QUIETLY, "--end-of-options", self.url, check_id(commit))
                self._remote(*words, sha=commit, hold=lock.handle)
        except FlowForgeError as error:
            if not _NOT_GIVEN.search(error.evidence):
                raise
        return self.has(commit)

    def heads(self) -> Sequence[str]:
        """Short names of all branches of the remote, as it names them: not every one passes `check_ref`."""
        rows = self._advertised("", "--heads")
        return [name.removeprefix("refs/heads/") for name, _ in rows]

    def ls_remote(self, ref: str) -> str:
        """The remote's commit id of `ref` ("refs/heads/x" or a short branch name), "" where it has none."""
        full = ref if ref.startswith("refs/") else f"refs/heads/{check_ref(ref)}"
        return dict(self._advertised(full)).get(full, "")

    def default_branch(self) -> str:
        """The short name of the branch that the remote's HEAD points to.

        Raises:
            Refused: repository_empty, target_missing (HEAD names no branch).
        """
        rows = self._advertised("HEAD", "--symref")
        for name, value in rows:
            if name == "HEAD" and value.startswith("ref: refs/heads/"):
                return value.removeprefix("ref: refs/heads/")
        if not rows and not self._advertised(""):
            raise self._empty()
        raise Refused(
            Reason.TARGET_MISSING,
            "the repository has no default branch",
            next_action="name the target branch",
        )

    def merge_base(self, a: str, b: str) -> str:
        """The best common ancestor, "" for unrelated histories. A shallow mirror is deepened first."""
        if (self.path / "shallow").exists():
            self._remote("fetch", "--unshallow", "--no-tags", "--no-write-fetch-head", self.url)
        code, out = self.git.try_run("merge-base", "--end-of-options", a, b)
        return out.decode().strip() if code == 0 else ""

    def tree_of(self, commit: str) -> str:
        return (
            self.git.run("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}").decode().strip()
        )

    def read_file(self, commit: str, path: str, limit: int = _READ_LIMIT) -> bytes | None:
        """A regular file's bytes at `commit`, None where there is none.

        Raises:
            Refused: too_large.
        """
        with self.git.objects() as objects:
            entry = objects.entry(objects.commit(commit).tree, path.encode("utf-8", "surrogateescape"))
            if entry is None or entry.mode in {TREE_MODE, SYMLINK_MODE, SUBMODULE_MODE}:
                return None
            info = objects.info(entry.oid)
            if info is not None and info.size > limit:
                raise Refused(
                    Reason.TOO_LARGE,
                    f"{path!r} has {info.size} bytes, {limit} are read at most",
                    next_action="make the file smaller",
                )
            return objects.read(entry.oid, "blob")

    def has(self, commit: str) -> bool:
        """Whether the mirror holds `commit` (not whether it holds everything behind it)."""
        return self.git.try_run("cat-file", "-e", f"{commit}^{{commit}}", ok=(0, 1, 128))[0] == 0

    @contextmanager
    def writing(self) -> Iterator[Lock]:
        """Be the only one who writes refs or packs; what a dead process left is removed first.

        What a failure leaves goes at once: half a pack may be all the room that the disk had.
        """
        with locked(
            self.path.parent / "fetching", exclusive=True, door=self.git.door, wait=_FETCH_WAIT
        ) as lock:
            self._sweep()
            try:
                yield lock
            except BaseException:
                self._sweep()
                raise

    def push(self, *argv: str, ref: str, sha: str, deadline: float) -> bytes:
        """Run `git push` with `argv`; its own protocol is in `push.py`."""
        return self._remote("push", *argv, ref=ref, sha=sha, deadline=deadline)

    def _fetch(self, names: Sequence[str]) -> Mapping[str, str]:
        refs = tuple(kept_ref(name) for name in names)
        wants = [f"+refs/heads/{name}:{ref}" for name, ref in zip(names, refs, strict=True)]
        with self.writing() as lock:
            self._remote(
                "fetch",
                "--force",
                "--atomic",
                *_QUIETLY,
                "--end-of-options",
                self.url,
                *wants,
                ref=f"refs/heads/{names[0]}",
                hold=lock.handle,
            )
            tips = self.git.run("rev-parse", *refs).decode().split()
        return dict(zip(names, tips, strict=True))

    def _remote(
        self,
        *argv: str,
        ref: str = "",
        sha: str = "",
        deadline: float | None = None,
        hold: int | None = None,
    ) -> bytes:
        return self.git.remote(
            *argv,
            url=self.url,
            ref=ref,
            sha=sha,
            credential=self.credential,
            deadline=deadline,
            hold=() if hold is None else (hold,),
        )

    def _advertised(self, pattern: str, *options: str) -> list[tuple[str, str]]:
        """Rows (ref, id) that the remote shows for a pattern; "" shows all."""
        patterns = (pattern,) if pattern else ()
        words = ("ls-remote", *options, "--end-of-options", self.url, *patterns)
        try:
            out = self._remote(*words, ref=pattern)
        except FlowForgeError as error:
            if error.reason is not Reason.MIRROR_DAMAGED:
                raise
            self._remake(error)
            out = self._remote(*words, ref=pattern)
        rows = (line.partition("\t") for line in out.decode("utf-8", "surrogateescape").splitlines())
        return [(name, value) for value, _, name in rows]

    def _absent(self, names: tuple[str, str]) -> FlowForgeError:
        """Which of the two is not there, or whether nothing is."""
        heads = {name for name, _ in self._advertised("") if name.startswith("refs/heads/")}
        if not heads:
            return self._empty()
        for name, reason, word in (
            (names[1], Reason.TARGET_MISSING, "target"),
            (names[0], Reason.BRANCH_MISSING, "branch"),
        ):
            if f"refs/heads/{name}" not in heads:
                return Refused(
                    reason,
                    f"the repository has no {word} {name!r}",
                    next_action="check the name; branches are told apart by capital letters",
                )
        return Refused(
            Reason.REMOTE_MOVED,
            "a branch was deleted and came back while it was fetched",
            next_action="submit the job again",
        )

    def _empty(self) -> Refused:
        return Refused(
            Reason.REPOSITORY_EMPTY,
            "the repository shows no branch: it is empty, or the url leads to something else",
            next_action="check the url, or push a first commit; then submit the job again",
        )

    def _sweep(self) -> None:
        for stale in (
            *self.path.glob("*.lock"),
            *(self.path / "refs").rglob("*.lock"),
            *self.path.glob("objects/info/**/*.lock"),
            *self.path.glob("objects/pack/tmp_*"),
        ):
            stale.unlink(missing_ok=True)

    def _remake(self, error: FlowForgeError) -> None:
        """Make the repository anew, when nobody else uses it.

        Raises:
            Temporary: busy, when others still use it; the next who opens it will make it anew.
        """
        folder = self.path.parent
        (folder / "damaged").touch()
        width = _SHA256_ID if "mismatched algorithms" in error.evidence else 0
        self.lock.take(exclusive=True, door=self.git.door, wait=_WAIT)
        _make(folder, self.url, self.git.door, sha256=width == _SHA256_ID)
        self.lock.take(exclusive=False, door=self.git.door, wait=_WAIT)
        if not width:
            self.notes.append(
                f"the mirror was damaged ({_first(error.evidence) or error.sentence}) and was made anew"
            )


@contextmanager
def open_mirror(root: Path, url: str, door: Door, credential: Credential | None = None) -> Iterator[Mirror]:
    """The mirror of `url` below `root`, made on first use, made anew when it was found damaged.

    Many jobs may have one mirror open at once. Whoever learns that it is damaged leaves a mark on the way out,
    and the next one to open it starts from nothing.

    Raises:
        Refused: invalid_url, cancelled.
        Temporary: busy.
        Broken: no_space, infrastructure.
    """
    check_url(url, door.protocols)
    folder = root / mirror_name(url)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise disk(error) from error
    lock = Lock(folder / "users")
    try:
        notes = _ready(folder, url, door, lock)
        path = folder / "repository.git"
        git = Git(folder=path, door=door)
        yield Mirror(path=path, url=url, git=git, credential=credential, lock=lock, notes=notes)
        if needs_upkeep(git):
            keep_up(git, lock)
    except FlowForgeError as error:
        if error.reason is Reason.MIRROR_DAMAGED:
            (folder / "damaged").touch()
        raise
    finally:
        lock.close()


def mirror_name(url: str) -> str:
    """A folder name a person can recognise and no other url has."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", url.partition("://")[2] or url).strip("-")[-60:]
    return f"{readable}-{hashlib.sha256(url.encode()).hexdigest()[:16]}"


def _ready(folder: Path, url: str, door: Door, lock: Lock) -> list[str]:
    """Take the shared lock on a sound mirror, making it where needed; what happened, in sentences."""
    notes: list[str] = []
    for _ in range(3):
        lock.take(exclusive=False, door=door, wait=_WAIT)
        trouble = _trouble(folder, url)
        if not trouble:
            return notes
        lock.take(exclusive=True, door=door, wait=_WAIT)
        if _trouble(folder, url):
            if (folder / "repository.git").exists():
                notes.append(f"the mirror was damaged ({trouble}) and was made anew")
            _make(folder, url, door)
    raise Broken(
        Reason.MIRROR_DAMAGED,
        "the mirror cannot be made, or breaks as soon as it is made",
        next_action="check the disk that holds the folder for mirrors",
    )


def _trouble(folder: Path, url: str) -> str:
    """Why the mirror cannot be used, as far as a look at a few files tells; "" when it can."""
    path = folder / "repository.git"
    if (folder / "damaged").exists():
        return "an earlier job found objects missing or unreadable"
    try:
        if (path / "flowforge-url").read_text() != url:
            return "it belongs to another repository"
        head = (path / "HEAD").read_text()
        config = (path / "config").read_text()
    except (OSError, UnicodeDecodeError):
        return "files are missing or unreadable"
    sound = head.startswith("ref: ") and "[core]" in config and "\0" not in config
    return "" if sound and (path / "objects").is_dir() and (path / "refs").is_dir() else "it is not whole"


def _make(folder: Path, url: str, door: Door, *, sha256: bool = False) -> None:
    path = folder / "repository.git"
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        path.mkdir()
        Git(folder=path, door=door).run(
            "init", "--quiet", "--bare", "--template=", f"--object-format={'sha256' if sha256 else 'sha1'}"
        )
        (path / "flowforge-url").write_text(url)  # last: its presence says that the rest is there
        with suppress(FileNotFoundError):
            (folder / "damaged").unlink()
    except OSError as error:
        raise disk(error) from error


def kept_ref(name: str) -> str:
    """The mirror's own ref for a branch that was fetched."""
    return f"refs/flowforge/{hashlib.sha256(name.encode()).hexdigest()[:24]}"


def _first(text: str) -> str:
    return text.partition("\n")[0][:200]
