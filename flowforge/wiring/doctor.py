"""The checks of `flowforge doctor`: all at once, each in a thread of its own that nobody waits for too long."""

import os
import secrets
import shutil
import stat
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flowforge.artifacts.store import known_identity
from flowforge.cli.doctor import Diagnosis, Health
from flowforge.core.errors import FlowForgeError
from flowforge.git.command import Door, Git
from flowforge.hooks.manager import discover, load_plugins
from flowforge.queues.connection import connect, speaking_to_redis
from flowforge.queues.presence import signs
from flowforge.resolve.locktools import PROGRAMS
from flowforge.sandbox.cgroup import find_groups
from flowforge.sandbox.choose import choose_sandbox, python_tools
from flowforge.sandbox.programs import find_programs
from flowforge.settings import Settings, read_settings
from flowforge.store.database import Database
from flowforge.store.examine import Examined
from flowforge.store.examine import examine as examine_database
from flowforge.wiring.postgres import find_binaries
from flowforge.wiring.redis import find_redis
from flowforge.wiring.sandbox import tool_folders

DEADLINE = 1.25  # seconds for all checks together: they run side by side
OLDEST_PYTHON, OLDEST_GIT = (3, 11), (2, 38)
LITTLE, TOO_LITTLE = 5 << 30, 256 << 20  # bytes free for mirrors and workspaces
APART = 2.0  # seconds between two clocks that nothing minds

Answer = tuple[Health, str, str]
Check = Callable[[], Answer | Mapping[str, Answer]]  # one line, or several by name


@dataclass(frozen=True, kw_only=True)
class _Slot:
    name: str
    check: Check
    answers: list[Mapping[str, Answer]]


def examine(deadline: float = DEADLINE) -> Sequence[Diagnosis]:
    """Run every check that the settings make sense for."""
    try:
        settings = read_settings()
    except FlowForgeError as error:
        wrong = Diagnosis(name="settings", health=Health.PROBLEM, found=error.sentence, fix=error.next_action)
        return [wrong, *run_checks(of_machine(), deadline)]
    fine = Diagnosis(name="settings", health=Health.OK, found="all are possible")
    return [fine, *run_checks({**of_machine(), **of_settings(settings)}, deadline)]


def run_checks(checks: Mapping[str, Check], deadline: float) -> list[Diagnosis]:
    """Run them side by side; one that does not answer in time is a problem, and is left behind."""
    slots = [_Slot(name=name, check=check, answers=[]) for name, check in checks.items()]
    threads = [threading.Thread(target=_run, args=(slot,), daemon=True) for slot in slots]
    until = time.monotonic() + deadline
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    late: Answer = (
        Health.PROBLEM,
        f"no answer within {deadline:g} s",
        "see what hangs there: a network, a disk, a server",
    )
    rows = [row for slot in slots for row in next(iter(slot.answers), {slot.name: late}).items()]
    return [Diagnosis(name=name, health=health, found=found, fix=fix) for name, (health, found, fix) in rows]


def _run(slot: _Slot) -> None:
    answer: Answer | Mapping[str, Answer]
    try:
        answer = slot.check()
    except FlowForgeError as error:
        answer = (Health.PROBLEM, error.sentence, error.next_action)
    except Exception as error:  # noqa: BLE001 (a check that fails is itself what was found)
        said = f"the check failed: {type(error).__name__}: {error}"
        answer = (Health.PROBLEM, said, "report this with the line above")
    slot.answers.append(answer if isinstance(answer, Mapping) else {slot.name: answer})


def of_machine() -> dict[str, Check]:
    """Checks that need no settings."""
    return {
        "python": check_python,
        "git": check_git,
        "plugins": check_plugins,
        "control groups": check_groups,
    }


