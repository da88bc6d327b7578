"""Credentials reach the git host and nothing else: no table, log, event, answer or file holds them."""

import json

from tests.acceptance.house import SECRET, House, ending
from tests.acceptance.stories import apart, pipeline
from tests.faults.leaks import files_with, forms, tables_with

WRONG = "canary-91b7-a-wrong-word"


def answers(house: House, *paths: str) -> bytes:
    return b"".join(house.ask("GET", path).body for path in paths)


def test_a_wrong_password_ends_the_job_and_is_kept_nowhere(house: House) -> None:
    project = house.project(secret=WRONG)
    apart(project.repository, pipeline())
    job = project.run()
    assert ending(job) == ("failed", "authentication_failed")
    assert job.ending is not None
    assert job.ending.next_action
    seen = answers(
        house,
        f"/api/v1/jobs/{job.id}",
        f"/api/v1/jobs/{job.id}/logs",
        f"/api/v1/jobs/{job.id}/events",
        "/api/v1/jobs",
        f"/api/v1/repositories/{project.id}",
        "/api/v1/repositories",
    )
    assert str(job.id).encode() in seen
    for word in forms(WRONG):
        assert word not in seen
    assert tables_with(house.truth, forms(WRONG)) == []
    assert files_with(house.truth.data, forms(WRONG)) == []


def test_a_right_password_opens_the_repository_and_is_kept_nowhere(house: House) -> None:
    project = house.project()
    apart(project.repository, pipeline(test="env | sort; ls -la / /proc/self/fd; cat /proc/self/environ"))
    job = project.run()
    assert ending(job) == ("success", "pushed")
    asked = [one for one in house.host.requests if project.repository.path.stem in one.path]
    assert any(one.authorization.startswith("Basic ") for one in asked)  # it did cross the wire
    assert "PATH=" in house.log(job)
    seen = answers(house, f"/api/v1/jobs/{job.id}", f"/api/v1/jobs/{job.id}/logs?limit=1000000")
    for word in forms(SECRET):
        assert word not in seen
    assert tables_with(house.truth, forms(SECRET)) == []
    assert files_with(house.truth.data, forms(SECRET)) == []
    operations = house.truth.rows(
        "SELECT url, type FROM git_operations WHERE job::text = %(job)s", job=job.id
    )
    assert {one["type"] for one in operations} >= {"fetch", "push"}
    assert "@" not in json.dumps([one["url"] for one in operations])


def test_the_search_for_secrets_finds_what_is_there(house: House) -> None:
    """The two tests above could otherwise pass by looking nowhere."""
    project = house.project()
    name = project.repository.path.stem
    assert "repositories" in tables_with(house.truth, {name.encode()})
    (house.truth.data / "planted").write_text(f"x{SECRET}x")
    assert files_with(house.truth.data, forms(SECRET)) == [str(house.truth.data / "planted")]
    (house.truth.data / "planted").unlink()
