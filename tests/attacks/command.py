"""The real command, run as a person runs it, and everything that it must not leave behind."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from flowforge.git.command import Door
from flowforge.git.mirror import Tips, open_mirror
from tests.gitrepo import Repository

CODES = {0, 1, 2, 3, 5, 6, 130}
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_PATIENCE = 5.0  # seconds for what is dying to be dead

BASE = {"m.py": "x = 1\n", "b.txt": "1\n2\n3\n"}
UP = {**BASE, "m.py": "x = 2\n"}


@dataclass(frozen=True, kw_only=True)
class Done:
    code: int
    out: str
    err: str
    seconds: float
    left: Sequence[str]  # command lines of processes that outlived it

    @property
    def told(self) -> Mapping[str, Any]:
        """What `--json` said: an error's fields, or how the run ended."""
        document = json.loads(self.out)
        assert isinstance(document, dict)
        found = document.get("error", document)
        assert isinstance(found, dict)
        return found


@dataclass(kw_only=True)
class Place:
    """A remote with branches `main`, `clean` and `conflict`, a data folder, and a folder for temporary things."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    @classmethod
    def made(cls, folder: Path) -> "Place":
        place = cls(folder=folder)
        repo = Repository(place.origin)
        base = repo.commit(BASE)
        repo.commit(UP, base, branch="main")
        repo.commit({**BASE, "c.txt": "c\n"}, base, branch="clean")
        repo.commit({**BASE, "m.py": "x = 3\n"}, base, branch="conflict")
        place.data.mkdir()
        place.temporary.mkdir()
        return place

    @property
    def origin(self) -> Path:
        return self.folder / "origin.git"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    @property
    def repo(self) -> Repository:
        repo = Repository.__new__(Repository)
        repo.path, repo._minute = self.origin, 100
        return repo

    @property
    def mirror(self) -> Path:
        (found,) = (self.data / "mirrors").iterdir()
        return found

    def define(self, text: str | bytes, *, commit: bool = False) -> list[str]:
        """A definition in a file (the words that name it are returned), or on the target branch."""
        data = text.encode() if isinstance(text, str) else text
        if commit:
            files = {**self.repo.files("main"), ".flowforge.yml": data}
            self.repo.commit(files, self.repo.tip("main"), branch="main")
            return []
        file = self.folder / "given.yml"
        file.write_bytes(data)
        return ["--pipeline", str(file)]

    def plug(self, text: str) -> None:
        """Install a plugin `attacker` whose module is `text`."""
        folder = self.folder / "plugins"
        info = folder / "attacker-1.dist-info"
        info.mkdir(parents=True)
        (folder / "attacker.py").write_text(text)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: attacker\nVersion: 1\n")
        (info / "entry_points.txt").write_text("[flowforge]\nattacker = attacker\n")
        self.env["PYTHONPATH"] = str(folder)

    def hook(self, name: str, text: str) -> None:
        """Give the remote a hook."""
        file = self.origin / "hooks" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    def fetched(self) -> Tips:
        """Fetch into the mirror that the command uses, as its next run will: it must be sound and free."""
        door = Door(protocols=frozenset({"file"}), deadline=10)
        with open_mirror(self.data / "mirrors", self.origin.as_uri(), door) as mirror:
            tips = mirror.fetch("clean", "main")
            assert mirror.merge_base(tips.branch, tips.target)
            return tips

    def refs(self) -> bytes:
        return self.repo.git("for-each-ref")

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        more = {"FLOWFORGE_CONFIG": str(self.folder / "none.toml"), "TMPDIR": str(self.temporary)}
        return {**kept, **more, "FLOWFORGE_DATA_DIR": str(self.data), **self.env}

    def start(self, *words: str, repository: str = "", as_json: bool = True) -> "subprocess.Popen[str]":
        argv = [sys.executable, "-m", "flowforge.wiring.main", "run", repository or str(self.origin), *words]
        return subprocess.Popen(
            [*argv, "--json"] if as_json else argv,
            env=self.environment(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str, repository: str = "", as_json: bool = True) -> Done:
        with Watched(lambda: self.start(*words, repository=repository, as_json=as_json)) as watched:
            return watched.done()

    def left_files(self) -> list[str]:
        """What lies where nothing should: temporary things, workspaces, and files in a mirror's own folder."""
        known = {"mirrors", "backups"}
        found = [str(path) for path in self.temporary.iterdir()]
        found += [str(path) for path in self.data.iterdir() if path.name not in known]
        usual = {"repository.git", "users", "fetching", "damaged"}
        mirrors = self.data / "mirrors"
        for mirror in mirrors.iterdir() if mirrors.exists() else ():
            found += [str(path) for path in mirror.iterdir() if path.name not in usual]
        return found


class Watched:
    """A process, and whatever it starts: one whose parent died becomes a child of this one, so none can hide."""

    def __init__(self, start: Callable[[], "subprocess.Popen[str]"]) -> None:
        self._start = start

    def __enter__(self) -> Self:
        self._before = children()
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
        self._begun = time.monotonic()
        self.process = self._start()
        return self

    def done(self, timeout: float = 40.0) -> Done:
        """Wait for its end, then see who outlived it."""
        out, err = self.process.communicate(timeout=timeout)
        seconds = time.monotonic() - self._begun
        return Done(code=self.process.returncode, out=out, err=err, seconds=seconds, left=self._outlived())

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._outlived()
        ctypes.CDLL(None).prctl(_SUBREAPER, 0, 0, 0, 0)

    def _outlived(self) -> list[str]:
        """Wait a moment for what is dying; what stays alive is named, and killed."""
        until = time.monotonic() + _PATIENCE
        while (left := self._alive()) and time.monotonic() < until:
            time.sleep(0.02)
        names = [command_line(pid) for pid in left]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        return names

    def _alive(self) -> set[int]:
        return {pid for pid in children() - self._before - {self.process.pid} if not reaped(pid)}


def children() -> set[int]:
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(") ")[2].split()
                if int(fields[1]) == os.getpid():
                    found.add(int(entry.name))
    return found


def reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def command_line(pid: int) -> str:
    with suppress(OSError):
        return (
            (Path("/proc") / str(pid) / "cmdline")
            .read_bytes()
            .replace(b"\0", b" ")
            .decode("utf-8", "replace")
        )
    return f"process {pid}"
