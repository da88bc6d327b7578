"""A git host misbehaves in every way that it can: a typed reason, another try only where one may help, no credential lost.

Each case has a server and a wire of its own in front of the same repositories, so all of them run side by side: every
job meets its fault, then everything is healed, then whatever was put off is due.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from flowforge.api.models import JobDetail, JobOut, LoginIn, RepositoryIn
from flowforge.store.admin import connected
from tests.acceptance.house import SECRET, USER, Project, ending, eventually
from tests.acceptance.stories import apart, pipeline
from tests.faults.proxy import Proxy, Trouble, through, upstream_of
from tests.faults.table import proves
from tests.faults.wired import WiredSite, all_end, handed_back, is_final
from tests.githttp import Fault, GitServer

FETCH, PUSH = "/git-upload-pack", "/git-receive-pack"
WORKER = {"FLOWFORGE_WORKER_THREADS": "4", "FLOWFORGE_GIT_TIMEOUT": "5", "FLOWFORGE_LEASE_SECONDS": "10"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """What the host does, what the job is told, and whether another try may end otherwise."""

    reason: str
    again: bool = False
    fault: Fault | None = None
    trouble: Trouble | None = None
    refused: bool = False  # nobody listens
    hook: str = ""  # the server's own word about pushes
    config: tuple[str, str] = ("", "")  # of the served repository
    person: tuple[str, ...] = ()  # what somebody does to the repository while the tests run
    words: str = ""  # that the sentence holds


UNREACHABLE, DENIED = "repository_unreachable", "authentication_failed"
CASES: Mapping[str, Case] = {
    "refused": Case(refused=True, reason=UNREACHABLE, again=True),
    "timeout": Case(fault=Fault(on=FETCH, delay=60), reason="timeout", again=True),
    "reset": Case(trouble=Trouble(do="cut", way="down", after=700), reason=UNREACHABLE, again=True),
    "401": Case(fault=Fault(status=401), reason=DENIED),
    "403": Case(fault=Fault(status=403), reason=DENIED),
    "404": Case(fault=Fault(status=404), reason="repository_missing"),
    "429": Case(fault=Fault(status=429, headers={"Retry-After": "1"}), reason=UNREACHABLE, again=True),
    "500": Case(fault=Fault(status=500), reason=UNREACHABLE, again=True),
    "one-byte-a-second": Case(fault=Fault(on=FETCH, trickle=1.0), reason="timeout", again=True),
    "throttled": Case(trouble=Trouble(do="throttle", way="down", rate=1.0), reason="timeout", again=True),
    "truncated": Case(fault=Fault(on=FETCH, truncate=200), reason=UNREACHABLE, again=True),
    "garbage": Case(fault=Fault(garbage=True), reason="repository_empty", words="leads to something else"),
    "redirect": Case(fault=Fault(redirect="another host"), reason=UNREACHABLE, words="redirect"),
    "push-403": Case(fault=Fault(on=PUSH, status=403), reason=DENIED),
    "push-500": Case(fault=Fault(on=PUSH, status=500), reason=UNREACHABLE, again=True),
    "push-429": Case(fault=Fault(on=PUSH, status=429), reason=UNREACHABLE, again=True),
    "push-reset": Case(
        trouble=Trouble(do="cut", on=(rb"POST [^ ]+git-receive-pack",)), reason=UNREACHABLE, again=True
    ),
}
REFUSALS: Mapping[str, Case] = {
    "ref-deleted": Case(
        person=("update-ref", "-d", "refs/heads/topic"), reason="remote_moved", words="moved or removed"
    ),
    "protected": Case(hook="GH006: Protected branch update failed", reason="push_rejected", words="GH006"),
    "hook-rejects": Case(hook="no pushes on Fridays", reason="push_rejected", words="no pushes on Fridays"),
    "non-fast-forward": Case(
        config=("receive.denyNonFastForwards", "true"), reason="push_rejected", words="non-fast-forward"
    ),
}


@dataclass(kw_only=True)
class Met:
    """One case on its way: its server, its wire, its job, and how both tries ended."""

    case: Case
    server: GitServer
    wire: Proxy
    project: Project
    job: JobOut
    first: Mapping[str, object] = field(default_factory=dict)
    end: JobDetail | None = None


@dataclass(frozen=True, kw_only=True)
class Story:
    met: Mapping[str, Met]
    elsewhere: GitServer  # to where redirects point

    def __getitem__(self, name: str) -> Met:
        return self.met[name]


@pytest.fixture(scope="module")
def story(wired: WiredSite) -> Iterator[Story]:
    with ExitStack() as undo:
        elsewhere = undo.enter_context(GitServer(wired.host.root))
        cases = {**CASES, **REFUSALS}
        met = {name: meet(wired, name, case, elsewhere, undo) for name, case in cases.items()}
        undo.enter_context(wired.process("worker", **WORKER))
        wired.house.began(met["ref-deleted"].job, "test", "started")
        for one in met.values():
            if one.case.person:
                one.project.repository.git(*one.case.person)
        for one in met.values():
            eventually(lambda one=one: struck(wired, one), f"{one.case} is met")  # type: ignore[misc]
            heal(one)
        due(wired)
        for one in met.values():
            (one.end,) = all_end(wired, [one.job])
        yield Story(met=met, elsewhere=elsewhere)


def meet(site: WiredSite, name: str, case: Case, elsewhere: GitServer, undo: ExitStack) -> Met:
    server = undo.enter_context(GitServer(site.host.root))
    server.users[USER] = SECRET
    wire = undo.enter_context(Proxy(upstream_of(server.base)))
    project = project_through(site, f"host-{name}", server, wire)
    test = "echo started; sleep 1" if case.person else "true"
    apart(project.repository, pipeline(test=test, require="validated"))
    if case.config[0]:
        project.repository.git("config", *case.config)
    if case.hook:
        project.reject_pushes(case.hook)
    fall_ill(case, server, wire, elsewhere)
    return Met(case=case, server=server, wire=wire, project=project, job=project.submit(max_attempts=5))


def project_through(site: WiredSite, name: str, server: GitServer, wire: Proxy) -> Project:
    repository = server.repository(name)
    login = LoginIn(username=USER, secret=SECRET)  # type: ignore[arg-type]  # pydantic wraps it
    with site.house.client as client:
        asked = RepositoryIn(
            name=name, url=through(server.url(name), wire), default_branch="main", login=login
        )
        known = client.add_repository(asked)
    return Project(house=site.house, id=known.id, repository=repository)


def fall_ill(case: Case, server: GitServer, wire: Proxy, elsewhere: GitServer) -> None:
    if case.fault is not None:
        server.fault = Fault(**vars(case.fault))
        server.fault.redirect = elsewhere.base if case.fault.redirect else ""
    if case.trouble is not None:
        wire.trouble(case.trouble)
    if case.refused:
        wire.refuse()


def heal(one: Met) -> None:
    one.server.fault = None
    one.wire.heal()
    if one.case.refused:
        one.wire.accept()


def struck(site: WiredSite, one: Met) -> bool:
    """The first try is over."""
    told = handed_back(site, [one.job])
    one.first = told[0] if told else {}
    return bool(told) or is_final(site, one.job)


def due(site: WiredSite) -> None:
    """Whatever was put off may run now: nobody here waits half a minute."""
    with connected(site.house.truth.database) as cursor:
        cursor.execute("UPDATE jobs SET run_after = NULL WHERE run_after IS NOT NULL")


def ends(one: Met) -> tuple[str, str]:
    assert one.end is not None
    return ending(one.end)


@proves("F55")
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.again])
def test_what_may_pass_is_tried_again_and_then_succeeds(story: Story, name: str) -> None:
    one = story[name]
    assert one.first.get("reason") == one.case.reason, (one.first, one.end and one.end.ending)
    assert ends(one) == ("success", "pushed"), one.end and one.end.ending
    assert one.end is not None
    assert one.end.attempts > 1
    assert len(one.project.pushes()) == 1


@proves("F55")
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.again])
def test_what_will_not_pass_is_told_and_not_tried_again(story: Story, name: str) -> None:
    one = story[name]
    assert ends(one) == ("failed", one.case.reason), one.end and one.end.ending
    assert_told(one)


@proves("F56")
@pytest.mark.parametrize("name", REFUSALS)
def test_a_push_that_is_refused_is_told_in_the_servers_words(story: Story, name: str) -> None:
    one = story[name]
    assert ends(one) == ("failed", one.case.reason), one.end and one.end.ending
    assert_told(one)


def assert_told(one: Met) -> None:
    assert one.end is not None
    assert one.end.ending is not None
    assert one.end.attempts == 1
    assert one.case.words in one.end.ending.sentence
    assert one.end.ending.next_action
    assert one.project.pushes() == []


@proves("F55")
def test_no_credential_went_where_a_redirect_pointed(story: Story) -> None:
    """It was not even followed; and the one secret is in no url that any server saw."""
    assert story.elsewhere.requests == []
    assert any(request.authorization for request in story["redirect"].server.requests) is False
    for one in story.met.values():
        assert all(SECRET not in request.path for request in one.server.requests)


@proves("F55", "F56")
def test_every_promise_is_kept_to_all_of_them(wired: WiredSite, story: Story) -> None:
    wired.keeps_its_promises(*(one.job for one in story.met.values()))
