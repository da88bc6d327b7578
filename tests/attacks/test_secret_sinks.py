"""Secrets appear nowhere: every shape of one in a repository, and each that FlowForge has, at every place out of
which something can be read, kept or sent.

Two jobs on a real service. In the first, secrets stand beside conflicts, in messages of commits and in other files
of their changes, and a model resolves the conflicts; in the second, each conflict has one inside.
"""

import base64
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit

import pytest

from flowforge.git.secrets import SHAPES
from flowforge.store.admin import role_urls
from tests.acceptance.house import SECRET, House, Project, ending
from tests.acceptance.stories import pipeline, shop
from tests.attacks.canaries import PLACES, Canary, canaries
from tests.attacks.processes import Watch, recording_git
from tests.attacks.sinks import SINKS, Run, anywhere, worker_metrics
from tests.faults.conftest import standing
from tests.faults.leaks import forms
from tests.faults.site import Site, free_port
from tests.modelserver import ModelServer, Reply, model_server
from tests.unit.git.test_secrets import SAMPLES

VAULT_KEY = base64.b64encode(bytes(range(100, 132))).decode()
MODEL_KEY = "canary-5a0d77-of-the-model"
PLANTED = canaries()
AROUND = ("beside", "message", "other")
GROUPS = (
    *(tuple(SAMPLES)[n : n + 11] for n in range(0, len(SAMPLES), 11)),
    (),
)  # memory keeps of the last only
FEE = '''def fee(cents):
    """What handling costs.

{beside}
    """
{body}    return cents
'''
ADD, DOUBLE = "    cents = cents + 5\n", "    cents = cents * 2\n"
ANSWER = {
    "id": 0,
    "action": "merged",
    "text": ADD + DOUBLE,
    "kept": [],
    "dropped": [],
    "why": "both fit",
    "elsewhere": [],
}
PRINTS = (
    "env | sort; cat /proc/self/environ /proc/1/environ /proc/1/cmdline; cat docs/own.txt docs/printed.txt"
)
PRINTED = "ghp_" + "z9Yx8Wv7" * 5  # stands in a file that a test prints
SHOWN = {("api-token", "job-log")}  # a test printed it out of the repository; of tokens only a digest is kept
OWN = ("model-key", "git-login", "api-token", "vault-key", "database-url", "database-role", "redis-url")


@dataclass(kw_only=True)
class Watched(Site):
    """A site whose processes take git from a folder in which it writes down how it was started."""

    def __enter__(self) -> Self:
        git = shutil.which("git")
        assert git is not None
        self.more = {"PATH": recording_git(self.folder, git), "FLOWFORGE_KEY": VAULT_KEY}
        super().__enter__()
        return self


def own_secrets(site: Site) -> Mapping[str, str]:
    """What the service was handed, and what it made of that; a url without a password is a secret as a whole."""
    urls = role_urls(site.house.truth.database)
    return dict(
        zip(
            OWN,
            (
                MODEL_KEY,
                SECRET,
                site.house.token,
                VAULT_KEY,
                unquote(urlsplit(site.house.truth.database).password or ""),
                unquote(urlsplit(urls.app).password or ""),
                site.redis_url,
            ),
            strict=True,
        )
    )


def definition() -> str:
    text = pipeline(rungs="memory, mechanical", model="-", test=f"{PRINTS}; python3 -m unittest -q")
    return text.replace('provider: scripted, name: "-"', "provider: anthropic")


def lines(place: str, rules: Sequence[str], indent: str = "") -> str:
    said = (PLANTED[rule, place].line for rule in rules)
    return "\n".join(indent + line.replace("\n", f"\n{indent}") for line in said)


def subject(rules: Sequence[str]) -> str:
    """Of secrets, those that have one line."""
    texts = (PLANTED[rule, "subject"].text for rule in rules)
    return "".join(f" {text}" for text in texts if "\n" not in text)


def fee(rules: Sequence[str], body: str) -> str:
    return FEE.format(beside=lines("beside", rules, "    "), body=body)


def around(house: House) -> Project:
    """A branch of a few commits; each has one conflict, and secrets in its message and in another file."""
    project = house.project()
    own = "\n".join(
        (MODEL_KEY, VAULT_KEY, base64.b64encode(MODEL_KEY.encode()).decode(), SECRET, house.token)
    )
    files = {
        **shop(definition()),
        "docs/own.txt": f"{own}\n",
        "docs/printed.txt": f"{PRINTED}\n",
        **{f"shop/fee{n}.py": fee(rules, "") for n, rules in enumerate(GROUPS)},
    }
    base = tip = project.repository.commit(files, branch="main", message="Open the shop")
    added = {f"shop/fee{n}.py": fee(rules, ADD) for n, rules in enumerate(GROUPS)}
    project.repository.commit({**files, **added}, base, branch="main", message="Add handling")
    for n, rules in enumerate(GROUPS):
        files = {
            **files,
            f"shop/fee{n}.py": fee(rules, DOUBLE),
            f"docs/notes{n}.md": lines("other", rules) + "\n",
        }
        message = f"Double fee {n}{subject(rules)}\n\n{lines('message', rules)}\n"
        tip = project.repository.commit(files, tip, branch="topic", message=message)
    return project


