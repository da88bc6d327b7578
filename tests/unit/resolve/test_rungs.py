import pytest

from flowforge.core.conflict import Abstain, Candidate, Conflict, HunkAnswer
from flowforge.hooks.contracts import Language, ResolveContext, Resolver
from flowforge.hooks.manager import Registry
from flowforge.resolve.ladder import Need, Rung
from flowforge.resolve.rungs import language_of, plan_rungs
from tests.unit.resolve.test_ladder import conflict

REGISTRY = Registry(
    languages={"python": Language(id="python", globs=("*.py",)), "go": Language(id="go", globs=("*.go",))},
    resolvers={
        "a-news": Resolver(name="a-news", rung="mechanical", load="x:y", globs=("NEWS*",)),
        "plain": Resolver(name="plain", rung="mechanical", load="x:y"),
        "tree": Resolver(name="tree", rung="structural", load="x:y"),
    },
)


def nothing(_resolver: Resolver, _conflict: Conflict, _context: ResolveContext) -> Candidate | Abstain:
    return Abstain(why="unsure", sentence="no")


def test_rungs_stand_in_the_pipelines_order_and_general_rules_before_special_ones() -> None:
    rungs = plan_rungs(REGISTRY, ["structural", "mechanical"], nothing)
    assert [rung.resolver for rung in rungs] == ["tree", "plain", "a-news"]


def test_a_word_that_nothing_answers_to_adds_no_rung() -> None:
    assert plan_rungs(REGISTRY, ["lockfile"], nothing) == ()


def test_the_pipelines_own_rung_stands_where_its_word_stands() -> None:
    model = Rung(name="model", resolver="model", ask=lambda _: Candidate(answers=()))
    rungs = plan_rungs(REGISTRY, ["model", "structural"], nothing, own={"model": model})
    assert [rung.name for rung in rungs] == ["model", "structural"]


def test_a_resolver_with_globs_covers_only_these() -> None:
    news = plan_rungs(REGISTRY, ["mechanical"], nothing)[1]
    assert news.covers("docs/NEWS.md")
    assert not news.covers("a.py")


def test_the_structural_rung_needs_all_sides() -> None:
    assert plan_rungs(REGISTRY, ["structural"], nothing)[0].needs == frozenset({Need.ALL_SIDES})


def test_a_resolver_is_called_with_the_files_language_and_the_deadline() -> None:
    seen: list[tuple[str, ResolveContext]] = []

    def call(resolver: Resolver, _: Conflict, context: ResolveContext) -> Candidate | Abstain:
        seen.append((resolver.name, context))
        return Candidate(answers=(HunkAnswer(index=0, text=b"", rung="r", rule="r", why="w"),))

    rung = plan_rungs(REGISTRY, ["structural"], call, others={"a": b"b"}, deadline=2.0)[0]
    rung.ask(conflict("src/a.py"))
    ((name, context),) = seen
    assert (name, context.deadline, context.others) == ("tree", 2.0, {"a": b"b"})
    assert context.language is REGISTRY.languages["python"]


@pytest.mark.parametrize(("path", "found"), [("a/b.py", "python"), ("b.go", "go"), ("b.txt", None)])
def test_the_language_of_a_path(path: str, found: str | None) -> None:
    language = language_of(path, REGISTRY.languages.values())
    assert (language.id if language else None) == found
