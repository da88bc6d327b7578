import sys
import time

import pytest

from flowforge.core.errors import Reason, Refused
from flowforge.pipeline import conditions
from flowforge.pipeline.conditions import MAX_PATHS, Facts, check, holds

OK = {"result": "success", "reason": "done", "ok": True}


def facts(paths: tuple[str, ...] = ("src/a.py", "README.md")) -> Facts:
    return Facts(
        branch="feature/x", target="main", event="push", results={"test": OK, "a-b": OK}, paths=lambda: paths
    )


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("true", True),
        ("branch == 'feature/x'", True),
        ("branch.startsWith('feature/') && target != 'dev'", True),
        ("results.test.ok && results.test.reason == 'done'", True),
        ("results['a-b'].result == 'failure'", False),
        ("event in ['push', 'api']", True),
        ('changed("src/**")', True),
        ('changed("docs/**") || changed("*.md")', True),
        ('changed("docs/**")', False),
        ("size(paths) > 2", False),
        ("paths.exists(p, p.endsWith('.md'))", True),
        ("paths.all(path, path.contains('/'))", False),
        ("size(paths.filter(p, p.startsWith('src/'))) == 1", True),
        ("branch == 'x' ? results.test.ok : event == 'push'", True),
        ("has(results.test)", True),
    ],
)
def test_a_condition_is_true_or_false(expression: str, expected: bool) -> None:
    assert check(expression, ["test", "a-b"]) is None
    assert holds(expression, facts()) is expected


def test_paths_are_not_asked_for_where_they_are_not_needed() -> None:
    def asked() -> tuple[str, ...]:
        raise AssertionError("asked")

    assert holds("branch == 'b'", Facts(branch="b", target="t", event="e", paths=asked))


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("branch ==", "syntax"),
        ("", "syntax"),
        ("brnch == 'x'", "name"),
        ("exec('x')", "name"),
        ("results.tset.ok", "name"),
        ("branch", "type"),
        ("branch + 1 == 2", "type"),
        ("1 / 0 == 1", "type"),
        ("[1][5] == 1", "type"),
        ("9223372036854775807 + 1 == 1", "type"),
        ("int('x') == 1", "type"),
        ("paths.exists(p, p in paths)", "bound"),
        ("paths.map(p, paths).size() > 1", "bound"),
        ("[1].all(x, [2].all(y, x < y))", "bound"),
        ("paths . exists ( p , true ) && paths.\tall(p, true)", "bound"),
        ("true //\n|| paths.all(p, true)", "bound"),
        ("x" * 501, "bound"),
        ("[" * 41 + "]" * 41, "bound"),
    ],
)
def test_what_cannot_be_decided_is_known_before_it_runs(expression: str, kind: str) -> None:
    bad = check(expression, ["test"])
    assert bad is not None
    assert bad.kind == kind


def test_an_unknown_name_brings_its_column_and_what_is_known() -> None:
    bad = check("true && brnch == 'x'", [])
    assert bad is not None
    assert (bad.column, bad.name) == (9, "brnch")
    assert "branch" in bad.known


def test_a_syntax_error_brings_the_parsers_column() -> None:
    bad = check("branch == 'a' &&& true", [])
    assert bad is not None
    assert bad.column == 17


def test_a_result_that_is_missing_at_run_time_is_refused() -> None:
    with pytest.raises(Refused) as error:
        holds("results.push.ok", facts())
    assert error.value.reason is Reason.PIPELINE_INVALID
    assert "'push'" in error.value.sentence


def test_the_dearest_conditions_on_the_most_paths_stay_cheap() -> None:
    many = tuple(f"folder{n % 97}/file{n}.py" for n in range(MAX_PATHS))
    dear = "paths.all(p, " + " || ".join(f"p.contains('x{n}')" for n in range(18)) + " || changed(p) || true)"
    assert check(dear, []) is None
    started = time.process_time()
    assert holds(dear.replace(" || changed(p)", ""), facts(many)) is True
    assert time.process_time() - started < 20  # no figure to quote: a quadratic one takes hours


def test_changed_cannot_be_asked_once_a_path() -> None:
    with pytest.raises(Refused, match="may be asked 32 times"):
        holds("paths.exists(p, changed(p + 'x'))", facts(tuple(f"f{n}" for n in range(100))))


def test_more_paths_than_the_limit_are_refused() -> None:
    with pytest.raises(Refused, match="paths changed"):
        holds("size(paths) > 1", facts(("a",) * (MAX_PATHS + 1)))


def test_the_terminal_program_of_the_library_is_not_imported() -> None:
    assert holds("true", facts())
    assert "prompt_toolkit" not in sys.modules
    assert conditions.NAMES.keys() == {"results", "paths", "branch", "target", "event"}
