"""Following a job while it runs: every event once, in order, from wherever a reader left off."""

import threading

from flowforge.api.models import EventOut
from tests.acceptance.house import House
from tests.acceptance.stories import apart, pipeline


def told(house: House, job: object) -> list[tuple[int, str]]:
    """What Postgres holds."""
    rows = house.truth.rows(
        "SELECT seq, kind FROM job_events WHERE job::text = %(job)s ORDER BY seq", job=job
    )
    return [(row["seq"], row["kind"]) for row in rows]


def heard(events: list[EventOut]) -> list[tuple[int, str]]:
    return [(event.seq, event.kind) for event in events]


def test_a_reader_hears_every_event_of_a_running_job_once_and_in_order(house: House) -> None:
    project = house.project()
    apart(project.repository, pipeline(test="echo started; sleep 1"))
    job = project.submit()
    events: list[EventOut] = []
    with house.client as client:
        reader = threading.Thread(target=lambda: events.extend(client.events(job.id)))
        reader.start()
        ended = house.ended(job)
        reader.join(10)
        assert not reader.is_alive()
    assert heard(events) == told(house, job.id)
    assert [event.kind for event in events[:3]] == ["job.submit", "job.validate_ok", "job.claim"]
    assert events[-1].kind == "job.succeed"
    assert [one.data["stage"] for one in events if one.kind == "stage.finished"] == [
        one.stage for one in ended.stages
    ]
    house.keeps_its_promises(job)


def test_a_reader_that_hangs_up_goes_on_behind_what_it_saw(house: House) -> None:
    project = house.project()
    apart(project.repository, pipeline(test="echo started; sleep 1"))
    job = project.submit()
    with house.client as client:
        stream = client.events(job.id)
        first = [next(stream) for _ in range(4)]
        stream.close()  # type: ignore[attr-defined]  # it is a generator
    house.began(job, "test", "started")
    with house.client as client:
        rest = list(client.events(job.id, after=first[-1].seq))
    assert heard([*first, *rest]) == told(house, job.id)


def test_the_wire_carries_numbers_and_an_ended_story_says_so(house: House) -> None:
    project = house.project()
    apart(project.repository, pipeline())
    job = project.run(task="validate-only")
    numbers = [seq for seq, _ in told(house, job.id)]
    path = f"/api/v1/jobs/{job.id}/events"
    whole = house.ask("GET", path, Accept="text/event-stream")
    assert whole.headers["Content-Type"].startswith("text/event-stream")
    ids = [line for line in whole.body.decode().splitlines() if line.startswith("id: ")]
    assert ids == [f"id: {seq}" for seq in numbers]
    part = house.ask("GET", path, Last_Event_ID=str(numbers[2]))
    assert part.body.decode().count("id: ") == len(numbers) - 3
    over = house.ask("GET", path, Last_Event_ID=str(numbers[-1]))
    assert (over.status, over.body) == (204, b"")
