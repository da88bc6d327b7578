"""Which tool writes a lockfile, as data: file names, what it is made from, the command, and what keeps it tame.

A command writes the lockfile and nothing else, keeps the versions that upstream's lockfile has wherever the merged
manifest allows, and runs no script of a package. The pipeline's `regenerate` map overrides the command; what stands
here in `env` holds for its commands, too.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from flowforge.core.conflict import Abstain
from flowforge.merge.lockfiles import reader_of
from flowforge.resolve.policy import matches

_COMPILERS = frozenset({"uv", "pip", "compile", "pip-compile"})
_OURS = frozenset(
    {"--quiet", "-q", "--no-emit-options", "--resolver=backtracking"}
)  # said already, or the default
_FLAGS = _OURS | {
    "--all-extras",
    "--allow-unsafe",
    "--generate-hashes",
    "--no-allow-unsafe",
    "--no-annotate",
    "--no-emit-index-url",
    "--no-emit-trusted-host",
    "--no-strip-extras",
    "--strip-extras",
    "--universal",
}
HEAD = 2048  # bytes of a lockfile that say whose work it is


@dataclass(frozen=True, kw_only=True)
class LockTool:
    """One row: who writes such a lockfile, and how."""

    program: str  # what must be installed where commands run
    locks: tuple[str, ...]  # names of the lockfile
    manifests: tuple[str, ...]  # names of what it is made from, in its folder or below
    command: str  # for sh, in the lockfile's folder
    env: Mapping[str, str] = field(default_factory=dict)
    offline: Mapping[str, str] = field(default_factory=dict)  # more of them, where there is no network
    head: bytes = b""  # stands in the beginning of the lockfiles that are this tool's


_NPM = {
    "npm_config_ignore_scripts": "true",
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
}
_UV = {"UV_NO_BUILD": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}

_BUNDLE = {
    "BUNDLE_FROZEN": "false",
    "BUNDLE_DISABLE_SHARED_GEMS": "true",
    "BUNDLE_SILENCE_ROOT_WARNING": "true",
}
_COMPOSER = "--no-install --no-scripts --no-plugins --no-interaction --no-progress"

TOOLS = (
    LockTool(
        program="uv",
        locks=("uv.lock",),
        manifests=("pyproject.toml",),
        command="uv lock",
        env=_UV,
        offline={"UV_OFFLINE": "1"},
    ),
    LockTool(
        program="poetry",
        locks=("poetry.lock",),
        manifests=("pyproject.toml",),
        # version 2 keeps what is locked by itself, version 1 only where it is told to
        command="if poetry lock --help | grep -q -e --no-update; then poetry lock --no-update; else poetry lock; fi",
        env={"POETRY_NO_INTERACTION": "1", "POETRY_VIRTUALENVS_CREATE": "false"},
    ),
    LockTool(
        program="npm",
        locks=("package-lock.json", "npm-shrinkwrap.json"),
        manifests=("package.json",),
        command="npm install --package-lock-only --ignore-scripts",
        env=_NPM,
        offline={"npm_config_offline": "true"},
    ),
    LockTool(
        program="pnpm",
        locks=("pnpm-lock.yaml",),
        manifests=("package.json",),
        command="pnpm install --lockfile-only --no-frozen-lockfile --ignore-scripts",
        env=_NPM,
        offline={"npm_config_offline": "true"},
    ),
    LockTool(
        program="yarn",
        locks=("yarn.lock",),
        manifests=("package.json",),
        command="yarn install --ignore-scripts --non-interactive --no-progress --ignore-engines",
        env=_NPM,
        head=b"# yarn lockfile v1",
    ),
    LockTool(
        program="yarn",
        locks=("yarn.lock",),
        manifests=("package.json",),
        command="yarn install --mode=update-lockfile",
        env={
            "YARN_ENABLE_SCRIPTS": "0",
            "YARN_ENABLE_IMMUTABLE_INSTALLS": "0",
            "YARN_ENABLE_TELEMETRY": "0",
        },
        offline={"YARN_ENABLE_NETWORK": "0"},
        head=b"__metadata:",
    ),
    LockTool(
        program="cargo",
        locks=("Cargo.lock",),
        manifests=("Cargo.toml",),
        command="cargo update --workspace",
        offline={"CARGO_NET_OFFLINE": "true"},
    ),
    LockTool(
        program="go",
        locks=("go.sum",),
        manifests=("go.mod",),
        command="go mod tidy",
        env={"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GOWORK": "off"},
        offline={"GOPROXY": "off"},
    ),
    LockTool(
        program="bundle",
        locks=("Gemfile.lock",),
        manifests=("Gemfile",),
        command="bundle lock",
        env=_BUNDLE,
        offline={"BUNDLE_RETRY": "0"},
    ),
    LockTool(
        program="bundle",
        locks=("gems.locked",),
        manifests=("gems.rb",),
        command="bundle lock",
        env=_BUNDLE,
        offline={"BUNDLE_RETRY": "0"},
    ),
    LockTool(
        program="composer",
        locks=("composer.lock",),
        manifests=("composer.json",),
        # an update of nothing keeps what is locked and adds what is not; where the manifest forbids that, all of it
        command=f"composer update none/none {_COMPOSER} || composer update {_COMPOSER}",
        env={"COMPOSER_NO_AUDIT": "1", "COMPOSER_ALLOW_SUPERUSER": "1"},
        offline={"COMPOSER_DISABLE_NETWORK": "1"},
    ),
    LockTool(
        program="pip-compile",
        locks=("*.txt",),
        manifests=(),
        # what the environment here says of indexes and builds is not to be written into the list
        command="CUSTOM_COMPILE_COMMAND={said} pip-compile --quiet --no-emit-options {flags} --output-file={lock} {manifest}",
        env={"PIP_ONLY_BINARY": ":all:"},
        offline={"PIP_NO_INDEX": "1"},
        head=b"autogenerated by pip-compile",
    ),
    LockTool(
        program="uv",
        locks=("*.txt",),
        manifests=(),
        command="UV_CUSTOM_COMPILE_COMMAND={said} uv pip compile --quiet {flags} --output-file={lock} {manifest}",
        env=_UV,
        offline={"UV_OFFLINE": "1"},
        head=b"autogenerated by uv",
    ),
)
PROGRAMS = tuple(dict.fromkeys(tool.program for tool in TOOLS))

_LOCKS = tuple(dict.fromkeys(name for tool in TOOLS for name in tool.locks))


@dataclass(frozen=True, kw_only=True)
class LockTask:
    """What to run for one lockfile."""

    program: str  # for messages
    folder: str  # of the lockfile, "" for the root; the command runs there
    command: str
    manifests: tuple[str, ...]  # names of what it is made from
    env: Mapping[str, str] = field(default_factory=dict)
    offline: Mapping[str, str] = field(default_factory=dict)


def is_lock(path: str, text: bytes, regenerate: Mapping[str, str]) -> bool:
    """Whether a file is one that a tool writes; `text` is its beginning, at least."""
    return _own_command(path, regenerate) is not None or _tool(path, text) is not None


def may_be_lock(path: str, regenerate: Mapping[str, str]) -> bool:
    """Whether a file may be one that a tool writes, as far as its name says: asked of many paths, so it is quick."""
    return matches(_LOCKS, path) or _own_command(path, regenerate) is not None


def lock_task(path: str, text: bytes, regenerate: Mapping[str, str]) -> LockTask | Abstain:
    """The command for a lockfile, of which `text` is upstream's version; why there is none, else."""
    tool, command = _tool(path, text), _own_command(path, regenerate)
    if reader_of(path) is None or (tool is None and command is None):
        return Abstain(
            why="unknown_lockfile",
            sentence=f"no tool is known that writes {path!r}, or its packages cannot be read",
        )
    manifests, made = (tool.manifests, tool.command) if tool else ((), "")
    if tool and not manifests:
        source = _source(path, text)
        if isinstance(source, Abstain) and command is None:
            return source
        manifests = () if isinstance(source, Abstain) else (source,)
    made = made.replace("{flags} ", "".join(f"{flag} " for flag in _flags(text)))
    words = {"lock": PurePosixPath(path).name, "manifest": next(iter(manifests), ""), "said": _said(text)}
    for word, name in words.items():
        made = made.replace(f"{{{word}}}", shlex.quote(name))
    return LockTask(
        program=tool.program if tool and command is None else _first_word(command or ""),
        folder=path.rpartition("/")[0],
        command=made if command is None else command,
        manifests=manifests,
        env=tool.env if tool else {},
        offline=tool.offline if tool else {},
    )


