import pytest

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused
from flowforge.core.verdict import Finding, Level, Outcome, Verdict
from flowforge.hooks.contracts import CheckedFile, Validator
from flowforge.validate.check import run_check
from flowforge.validate.gate import RUN, decide, unknown_checks, validators_for, verdict_of

FILE = CheckedFile(path="a.py", language="python", text=b"x\n")
VALIDATORS = (
    Validator(id="z", check="syntax", load="m:f", languages=("python",)),
    Validator(id="g", check="syntax", load="m:f", languages=("go",)),
    Validator(id="a", check="markers", load="m:f"),
    Validator(id="s", check="security", load="m:f"),
)


def finding(level: Level = Level.ERROR, path: str = "a.py", **rest: object) -> Finding:
    return Finding(rule="r", level=level, message="something", path=path, **rest)  # type: ignore[arg-type]


def verdict(outcome: Outcome, path: str = "a.py", findings: tuple[Finding, ...] = ()) -> Verdict:
    return Verdict(validator="v", path=path, outcome=outcome, findings=findings, sentence="why not")


def test_validators_are_chosen_by_check_and_language_in_one_order() -> None:
    chosen = validators_for(FILE, {"syntax", "markers"}, VALIDATORS)
    assert [validator.id for validator in chosen] == ["a", "z"]
    assert chosen == validators_for(FILE, ["markers", "syntax"], reversed(VALIDATORS))


def test_a_file_of_no_known_language_gets_the_checks_for_every_file() -> None:
    unknown = CheckedFile(path="x", language="", text=b"")
    assert [v.id for v in validators_for(unknown, {"syntax", "markers"}, VALIDATORS)] == ["a"]


def test_a_validator_with_globs_sees_those_paths_only() -> None:
    locks = (Validator(id="l", check="syntax", load="m:f", globs=("*.lock", "go.sum")),)
    for path, seen in [("x/uv.lock", True), ("go.sum", True), ("a/go.sum", True), ("a.py", False)]:
        file = CheckedFile(path=path, language="", text=b"")
        assert bool(validators_for(file, {"syntax"}, locks)) is seen, path


def test_check_words_that_nobody_answers_to_are_named() -> None:
    assert unknown_checks(["syntax", "speling"], VALIDATORS) == ("speling",)


def test_a_validator_is_asked_by_name_with_its_own_time_limit() -> None:
    asked: list[tuple[tuple[object, ...], dict[str, float]]] = []

    def call(*words: object, **limits: float) -> object:
        asked.append((words, limits))
        return ()

    assert verdict_of(VALIDATORS[0], FILE, call).outcome is Outcome.PASS
    assert asked[0][0] == (RUN, "m:f", FILE)
    assert asked[0][1]["deadline"] == VALIDATORS[0].timeout


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((), Outcome.PASS),
        ((finding(Level.NOTE), finding(Level.WARNING)), Outcome.PASS),
        ((finding(),), Outcome.FAIL),
        ((finding(introduced=False),), Outcome.PASS),
        (None, Outcome.ERROR),
        ("fine", Outcome.ERROR),
        (True, Outcome.ERROR),
        ((finding(), "and more"), Outcome.ERROR),
        ((finding(path="other.py"),), Outcome.ERROR),
        ((finding(start=0),), Outcome.ERROR),
        ((finding(start=5, end=4),), Outcome.ERROR),
        ((finding("error"),), Outcome.ERROR),  # type: ignore[arg-type]
    ],
)
def test_an_answer_is_a_verdict_and_garbage_is_never_a_pass(answer: object, outcome: Outcome) -> None:
    assert verdict_of(VALIDATORS[0], FILE, lambda *_a, **_k: answer).outcome is outcome


@pytest.mark.parametrize(
    "error",
    [
        Broken(Reason.PLUGIN_FAILED, f"{RUN!r} raised ValueError: x"),
        Refused(Reason.TIMEOUT, "late"),
        Refused(Reason.MEMORY_LIMIT, "large"),
    ],
)
def test_a_validator_that_fails_is_an_error_that_names_it(error: FlowForgeError) -> None:
    def call(*_words: object, **_limits: float) -> object:
        raise error

    said = verdict_of(VALIDATORS[0], FILE, call)
    assert said.outcome is Outcome.ERROR
    assert RUN not in said.sentence
    assert said.sentence


def test_a_cancelled_job_has_no_verdict() -> None:
    def call(*_words: object, **_limits: float) -> object:
        raise Refused(Reason.CANCELLED, "stop")

    with pytest.raises(Refused):
        verdict_of(VALIDATORS[0], FILE, call)


def test_of_too_many_findings_the_gravest_are_kept() -> None:
    many = (*(finding(Level.NOTE) for _ in range(500)), finding())
    said = verdict_of(VALIDATORS[0], FILE, lambda *_a, **_k: many)
    assert said.outcome is Outcome.FAIL
    assert len(said.findings) == 200


def test_nothing_to_check_is_a_skip_that_passes() -> None:
    assert decide([]).passed
    assert decide([]).reason is Reason.SKIPPED


def test_all_passing_says_how_much_was_checked() -> None:
    decision = decide([verdict(Outcome.PASS), verdict(Outcome.PASS, "b.py")])
    assert decision.passed
    assert decision.sentence == "2 checks passed on 2 files"


def test_one_of_a_thing_is_no_plural() -> None:
    passed = Verdict(validator="v", path="a", outcome=Outcome.PASS)
    assert decide([passed]).sentence == "1 check passed on 1 file"


def test_a_failure_names_place_message_and_validator() -> None:
    failed = verdict(Outcome.FAIL, findings=(finding(Level.NOTE, start=1), finding(start=7, end=7)))
    decision = decide([verdict(Outcome.PASS), failed, verdict(Outcome.FAIL, findings=(finding(),))])
    assert not decision.passed
    assert decision.reason is Reason.VALIDATION_FAILED
    assert decision.sentence == "a.py:7: something [v/r] (1 more)"
    assert decision.next_action
    assert decision.counts[Outcome.FAIL] == 2


def test_an_error_outweighs_a_failure_because_a_check_is_missing() -> None:
    decision = decide([verdict(Outcome.FAIL, findings=(finding(),)), verdict(Outcome.ERROR)])
    assert decision.outcome is Outcome.ERROR
    assert "why not" in decision.sentence
    assert not decision.passed


def test_the_child_gathers_what_a_validator_yields() -> None:
    file = CheckedFile(path="f", language="", text=b"<<<<<<< x\n")
    assert len(run_check("flowforge.validate.markers:check", file)) == 1
