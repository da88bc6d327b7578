"""Real repositories built by script, for tests: files as values, commits with chosen authors, and git's own rebase.

    repo = Repository(tmp_path / "origin.git")
    base = repo.commit({"a.py": "x = 1\\n"}, branch="main")
    tip = repo.commit({"a.py": "x = 2\\n"}, base, branch="topic", message="change x")

A value is text or bytes (mode 644), or a pair (mode, content); content of mode 160000 is a commit id, of 120000 a
link's target. A commit's files are the whole tree: `repo.files(sha)` gives those of another commit to start from.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

Content = str | bytes | tuple[str, str | bytes]
IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ALLOW_PROTOCOL": "file:http",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_EPOCH = 1_700_000_000


def git(folder: Path, *argv: str, stdin: bytes = b"", ok: Sequence[int] = (0,), **env: str) -> bytes:
    """Plain git, for what a user would type."""
    done = subprocess.run(
        ["git", "-C", str(folder), *argv],
        input=stdin,
        capture_output=True,
        check=False,
        env={"PATH": os.environ["PATH"], **IDENTITY, **env},
    )
    assert done.returncode in ok, f"git {argv}: {done.returncode}\n{done.stdout!r}\n{done.stderr!r}"
    return done.stdout


class Repository:
    """A bare repository at `path`; every commit is one minute later than the one before."""

    def __init__(self, path: Path, *, object_format: str = "sha1") -> None:
        self.path = path
        self._minute = 0
        path.mkdir(parents=True)
        git(path, "init", "-q", "--bare", "-b", "main", f"--object-format={object_format}")
        git(path, "config", "core.logAllRefUpdates", "always")
        git(path, "config", "uploadpack.allowAnySHA1InWant", "true")

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    def git(self, *argv: str, stdin: bytes = b"", ok: Sequence[int] = (0,), **env: str) -> bytes:
        return git(self.path, *argv, stdin=stdin, ok=ok, **env)

    def commit(
        self,
        files: Mapping[str, Content],
        *parents: str,
        message: str | bytes = "a change",
        author: str = "Ada <ada@example.org>",
        zone: str = "+0200",
        encoding: str = "",
        branch: str = "",
    ) -> str:
        """Make a commit whose tree is exactly `files`; point `branch` at it where one is given."""
        self._minute += 1
        when = f"{_EPOCH + 60 * self._minute} {zone}"
        text = message if isinstance(message, bytes) else message.encode()
        lines = [b"commit refs/made/it\n"]
        lines.append(f"author {author} {when}\ncommitter {author} {when}\n".encode())
        if encoding:
            lines.append(f"encoding {encoding}\n".encode())
        lines.append(b"data %d\n%s\n" % (len(text), text))
        for word, parent in zip(["from"] + ["merge"] * len(parents), parents, strict=False):
            lines.append(f"{word} {parent}\n".encode())
        lines.append(b"deleteall\n")
        lines.extend(_modify(path, content) for path, content in files.items())
        if not parents:
            lines.insert(0, b"reset refs/made/it\n")
        self.git("fast-import", "--quiet", "--force", "--done", stdin=b"".join([*lines, b"done\n"]))
        sha = self.tip("refs/made/it")
        self.git("update-ref", "-d", "refs/made/it")
        if branch:
            self.point(branch, sha)
        return sha

    def point(self, branch: str, sha: str) -> None:
        self.git("update-ref", f"refs/heads/{branch}", sha)

    def tip(self, name: str) -> str:
        return self.git("rev-parse", "--verify", name).decode().strip()

    def tree(self, commit: str) -> str:
        return self.tip(f"{commit}^{{tree}}")

    def files(self, commit: str) -> dict[str, Content]:
        """The files of `commit` in the form that `commit()` takes."""
        found: dict[str, Content] = {}
        for row in self.git("ls-tree", "-r", "-z", commit).split(b"\0")[:-1]:
            head, _, path = row.partition(b"\t")
            mode, _, oid = head.decode().split(" ")
            content = oid if mode == "160000" else self.git("cat-file", "blob", oid)
            found[path.decode("utf-8", "surrogateescape")] = (mode, content)
        return found

    def updates(self, branch: str) -> list[tuple[str, str]]:
        """(old, new) of every update of a branch, from the reflog."""
        log = self.path / "logs" / "refs" / "heads" / branch
        rows = log.read_text().splitlines() if log.exists() else []
        return [(row.split(" ")[0], row.split(" ")[1]) for row in rows]

    def rebase(self, folder: Path, head: str, upstream: str, *options: str) -> str:
        """Git's own rebase in a work tree made at `folder`: the new tip, or "" when it stopped at a conflict."""
        self.git("worktree", "add", "-q", "--detach", str(folder), head)
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), "rebase", "-q", *options, upstream],
                capture_output=True,
                check=False,
                env={"PATH": os.environ["PATH"], **IDENTITY},
            )
            return git(folder, "rev-parse", "HEAD").decode().strip() if done.returncode == 0 else ""
        finally:
            self.git("worktree", "remove", "--force", "--force", str(folder))


def _modify(path: str, content: Content) -> bytes:
    mode, body = content if isinstance(content, tuple) else ("100644", content)
    raw = body.encode() if isinstance(body, str) else body
    name = b'"%s"' % b"".join(_escaped(byte) for byte in path.encode("utf-8", "surrogateescape"))
    if mode == "160000":
        return b"M 160000 %s %s\n" % (raw, name)
    return b"M %s inline %s\ndata %d\n%s\n" % (mode.encode(), name, len(raw), raw)


def _escaped(byte: int) -> bytes:
    return bytes([byte]) if 32 <= byte < 127 and byte not in b'"\\' else b"\\%03o" % byte