def _own_command(path: str, regenerate: Mapping[str, str]) -> str | None:
    """The pipeline's command, by the first of its globs that names the path."""
    return next((command for glob, command in regenerate.items() if matches((glob,), path)), None)


def _tool(path: str, text: bytes) -> LockTool | None:
    return next((tool for tool in TOOLS if matches(tool.locks, path) and tool.head in text[:HEAD]), None)


def _source(path: str, text: bytes) -> str | Abstain:
    """What a compiled list of requirements is made from, as its head says, where it was made without options."""
    stem, name = PurePosixPath(path).stem, PurePosixPath(path).name
    words = [word for word in _said(text).split() if word not in _COMPILERS and word not in _FLAGS]
    given = re.sub(rf"(?:-o|--output-file)[= ]{re.escape(name)}(?= |$)", "", " ".join(words)).split()
    # lines of options come from the manifest, or from settings of whoever compiled it
    if given in ([f"{stem}.in"], ["pyproject.toml"]) and not re.search(rb"^--", text[:HEAD], re.MULTILINE):
        return given[0]
    return Abstain(
        why="own_options",
        sentence=f"{path!r} was compiled with options of its own: name its command in the pipeline's `regenerate`",
    )


def _flags(text: bytes) -> tuple[str, ...]:
    """Of the command that a compiled list says, what is known to change how it is written, and to run nothing."""
    return tuple(word for word in _said(text).split() if word in _FLAGS and word not in _OURS)


def _said(text: bytes) -> str:
    """The command that a compiled list says it was made by."""
    said = re.search(rb"^#\s+((?:uv )?pip[- ]compile[^\r\n]*)", text[:HEAD], re.MULTILINE)
    return said[1].decode("utf-8", "replace").strip() if said else ""


def _first_word(command: str) -> str:
    return next(iter(command.split()), "")
