"""Conflicts from three texts: git's own merge, parsed as the pipeline parses it."""

import subprocess
from pathlib import Path

from flowforge.core.conflict import Conflict, Kind, Version, parse_segments


def merge_file(base: bytes, upstream: bytes, commit: bytes, folder: Path, *, size: int = 7) -> bytes:
    """Git's merged text in diff3 style, conflicts and all."""
    names = ("upstream", "base", "commit")
    for name, text in zip(names, (upstream, base, commit), strict=True):
        (folder / name).write_bytes(text)
    argv = ["git", "merge-file", "-p", "--diff3", f"--marker-size={size}", *names]
    done = subprocess.run(argv, cwd=folder, capture_output=True, check=False)
    assert done.returncode < 128, done.stderr
    return done.stdout


def conflict_of(path: str, base: bytes | None, upstream: bytes, commit: bytes, folder: Path) -> Conflict:
    """The conflict that git makes of three texts; without hunks where git merges them by itself."""
    merged = merge_file(base or b"", upstream, commit, folder)

    def version(text: bytes) -> Version:
        return Version(path=path, mode="100644", oid="0" * 40, content=text)

    return Conflict(
        path=path,
        kind=Kind.CONTENT if base is not None else Kind.ADD_ADD,
        base=version(base) if base is not None else None,
        upstream=version(upstream),
        commit=version(commit),
        segments=parse_segments(merged, 7),
    )


def texts_of(folder: Path) -> dict[str, bytes]:
    """The texts of a golden case, by the word that names the file."""
    return {file.stem: file.read_bytes() for file in folder.iterdir() if file.name != "path.txt"}


def path_of(folder: Path) -> str:
    """The path under which a golden case is merged."""
    told = folder / "path.txt"
    return told.read_text().strip() if told.exists() else next(folder.glob("base.*")).name
