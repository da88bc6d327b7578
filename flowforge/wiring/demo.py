"""The demo's world: a service in a temporary folder, a bare repository with a history of its own, and its checks.

Claims are looked up where they are true or not: in the remote's refs, reflog and objects, and in the stages' rows.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from flowforge.api.models import JobDetail, JobIn, RepositoryIn
from flowforge.cli.client import Client
from flowforge.cli.demo import Claim, Say, Story
from flowforge.cli.server import Server
from flowforge.core.errors import Reason, Refused
from flowforge.git.command import Door, Git
from flowforge.sandbox.choose import choose_sandbox
from flowforge.settings import read_settings
from flowforge.wiring.scenario import DANGEROUS, fast_import, shop
from flowforge.wiring.up import Service, service

_DISCOUNTS, _ROUNDING = "discounts", "rounding"
_MODEL = "scripted"
_REFUSED = "brings a call that runs text as code, which no side has"  # of the dangerous answer


@dataclass(frozen=True, kw_only=True)
class Before:
    """The remote as it was before a story."""

    tip: str
    moves: int  # lines of the ref's reflog
    authors: str


@dataclass(kw_only=True)
class DemoWorld:
    running: Service
    git: Git  # of the remote
    repository: UUID
    before: Mapping[str, Before] = field(default_factory=dict)

    @property
    def server(self) -> Server:
        return Server(url=self.running.url, token=self.running.token)

    @property
    def stories(self) -> Sequence[Story]:
        return (
            Story(
                title=f"Branch {_DISCOUNTS}: conflicts that need nobody",
                text="Both sides added imports, functions and a JSON file: tests will confirm.",
                job=JobIn(repository=self.repository, branch=_DISCOUNTS, target="main", task=""),
            ),
            Story(
                title=f"Branch {_ROUNDING}: a conflict that only a model answers, and answers badly",
                text="A script plays the model here, and adds a dangerous line to its answer.",
                job=JobIn(repository=self.repository, branch=_ROUNDING, target="main", pipeline=DANGEROUS),
            ),
        )

    def check(self, story: Story, job: JobDetail) -> Sequence[Claim]:
        return self._resolved(job) if story.job.branch == _DISCOUNTS else self._refused(job)

    def parting(self) -> Sequence[Claim]:
        """Main was never touched."""
        before = self.before["main"]
        return (Claim(text="main was not touched", held=self.remote("main") == before),)

    def remote(self, branch: str) -> Before:
        """The remote's own word on a branch."""
        ref = f"refs/heads/{branch}"
        log = self.git.folder / "logs" / ref
        own = self.git.run("log", "--format=%an <%ae> %ad %s", "--date=raw", f"main..{ref}")
        return Before(
            tip=self.git.run("rev-parse", ref).decode().strip(),
            moves=len(log.read_text().splitlines()) if log.exists() else 0,
            authors=own.decode(),
        )

    def _resolved(self, job: JobDetail) -> Sequence[Claim]:
        before, after = self.before[_DISCOUNTS], self.remote(_DISCOUNTS)
        outputs = {name: value for name, value in job.outputs.items() if isinstance(value, dict)}
        tested, pushed = (outputs.get(stage, {}).get("tree", "") for stage in ("test", "push"))
        tree = self.git.run("rev-parse", f"{after.tip}^{{tree}}").decode().strip()
        cart = self.git.run("show", f"{after.tip}:shop/cart.py").decode()
        both = all(name in cart for name in ("with_tax", "discounted", "import logging", "import decimal"))
        return (
            Claim(text="the job ended: pushed", held=_reason(job) == Reason.PUSHED, found=_reason(job)),
            Claim(text="both sides' work is in the result", held=both),
            Claim(
                text="the remote's tree is the tree that was tested",
                held=tree == tested == pushed,
                found=f"{tree[:10]} pushed, {tested[:10]} tested",
            ),
            Claim(
                text="the remote's reflog shows exactly one move",
                held=after.moves == before.moves + 1,
                found=f"{after.moves - before.moves} moves",
            ),
            Claim(text="authors, dates and messages are kept", held=after.authors == before.authors),
        )

    def _refused(self, job: JobDetail) -> Sequence[Claim]:
        before, after = self.before[_ROUNDING], self.remote(_ROUNDING)
        stages = {stage.stage: stage.result for stage in job.stages}
        return (
            Claim(
                text="the job ended: refused for that line, before any test or push",
                held=_reason(job) == Reason.UNRESOLVED_CONFLICTS
                and _REFUSED in (job.ending.sentence if job.ending else "")
                and not {"test", "push"} & stages.keys(),
                found=_reason(job),
            ),
            Claim(text="the branch is where it was", held=after == before, found=after.tip[:10]),
        )


def _reason(job: JobDetail) -> str:
    return job.ending.reason if job.ending else job.state.value


@contextmanager
def start(say: Say) -> Iterator[DemoWorld]:
    """Everything in a temporary folder; nothing is left of it."""
    with tempfile.TemporaryDirectory(prefix="flowforge-demo-") as folder:
        remote = _make_remote(Path(folder) / "shop.git")
        sandboxed = _sandbox(say)
        say("starting Postgres, Redis, the API, a relay and a worker ...")
        settings = read_settings(
            data_dir=Path(folder) / "service", port=0, database_url="", redis_url="", host="127.0.0.1"
        )
        with service(settings, durable=False, more=_environment(sandboxed=sandboxed)) as running:
            say(f"the service is up at {running.url}")
            yield _world(running, remote)


def _environment(*, sandboxed: bool) -> Mapping[str, str]:
    return {
        "FLOWFORGE_GIT_PROTOCOLS": "https,ssh,file",
        "FLOWFORGE_MODEL_PROVIDER": _MODEL,
        "FLOWFORGE_SANDBOX": "auto" if sandboxed else "none",
        "FLOWFORGE_WORKER_THREADS": "1",
    }


def _world(running: Service, remote: Git) -> DemoWorld:
    with Client(Server(url=running.url, token=running.token)) as client:
        url = remote.folder.as_uri()
        known = client.add_repository(RepositoryIn(name="shop", url=url, default_branch="main"))
    world = DemoWorld(running=running, git=remote, repository=known.id)
    world.before = {branch: world.remote(branch) for branch in ("main", _DISCOUNTS, _ROUNDING)}
    return world


def _make_remote(folder: Path) -> Git:
    """The shop's bare repository, its reflogs on."""
    folder.mkdir()
    git = Git(folder=folder, door=Door())
    git.run("init", "--quiet", "--bare", "--initial-branch=main", "--template=")
    git.run("config", "core.logAllRefUpdates", "always")
    git.run("fast-import", "--quiet", stdin=fast_import(shop()))
    return git


def _sandbox(say: Say) -> bool:
    """Whether commands can be walled in here; where they cannot, what the default would do is shown."""
    try:
        choose_sandbox("auto", unique=lambda: os.urandom(4).hex(), warn=say)
    except Refused as refused:
        say(f"no sandbox here ({refused.sentence}): by default FlowForge would refuse to run tests.")
        say("this demo runs the tests of its own repository without one.")
        return False
    return True


PARTS = start
