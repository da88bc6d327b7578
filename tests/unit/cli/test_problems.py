import httpx2
import pytest

from flowforge.api.errors import problem_of
from flowforge.cli.problems import error_of, refuse
from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary


@pytest.mark.parametrize("reason", [r for r in Reason if r not in {Reason.SERVICE_UNAVAILABLE, Reason.BUSY}])
def test_every_refusal_comes_back_as_it_was_raised(reason: Reason) -> None:
    problem = problem_of(Refused(reason, "a sentence", next_action="a step"))
    back = error_of(problem.status, problem.to_json("r"), "")
    assert back.reason is reason
    assert back.next_action == "a step"
    assert isinstance(back, Refused)


def test_a_temporary_error_keeps_its_delay() -> None:
    problem = problem_of(Temporary(Reason.MODEL_UNAVAILABLE, "later", delay=17))
    back = error_of(problem.status, problem.to_json("r"), problem.headers["Retry-After"])
    assert isinstance(back, Temporary)
    assert (back.delay, back.reason) == (17, Reason.MODEL_UNAVAILABLE)


def test_a_servers_fault_names_the_request_for_its_operator() -> None:
    problem = problem_of(ZeroDivisionError())
    back = error_of(problem.status, problem.to_json("req-9"), "")
    assert isinstance(back, Broken)
    assert back.evidence == "urn:flowforge:request:req-9"


def test_each_fault_is_in_the_sentence() -> None:
    problem = {
        "detail": "2 problems",
        "errors": [{"pointer": "#/a", "detail": "no"}, {"parameter": "b", "detail": "bad"}, 7],
    }
    assert error_of(422, problem, "").sentence == "2 problems; a: no; b: bad"


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (401, Reason.NOT_SIGNED_IN, Refused),
        (404, Reason.NOT_FOUND, Refused),
        (418, Reason.INVALID_REQUEST, Refused),
        (429, Reason.BUSY, Temporary),
        (502, Reason.INTERNAL_ERROR, Broken),
        (503, Reason.SERVICE_UNAVAILABLE, Temporary),
    ],
)
def test_an_answer_that_is_no_problem_is_read_by_its_status(
    status: int, reason: Reason, kind: type[FlowForgeError]
) -> None:
    page = httpx2.Response(status, html="<h1>a proxy's page</h1>")
    with pytest.raises(kind) as caught:
        refuse(page)
    assert caught.value.reason is reason
    assert "proxy" not in caught.value.sentence


def test_a_reason_of_a_newer_server_is_read_by_its_status() -> None:
    assert error_of(409, {"reason": "moon_phase", "detail": "d"}, "").reason is Reason.CONFLICT_OF_STATE


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b"\xff"])
def test_broken_json_is_no_second_error(body: bytes) -> None:
    answer = httpx2.Response(404, content=body, headers={"Content-Type": "application/problem+json"})
    with pytest.raises(Refused):
        refuse(answer)


def test_a_good_answer_passes() -> None:
    refuse(httpx2.Response(202))