def inside(house: House) -> Project:
    """A branch of one commit with a conflict for each shape, in a file of its own."""
    project = house.project()
    start = shop(definition())
    before = {rule: f"shop/in_{rule.replace('-', '_')}.py" for rule in SAMPLES}
    base = project.repository.commit(
        {**start, **dict.fromkeys(before.values(), "x = 1\n")}, branch="main", message="Open"
    )
    for branch, word in (("main", "there"), ("topic", "")):
        files = {path: f'x = """{word or PLANTED[rule, "hunk"].line} """\n' for rule, path in before.items()}
        project.repository.commit({**start, **files}, base, branch=branch, message=f"Say {branch}")
    return project


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with model_server() as made:
        made.key = MODEL_KEY
        made.answer(Reply(text=json.dumps({"hunks": [ANSWER]})))
        yield made


@pytest.fixture(scope="module")
def run(server: ModelServer) -> Iterator[Run]:
    settings = {
        "FLOWFORGE_MODEL_PROVIDER": "anthropic",
        "FLOWFORGE_MODEL_KEY": MODEL_KEY,
        "FLOWFORGE_MODEL_BASE_URL": server.url,
        "FLOWFORGE_LEASE_SECONDS": "15",
        "FLOWFORGE_WORKER_THREADS": "2",
        "FLOWFORGE_METRICS_PORT": str(free_port()),
    }
    with (
        standing(Watched) as site,
        site.process("worker", **settings) as worker,
        Watch(folder=site.folder) as watch,
    ):
        submitted = [one.submit() for one in (around(site.house), inside(site.house))]
        jobs = [site.house.ended(job) for job in submitted]
        metrics = worker_metrics(worker.said())
        yield Run(site=site, server=server, jobs=jobs, watch=watch, metrics=metrics)


@pytest.fixture(scope="module")
def told(run: Run) -> Mapping[str, str]:
    return {name: read(run) for name, read in SINKS.items()}


def test_the_jobs_did_what_secrets_could_come_out_of(run: Run) -> None:
    resolved, refused = run.jobs
    assert ending(resolved) == ("success", "pushed"), resolved.ending
    assert ending(refused) == ("failed", "unresolved_conflicts"), refused.ending
    assert len(run.server.messages) == len(GROUPS)
    assert len(PLANTED) == len(SAMPLES) * len(PLACES) > 30 * len(PLACES)


def test_no_place_is_empty(run: Run, told: Mapping[str, str]) -> None:
    """Looking into nothing finds nothing."""
    for name, text in told.items():
        assert len(text) > 100, (name, text)
    for table in ("conflict_resolutions", "kept_answers", "model_usage", "model_answers", "outbox"):
        assert run.rows(table), table
    for word in ("fetch", "push", "merge", "/bin/sh"):
        assert word in told["processes"]


@pytest.mark.parametrize("place", AROUND)
@pytest.mark.parametrize("rule", SAMPLES)
def test_what_stands_around_a_conflict_was_sent_with_a_mark_in_place_of_its_secret(
    told: Mapping[str, str], rule: str, place: str
) -> None:
    said = PLANTED[rule, place].said
    found = [line for line in told["requests"].splitlines() if said in line]
    assert found, "it was not sent at all"
    assert all("[redacted: " in line for line in found), found


def test_a_person_reads_what_kinds_were_not_sent(told: Mapping[str, str]) -> None:
    kinds = {shape.name for shape in SHAPES}
    accounts = [account for account in re.findall(r'"redacted":(\[.*?\])', told["rest"]) if account != "[]"]
    assert kinds == {kind for account in accounts for kind in json.loads(account)}
    assert "not sent: " in told["report"]


@pytest.mark.parametrize("sink", SINKS)
@pytest.mark.parametrize("rule", SAMPLES)
def test_a_secret_of_a_repository_appears_nowhere(told: Mapping[str, str], rule: str, sink: str) -> None:
    shown = [place for place in PLACES if in_text(PLANTED[rule, place], told[sink])]
    assert shown == []


def in_text(canary: Canary, text: str) -> bool:
    return canary.secret in text or canary.secret.encode().hex() in text


@pytest.mark.parametrize("sink", SINKS)
@pytest.mark.parametrize("name", OWN)
def test_a_secret_of_the_service_appears_nowhere(
    run: Run, told: Mapping[str, str], name: str, sink: str
) -> None:
    text = told[sink].encode()
    secret = own_secrets(run.site)[name]
    assert len(secret) > 8
    found = [form for form in forms(secret) if form in text or form.hex().encode() in text]
    assert found == ([secret.encode()] if (name, sink) in SHOWN else [])


def test_no_table_file_or_key_has_a_secret_beside_the_log_of_what_a_test_printed(run: Run) -> None:
    """Whatever it is for, and in whatever form; git's own objects hold what the repository holds."""
    words = [one.secret.encode() for one in PLANTED.values()]
    own = own_secrets(run.site)
    words += [form for name in OWN for form in forms(own[name]) if name not in {"api-token", "redis-url"}]
    assert anywhere(run, words) == []
    assert anywhere(run, [own["api-token"].encode()]) == ["log_chunks"]


def test_what_a_test_prints_of_the_repository_is_shown_and_what_it_prints_of_ours_is_not(
    told: Mapping[str, str],
) -> None:
    """Its output belongs to those who wrote it; masked are the secrets of FlowForge and of the job."""
    assert {sink for sink, text in told.items() if PRINTED in text} == {"job-log"}
    assert "***" in told["job-log"]
