"""Find out, once, which sandbox this host can give, by trying it; refuse with the way out where it gives none."""

import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flowforge.core.errors import Reason, Refused
from flowforge.sandbox.bubblewrap import PROFILES, Profile
from flowforge.sandbox.cgroup import Groups, find_groups, sweep
from flowforge.sandbox.contract import Sandbox
from flowforge.sandbox.local import LocalSandbox, Unsandboxed

SETTINGS = ("auto", "bubblewrap", "none")
_WHERE = "/usr/local/bin:/usr/bin:/bin"
_DEADLINE = 10.0  # seconds for one try


@dataclass(frozen=True, kw_only=True)
class Host:
    """What is looked at on this machine; tests hand in others."""

    search: str = _WHERE  # where bwrap may be
    cgroups: Path = Path("/sys/fs/cgroup")
    membership: Path = Path("/proc/self/cgroup")

    def groups(self, chosen: str = "") -> Groups:
        """What can be limited here, swept of what killed workers left."""
        try:
            membership = self.membership.read_text()
        except OSError:
            membership = ""
        found = find_groups(self.cgroups, membership, chosen)
        sweep(found, time.time())
        return found


def choose_sandbox(
    setting: str,
    *,
    unique: Callable[[], str],
    warn: Callable[[str], None],
    tools: tuple[Path, ...] = (),
    host_network: bool = False,
    cgroup: str = "",
    host: Host | None = None,
) -> Sandbox:
    """Make the sandbox that `setting` asks for: `auto` or `bubblewrap` (both: walls or nothing), or `none`.

    `unique` gives a fresh name at each call, `warn` gets the loud line of `none`; `tools`, `host_network` and
    `cgroup` (a delegated control group's path) are settings of the same names.

    Raises:
        Refused: `sandbox_unavailable`, naming what to install and which setting would do without;
            `configuration` for another word.
    """
    host = host or Host()
    if setting not in SETTINGS:
        raise Refused(
            Reason.CONFIGURATION,
            f"sandbox: {setting!r} is none of {', '.join(SETTINGS)}",
            next_action="set sandbox to auto",
        )
    if setting == "none":
        return Unsandboxed(warn=warn, unique=unique, groups=host.groups(cgroup), tools=tools)
    bwrap = shutil.which("bwrap", path=host.search)
    if bwrap is None:
        raise _unavailable("bubblewrap is not installed", "install it (apt install bubblewrap)")
    return LocalSandbox(
        bwrap=bwrap,
        profile=_first_that_works(bwrap),
        groups=host.groups(cgroup),
        unique=unique,
        tools=tools,
        host_network=host_network,
    )


def python_tools(executable: Path) -> tuple[Path, ...]:
    """The folders that a virtual environment's interpreter needs to be seen: its own and its base's.

    Folders inside /usr are left out, since they are seen anyway; so is any that is not plainly an interpreter's
    own: a home folder or a project in which somebody made an environment would show far more than that.
    """
    prefix = executable.absolute().parent.parent
    found = [prefix]
    config = prefix / "pyvenv.cfg"
    if config.is_file():
        pairs = (line.partition("=") for line in config.read_text().splitlines())
        found += [Path(text.strip()).parent for name, _, text in pairs if name.strip() == "home"]
    return tuple(
        folder for folder in found if not folder.is_relative_to("/usr") and _holds_python_only(folder)
    )


def _holds_python_only(folder: Path) -> bool:
    python = (folder / "pyvenv.cfg").is_file() or any(folder.glob("lib/python3*/os.py"))
    more = (".git", ".ssh", ".profile", ".bashrc", "etc/shadow")
    return python and not any((folder / name).exists() for name in more)


def _first_that_works(bwrap: str) -> Profile:
    said = ""
    for profile in PROFILES:
        said = _try(bwrap, profile)
        if not said:
            return profile
    raise _unavailable(
        f"bubblewrap does not work here: {said}",
        "allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, "
        "kernel.apparmor_restrict_unprivileged_userns)",
    )


def _try(bwrap: str, profile: Profile) -> str:
    """What bubblewrap says against running /usr/bin/true with this profile; "" when it runs."""
    walls = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--die-with-parent", "--cap-drop", "ALL"]
    see = ["--ro-bind", "/", "/", "--proc", "/proc", "--remount-ro", "/proc"]
    try:
        ended = subprocess.run(
            [bwrap, *profile.flags, *walls, *see, "/usr/bin/true"],
            capture_output=True,
            text=True,
            timeout=_DEADLINE,
            check=False,
            env={},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (ended.stderr.strip() or f"exit status {ended.returncode}") if ended.returncode else ""


def _unavailable(what: str, remedy: str) -> Refused:
    return Refused(
        Reason.SANDBOX_UNAVAILABLE,
        f"commands of a repository cannot be run safely here: {what}",
        next_action=f"{remedy}, or set `sandbox: none` if you trust every repository that is run here",
    )