def of_settings(settings: Settings) -> dict[str, Check]:
    database = settings.database_url.get_secret_value()
    system = settings.database_system_url.get_secret_value()
    redis = settings.redis_url.get_secret_value()
    checks: dict[str, Check] = {
        "sandbox": partial(check_sandbox, settings.sandbox),
        "lockfile tools": partial(check_lock_tools, settings),
        "data folder": partial(check_folder, settings.folder),
        "key file": partial(check_key, settings),
    }
    if database:
        checks["database"] = partial(check_database, database, workers_tell=bool(redis))
    elif system:
        checks["database"] = partial(check_system_url, system)
    else:
        checks["database"] = check_embedded_postgres
    checks["redis"] = partial(check_redis, redis) if redis else check_embedded_redis
    if redis:  # where workers say which storage they keep artifacts in
        checks["artifact storage"] = partial(check_artifacts, redis, settings.folder / "artifacts")
    return checks


def check_python() -> Answer:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Health.PROBLEM, version, "install Python 3.11 or newer"
    return Health.OK, version, ""


def check_git() -> Answer:
    said = Git(folder=Path(os.devnull), door=Door(deadline=DEADLINE)).run("version").decode().strip()
    return judge_git(said)


def judge_git(said: str) -> Answer:
    """`said` is what `git version` prints, such as "git version 2.38.1 (Apple Git-1)"."""
    words = said.removeprefix("git version ").split(".")
    number = tuple(int(word) for word in words[:2] if word.isdecimal())
    if len(number) < len(OLDEST_GIT) or number < OLDEST_GIT:
        return Health.PROBLEM, said, "install git 2.38 or newer: rebases use its merge-tree --write-tree"
    return Health.OK, said, ""


def check_plugins() -> Answer:
    registry = load_plugins(discover())
    if registry.failed:
        said = "; ".join(f"{failed.name}: {failed.sentence}" for failed in registry.failed)
        return Health.PROBLEM, f"skipped: {said}", "mend or remove it: flowforge plugins list"
    return Health.OK, f"{len(registry.plugins)} loaded, none skipped", ""


def check_groups() -> Answer:
    try:
        membership = Path("/proc/self/cgroup").read_text()
    except OSError:
        membership = ""
    groups = find_groups(Path("/sys/fs/cgroup"), membership)
    if groups.missing:
        said = "; ".join(dict.fromkeys(groups.missing.values()))
        fix = "delegate a control group to this user (systemd: Delegate=yes), or live with limits per process"
        return Health.WARNING, said, fix
    return Health.OK, f"version {groups.version}: memory, processes and processors can be limited", ""


def check_sandbox(setting: str) -> Answer:
    sandbox = choose_sandbox(
        setting,
        unique=lambda: secrets.token_hex(8),
        warn=lambda _text: None,
        tools=python_tools(Path(sys.executable)),
    )
    if setting == "none":
        return Health.WARNING, "off: commands of repositories run as this user", "set sandbox to auto"
    missing = sandbox.missing()
    if missing:
        said = "; ".join(f"{limit}: {why}" for limit, why in missing.items())
        fix = "allow control groups here, or give limits from outside (a container, a virtual machine)"
        return Health.WARNING, f"{sandbox.name} works; not held here: {said}", fix
    return Health.OK, f"{sandbox.name} works and holds every limit", ""


def check_lock_tools(settings: Settings) -> Answer:
    """Which of the tools that write lockfiles a command would find; none is needed, and none is run here."""
    found = find_programs(PROGRAMS, tool_folders(settings), walls=settings.sandbox != "none")
    missing = [name for name in PROGRAMS if name not in found]
    said = f"{', '.join(found) or 'none'}; not seen: {', '.join(missing) or 'none'}"
    if not settings.sandbox_host_network and settings.sandbox != "none":
        said += "; without network"
    return Health.OK, said, ""


