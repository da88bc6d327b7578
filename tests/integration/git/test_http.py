"""Fetch and push over http against git's own backend, with every way a host may fail."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from flowforge.core.errors import FlowForgeError, Reason, Refused, Temporary
from flowforge.git.command import Credential, Door, RemoteOperation
from flowforge.git.mirror import Mirror, open_mirror
from tests.githttp import Fault, GitServer
from tests.gitrepo import Repository

Opened = Callable[..., Mirror]
SECRET = "s3cret-t0ken-value"
BOT = Credential(username="bot", secret=SECRET)


def branches(server: GitServer) -> Repository:
    repo = server.repository("team/app")
    start = repo.commit({"a": "1\n"}, branch="main")
    repo.commit({"a": "1\n", "b": "2\n"}, start, branch="topic")
    return repo


def test_both_branches_are_fetched_and_the_command_is_recorded(
    server: GitServer, opened: Opened, recorded: list[RemoteOperation]
) -> None:
    repo = branches(server)
    tips = opened(server.url("team/app")).fetch("topic", "main")
    assert (tips.branch, tips.target) == (repo.tip("topic"), repo.tip("main"))
    assert [(op.type, op.status, op.ref) for op in recorded] == [("fetch", "ok", "refs/heads/topic")]


def test_a_credential_reaches_the_host_and_nothing_else(
    server: GitServer, opened: Opened, tmp_path: Path
) -> None:
    branches(server)
    server.users["bot"] = SECRET
    mirror = opened(server.url("team/app"), BOT)
    mirror.fetch("topic", "main")
    assert any(request.authorization for request in server.requests)
    kept = [path for path in (tmp_path / "mirrors").rglob("*") if path.is_file()]
    assert kept
    assert all(SECRET.encode() not in path.read_bytes() for path in kept)
    assert SECRET not in repr(BOT) + repr(mirror)


def test_a_missing_or_wrong_credential_is_authentication_failed_and_never_shown(
    server: GitServer, opened: Opened, recorded: list[RemoteOperation]
) -> None:
    branches(server)
    server.users["bot"] = "another"
    for credential in (None, BOT):
        with pytest.raises(Refused) as caught:
            opened(server.url("team/app"), credential).fetch("topic", "main")
        assert caught.value.reason is Reason.AUTHENTICATION_FAILED
        assert SECRET not in f"{caught.value} {caught.value.evidence} {recorded}"
    assert {op.status for op in recorded} == {"authentication_failed"}


def test_a_redirect_is_not_followed_and_the_credential_stays_home(
    server: GitServer, opened: Opened, tmp_path: Path
) -> None:
    branches(server)
    server.users["bot"] = SECRET
    with GitServer(tmp_path / "elsewhere") as thief:
        thief.repository("team/app").commit({"a": "evil\n"}, branch="main")
        server.fault = Fault(redirect=thief.base)
        with pytest.raises(FlowForgeError) as caught:
            opened(server.url("team/app"), BOT).fetch("topic", "main")
        assert caught.value.reason is Reason.REPOSITORY_UNREACHABLE
        assert thief.requests == []


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (401, Reason.AUTHENTICATION_FAILED, Refused),
        (403, Reason.AUTHENTICATION_FAILED, Refused),
        (404, Reason.REPOSITORY_MISSING, Refused),
        (410, Reason.REPOSITORY_MISSING, Refused),
        (429, Reason.REPOSITORY_UNREACHABLE, Temporary),
        (500, Reason.REPOSITORY_UNREACHABLE, Temporary),
        (503, Reason.REPOSITORY_UNREACHABLE, Temporary),
    ],
)
def test_a_status_becomes_a_typed_reason(
    server: GitServer, opened: Opened, status: int, reason: Reason, kind: type[FlowForgeError]
) -> None:
    branches(server)
    server.fault = Fault(status=status)
    with pytest.raises(kind) as caught:
        opened(server.url("team/app")).fetch("topic", "main")
    assert caught.value.reason is reason
    assert caught.value.next_action


@pytest.mark.parametrize(
    "fault",
    [
        Fault(on="/git-upload-pack", truncate=60),
        Fault(on="info/refs", truncate=30),
        Fault(garbage=True),
        Fault(on="/git-upload-pack", drop_reply=True),
    ],
    ids=["pack cut", "refs cut", "html", "reply lost"],
)
def test_a_broken_answer_may_be_tried_again_and_then_works(
    server: GitServer, opened: Opened, fault: Fault
) -> None:
    branches(server)
    mirror = opened(server.url("team/app"))
    server.fault = fault
    with pytest.raises(FlowForgeError) as caught:
        mirror.fetch("topic", "main")
    assert caught.value.reason in {Reason.REPOSITORY_UNREACHABLE, Reason.REPOSITORY_EMPTY}
    server.fault = None
    assert mirror.fetch("topic", "main").branch


def test_a_refused_connection_is_temporary(server: GitServer, opened: Opened) -> None:
    with pytest.raises(Temporary) as caught:
        opened("http://127.0.0.1:1/team/app.git").fetch("topic", "main")
    assert caught.value.reason is Reason.REPOSITORY_UNREACHABLE


def test_a_host_that_never_answers_is_cut_at_the_deadline(
    server: GitServer, tmp_path: Path, door: Door
) -> None:
    branches(server)
    server.fault = Fault(delay=20)
    hasty = replace(door, remote_deadline=0.5)
    with (
        open_mirror(tmp_path / "mirrors", server.url("team/app"), hasty) as mirror,
        pytest.raises(Temporary) as caught,
    ):
        mirror.fetch("topic", "main")
    assert caught.value.reason is Reason.TIMEOUT


def test_a_cancel_stops_a_fetch(server: GitServer, tmp_path: Path, door: Door) -> None:
    branches(server)
    server.fault = Fault(delay=20)
    impatient = replace(door, cancelled=lambda: bool(server.requests))
    with (
        open_mirror(tmp_path / "mirrors", server.url("team/app"), impatient) as mirror,
        pytest.raises(Refused) as caught,
    ):
        mirror.fetch("topic", "main")
    assert caught.value.reason is Reason.CANCELLED


def test_what_a_failed_fetch_had_begun_to_write_is_removed_at_once(server: GitServer, opened: Opened) -> None:
    """Half a pack may be all the room that the disk had, and the next job may be of another repository."""
    branches(server)
    mirror = opened(server.url("team/app"))
    mirror.fetch("topic", "main")
    half = mirror.path / "objects" / "pack" / "tmp_pack_x1y2z3"
    with pytest.raises(Refused):
        write_half(mirror, half)
    assert not half.exists()


def write_half(mirror: Mirror, half: Path) -> None:
    with mirror.writing():
        half.write_bytes(b"PACK")
        raise Refused(Reason.NO_SPACE, "the disk is full")


def test_a_commit_that_no_branch_leads_to_is_fetched_by_its_id_while_the_host_has_it(
    server: GitServer, opened: Opened, recorded: list[RemoteOperation]
) -> None:
    repo = branches(server)
    lost = repo.commit({"c": "1\n"}, repo.tip("main"), message="on no branch")
    kept = repo.commit({"c": "2\n"}, repo.tip("main"), message="on none either")
    mirror = opened(server.url("team/app"))
    assert mirror.fetch_commit(kept)
    assert mirror.has(repo.tip("main"))  # with all that lies behind it
    assert recorded[-1].sha == kept
    repo.git("gc", "-q", "--prune=now")
    assert not mirror.fetch_commit(lost)
    assert not mirror.has(lost)


def test_a_host_that_is_away_is_not_taken_for_one_that_has_lost_a_commit(
    server: GitServer, opened: Opened
) -> None:
    repo = branches(server)
    mirror = opened(server.url("team/app"))
    server.fault = Fault(status=503)
    with pytest.raises(Temporary) as caught:
        mirror.fetch_commit(repo.tip("main"))
    assert caught.value.reason is Reason.REPOSITORY_UNREACHABLE
