"""Small worlds for real package managers, without a network: wheels, a Go proxy of files, crates beside each other."""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.gitrepo import Content

QUIET = {"UV_OFFLINE": "1", "npm_config_offline": "true", "CARGO_NET_OFFLINE": "true", "GOFLAGS": "-mod=mod"}


def folder_of(program: str, version: str = "") -> Path:
    """The folder in whose `bin` a real tool is, as an operator would name it; a skip where it is not installed.

    `version` is how its version begins, where several tools have one name.
    """
    if program == "uv":
        folder = Path(sys.executable).parent.parent
        if not (folder / "bin" / "uv").exists():
            pytest.skip("uv is not installed beside this Python")
        return folder
    if program == "cargo":
        compiler = shutil.which("rustc") or str(Path.home() / ".cargo" / "bin" / "rustc")
        try:
            said = subprocess.run(
                [compiler, "--print", "sysroot"], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("cargo is not installed")
        return Path(said.stdout.strip())
    usual = {"go": "/usr/local/go/bin"}.get(program, "/usr/local/bin")
    folders = f"{os.environ['PATH']}:{usual}".split(":")
    there = [found for folder in folders if (found := shutil.which(program, path=folder))]
    found = next((one for one in there if not version or _version_of(one).startswith(version)), None)
    if found is None:
        pytest.skip(f"{program} {version} is not installed".replace("  ", " "))
    return Path(found).resolve().parent.parent if program == "go" else Path(found).parent.parent


def _version_of(program: str) -> str:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, cwd="/")
    return said.stdout.strip()


def run_tool(
    command: str,
    files: Mapping[str, Content],
    folder: Path,
    tools: Path,
    env: Mapping[str, str] | None = None,
) -> dict[str, Content]:
    """What a person gets who runs the tool on these files: the files afterwards, all of them text or as they were."""
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else str(text).encode())
    more = {"HOME": str(folder.parent / "home"), "PATH": f"{tools / 'bin'}:/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env={**QUIET, **more, **(env or {})},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    made = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in made.items() if "node_modules" not in path.parts}


def wheel(name: str, version: str, *needs: str) -> bytes:
    """The smallest wheel that a resolver can read."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        info = f"{name}-{version}.dist-info"
        lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"]
        lines += [f"Requires-Dist: {need}\n" for need in needs]
        archive.writestr(zipfile.ZipInfo(f"{info}/METADATA"), "".join(lines))
        archive.writestr(
            zipfile.ZipInfo(f"{info}/WHEEL"),
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), "")
    return held.getvalue()


def wheels(*packages: tuple[str, str, Sequence[str]]) -> dict[str, Content]:
    return {
        f"wheels/{name}-{version}-py3-none-any.whl": wheel(name, version, *needs)
        for name, version, needs in packages
    }


def go_proxy(*modules: tuple[str, str]) -> dict[str, Content]:
    """The files of a module proxy; each module is one package with one constant."""
    made: dict[str, Content] = {}
    for path, version in modules:
        place, mod = f"proxy/{path}/@v", f"module {path}\n\ngo 1.21\n"
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w") as archive:
            archive.writestr(zipfile.ZipInfo(f"{path}@{version}/go.mod"), mod)
            archive.writestr(zipfile.ZipInfo(f"{path}@{version}/x.go"), "package x\n\nconst One = 1\n")
        made[f"{place}/list"] = f"{version}\n"
        made[f"{place}/{version}.info"] = json.dumps({"Version": version, "Time": "2024-01-01T00:00:00Z"})
        made[f"{place}/{version}.mod"] = mod
        made[f"{place}/{version}.zip"] = held.getvalue()
    return made