def check_folder(folder: Path) -> Answer:
    """Whether it can be written, or made, and how much room there is."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Health.PROBLEM, f"{there} cannot be written", "set data_dir to a folder of this user"
    free = shutil.disk_usage(there).free
    said = f"{folder}: {free / (1 << 30):.1f} GiB free"
    if free < TOO_LITTLE:
        return Health.PROBLEM, said, "make room, or set data_dir to a larger disk"
    if free < LITTLE:
        return Health.WARNING, said, "make room: mirrors and workspaces grow with the repositories"
    return Health.OK, said, ""


def check_key(settings: Settings) -> Answer:
    path = settings.key_path
    if settings.key_provider != "local" or settings.key.get_secret_value():
        return Health.OK, "the master key comes from the settings", ""
    if not path.exists():
        return Health.OK, f"{path} is made when it is first needed", ""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Health.PROBLEM, f"{path} has mode {mode:o}: others can read it", f"chmod 600 {path}"
    return Health.OK, f"{path} is its owner's alone", ""


def check_embedded_postgres() -> Answer:
    find_binaries()
    return Health.OK, "the embedded PostgreSQL is installed; no database_url is set", ""


def check_embedded_redis() -> Answer:
    return Health.OK, f"{find_redis()}; no redis_url is set", ""


def check_system_url(url: str) -> Answer:
    database = Database(url, connections=1)
    try:
        database.ping()
    finally:
        database.close()
    return Health.OK, "answers to ff_system; migrations are seen with database_url only", ""


def check_database(url: str, *, workers_tell: bool = False) -> Mapping[str, Answer]:
    return judge_database(examine_database(url, time.time), workers_tell=workers_tell)


def judge_database(found: Examined, *, workers_tell: bool = False) -> Mapping[str, Answer]:
    """Three lines from one look: the schema, the clock, the machines that work on it.

    Where workers can tell which storage they use, `check_artifacts` says whether several machines share one.
    """
    hosts = _hosts(found.hosts, workers_tell=workers_tell)
    return {"database": _schema(found), "clock": _clock(found.clock), "worker hosts": hosts}


def _schema(found: Examined) -> Answer:
    said = f"PostgreSQL {found.version}"
    if found.pending:
        return Health.PROBLEM, f"{said} lacks {len(found.pending)} migrations", "flowforge db upgrade"
    return Health.OK, f"{said} is migrated", ""


def _clock(ahead: float) -> Answer:
    said = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} PostgreSQL"
    if abs(ahead) > APART:
        return Health.PROBLEM, said, "set both clocks by NTP: tokens and schedules go by them"
    return Health.OK, said, ""


def _hosts(hosts: Sequence[str], *, workers_tell: bool) -> Answer:
    said = (
        f"{len(hosts)} machines: {', '.join(hosts)}"
        if len(hosts) > 1
        else hosts[0]
        if hosts
        else "none at work"
    )
    if len(hosts) > 1 and not workers_tell:
        fix = "let all of them share data_dir/artifacts; with redis_url set, it is seen whether they do"
        return Health.WARNING, said, fix
    return Health.OK, said, ""


def check_artifacts(redis: str, folder: Path) -> Answer:
    workers = signs(redis, timeout=DEADLINE)
    return judge_artifacts(workers.values(), known_identity(folder), folder)


def judge_artifacts(workers: Collection[Mapping[str, object]], here: str, folder: Path) -> Answer:
    """Whether all workers that live keep artifacts in one place; `here` is the word of the store in our `folder`.

    A job goes on from what another worker left, and its log is read by the API: both lie there.
    """
    stores: dict[str, set[str]] = {}
    for worker in workers:
        stores.setdefault(str(worker.get("artifacts", "")), set()).add(str(worker.get("host", "?")))
    hosts = sorted(set().union(*stores.values()))
    said = f"{_counted(len(workers), 'worker')} on {_counted(len(hosts), 'machine')}"
    silent, known = sorted(stores.pop("", ())), set(stores)
    if len(known) > 1:
        places = " | ".join(", ".join(sorted(names)) for names in stores.values())
        found = f"{said} keep artifacts in {len(known)} places: {places}"
        answer = Health.PROBLEM, found, "put data_dir/artifacts of all of them on storage that they share"
    elif silent and len(workers) > 1:
        found = f"{said}; which storage they use is not said by those on {', '.join(silent)}"
        answer = Health.WARNING, found, "upgrade these workers, and see that all share data_dir/artifacts"
    elif here and known - {here}:
        found = f"{said} use another storage than {folder}"
        answer = Health.WARNING, found, "an API or a relay on this machine must share theirs: set data_dir"
    else:
        answer = Health.OK, f"{said}, one storage" if workers else "no worker is at work", ""
    return answer


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def check_redis(url: str) -> Answer:
    with speaking_to_redis("flowforge doctor asked"):
        connect(url, timeout=DEADLINE).ping()
    return Health.OK, "answers", ""
