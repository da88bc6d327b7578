"""One side's text for paths that a pipeline names, and nowhere else."""

import pytest

from flowforge.core.conflict import Candidate, Conflict, Hunk, HunkAnswer, Kind, Side, resolve_with
from flowforge.resolve.fallback import RUNG, Fallback, told
from flowforge.resolve.ladder import Rung, climb
from flowforge.resolve.policy import Action, Paths, Policy

HUNKS = (
    Hunk(index=0, base=b"a\n", upstream=b"a1\n", commit=b"a2\n", line=1),
    Hunk(index=1, base=b"b\n", upstream=b"b1\n", commit=b"b2\n", line=9),
)
DOCS = Fallback(upstream=("docs/api/**",), commit=("CHANGES.txt",), hand_back=("docs/api/manual.md",))


def conflict(path: str, kind: Kind = Kind.CONTENT) -> Conflict:
    segments = (b"", HUNKS[0], b"between\n", HUNKS[1], b"") if kind is Kind.CONTENT else ()
    return Conflict(path=path, kind=kind, base=None, upstream=None, commit=None, segments=segments)


def climbed(path: str, fallback: Fallback = DOCS, paths: Paths = Paths(), *more: Rung) -> object:  # noqa: B008 (frozen)
    policy = Policy(otherwise=Action.ACT, actions={}, paths=paths)
    answers = climb([conflict(path)], (*more, *fallback.rungs(paths)), policy)
    return answers.resolutions[0] if answers.resolutions else None


@pytest.mark.parametrize(
    ("path", "side"),
    [
        ("docs/api/x.md", Side.UPSTREAM),
        ("docs/api/deep/er.md", Side.UPSTREAM),
        ("CHANGES.txt", Side.COMMIT),
        ("docs/api/manual.md", None),
        ("src/a.py", None),
        ("docs/guide.md", None),
    ],
)
def test_only_named_paths_have_one(path: str, side: Side | None) -> None:
    assert DOCS.side(path) is side


def test_a_path_of_both_sides_has_a_person() -> None:
    assert Fallback(upstream=("*.md",), commit=("docs/**",)).side("docs/a.md") is None


def test_without_named_paths_there_is_no_step() -> None:
    assert Fallback(hand_back=("x",)).rungs(Paths()) == ()


@pytest.mark.parametrize(
    ("path", "text"),
    [("docs/api/x.md", b"a1\nbetween\nb1\n"), ("CHANGES.txt", b"a2\nbetween\nb2\n"), ("src/a.py", None)],
)
def test_a_side_is_taken_hunk_by_hunk_and_what_git_merged_stays(path: str, text: bytes | None) -> None:
    made = climbed(path)
    assert (made.result if made else None) == text  # type: ignore[attr-defined]


def test_it_is_a_proposal_even_where_everything_may_act() -> None:
    made = climbed("docs/api/x.md")
    assert [answer.confirmed for answer in made.answers] == [False, False]  # type: ignore[attr-defined]
    assert {(answer.rung, answer.rule) for answer in made.answers} == {(RUNG, "upstream")}  # type: ignore[attr-defined]
    assert "what the commit changed in this place is not in it" in made.answers[0].why  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "paths",
    [
        Paths(never=("docs/**",)),
        Paths(ask=("docs/**",)),
        Paths(protected=("docs/**",)),
    ],
)
def test_where_a_person_decides_there_is_no_fallback(paths: Paths) -> None:
    assert climbed("docs/api/x.md", DOCS, paths) is None


def test_a_rung_that_has_an_answer_goes_first() -> None:
    def ask(open_: Conflict) -> Candidate:
        answer = HunkAnswer(index=0, text=b"better\n", rung="one", rule="r", why="w")
        assert open_.hunks
        return Candidate(answers=(answer,))

    made = climbed("docs/api/x.md", DOCS, Paths(), Rung(name="one", resolver="one", ask=ask))
    assert made.result == b"better\nbetween\nb1\n"  # type: ignore[attr-defined]
    assert [answer.rung for answer in made.answers] == ["one", RUNG]  # type: ignore[attr-defined]


def test_what_has_no_hunks_goes_to_a_person() -> None:
    answers = climb([conflict("docs/api/x.md", Kind.MODIFY_DELETE)], DOCS.rungs(Paths()), Policy())
    assert not answers.resolutions


def test_it_is_told_loudly_and_only_where_it_decided() -> None:
    made = climbed("docs/api/x.md")
    sentence = told(made)  # type: ignore[arg-type]
    assert sentence.startswith("FALLBACK: nobody and nothing decided 2 places of docs/api/x.md")
    assert "what the commit changed is lost" in sentence
    plain = [HunkAnswer(index=hunk.index, text=b"", rung="one", rule="r", why="w") for hunk in HUNKS]
    assert told(resolve_with(conflict("x"), plain)) == ""
