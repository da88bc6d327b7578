import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowforge.core.conflict import Abstain, Candidate, splice
from flowforge.hooks.contracts import ResolveContext
from flowforge.merge.documents import resolve
from flowforge_plugins.languages.documents import register_languages
from tests.golden.conflictcases import conflict_of

JSON = next(language for language in register_languages() if language.id == "json")
CONTEXT = ResolveContext(language=JSON)
KEYS = st.dictionaries(st.sampled_from("abcdefghij"), st.integers(0, 3), min_size=1, max_size=6)


def text(value: object) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"


def merge(base: bytes | None, upstream: bytes, commit: bytes, folder: Path) -> bytes | str:
    conflict = conflict_of("a.json", base, upstream, commit, folder)
    if not conflict.hunks:
        return "clean"
    said = resolve(conflict, CONTEXT)
    if isinstance(said, Abstain):
        return said.why
    assert isinstance(said, Candidate)
    return splice(conflict.segments, [answer.text for answer in said.answers])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(KEYS, KEYS, KEYS)
def test_a_merged_document_holds_both_sides_changes(
    tmp_path: Path, base: dict[str, int], one: dict[str, int], two: dict[str, int]
) -> None:
    merged = merge(text(base), text(one), text(two), tmp_path)
    if isinstance(merged, str):
        return
    read = json.loads(merged)
    for key in {*base, *one, *two}:
        old, first, second = base.get(key), one.get(key), two.get(key)
        assert read.get(key) == (second if first == old else first)


def test_keys_that_both_sides_added_are_kept_in_upstreams_layout(tmp_path: Path) -> None:
    base, one, two = {"a": 1}, {"a": 1, "b": {"c": 2}}, {"a": 1, "d": [3]}
    assert merge(text(base), text(one), text(two), tmp_path) == text({"a": 1, "b": {"c": 2}, "d": [3]})


def test_both_sides_may_add_a_file_with_different_keys(tmp_path: Path) -> None:
    merged = merge(None, text({"a": 1}), text({"b": 2}), tmp_path)
    assert merged == text({"a": 1, "b": 2})


@pytest.mark.parametrize(
    ("why", "base", "upstream", "commit"),
    [
        ("same_key", text({"a": 1}), text({"a": 2}), text({"a": 3})),
        ("same_key", text({"a": 1}), text({"a": 1, "b": 2}), text({"a": 1, "b": 3})),
        ("same_key", text({"a": 1}), text({"a": 1, "b": {"x": 1}}), text({"a": 1, "b": {"y": 1}})),
        ("same_key", text([1]), text([1, 2]), text([1, 3])),
        ("deleted_and_changed", text({"a": 1, "b": 1}), text({"a": 1}), text({"a": 1, "b": 2})),
        ("duplicate", b'{\n  "a": 1\n}\n', b'{\n  "a": 1,\n  "a": 2\n}\n', b'{\n  "a": 1,\n  "b": 2\n}\n'),
        ("layout", b'{\n  "a": 1\n}\n', b'{\n    "a": 1,\n    "b": 2\n}\n', b'{\n  "a": 1,\n  "c": 2\n}\n'),
        (
            "layout",
            b'{\n  "a": 1\n}\n',
            b'{\n  "a": 1 /* n */,\n  "b": 2\n}\n',
            b'{\n  "a": 1,\n  "c": 2\n}\n',
        ),
        ("does_not_parse", b'{"a": 1\n', b'{"a": 2\n', b'{"a": 3\n'),
    ],
)
def test_every_doubt_has_its_word(
    why: str, base: bytes, upstream: bytes, commit: bytes, tmp_path: Path
) -> None:
    assert merge(base, upstream, commit, tmp_path) == why


def test_time_that_is_up_abstains(tmp_path: Path) -> None:
    conflict = conflict_of("a.json", text({"a": 1}), text({"a": 2}), text({"a": 3}), tmp_path)
    ticks = iter(range(1000))
    said = resolve(conflict, ResolveContext(language=JSON, deadline=0.5), clock=lambda: float(next(ticks)))
    assert isinstance(said, Abstain)
    assert said.why == "out_of_time"


def test_very_deep_documents_abstain(tmp_path: Path) -> None:
    def nest(value: str) -> bytes:
        return b'{"a": ' * 300 + value.encode() + b"}" * 300 + b"\n"

    assert merge(nest("1"), nest("2"), nest("3"), tmp_path) == "out_of_time"


def test_another_language_abstains(tmp_path: Path) -> None:
    conflict = conflict_of("a.json", text({"a": 1}), text({"a": 2}), text({"a": 3}), tmp_path)
    said = resolve(conflict, ResolveContext())
    assert isinstance(said, Abstain)
    assert said.why == "no_language"


@pytest.mark.parametrize(
    ("old", "new", "back"),
    [
        ("1.4.0", "1.3.9", True),
        ("1.4.0", "1.10.0", False),
        ("^1.4.0", "~1.3.0", True),
        ("1.0.0-alpha.11", "1.0.0-alpha.10", True),
        ("v2.0", "v1.9", True),
        ("1.4.0", "file:../till", False),
        ("latest", "1.0.0", False),
        ("10", "9", False),  # a bare number is no version
    ],
)
def test_a_version_that_one_side_put_back_is_a_doubt(old: str, new: str, back: bool, tmp_path: Path) -> None:
    base, one, two = {"a": old, "b": 1}, {"a": new, "b": 1}, {"a": old, "b": 2}
    for upstream, commit in ((one, two), (two, one)):
        merged = merge(text(base), text(upstream), text(commit), tmp_path)
        assert merged == ("went_back" if back else text({"a": new, "b": 2}))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(KEYS, KEYS, KEYS)
def test_both_orders_of_the_sides_hold_the_same_values(
    tmp_path: Path, base: dict[str, int], one: dict[str, int], two: dict[str, int]
) -> None:
    there, back = (merge(text(base), text(a), text(b), tmp_path) for a, b in ((one, two), (two, one)))
    if isinstance(there, bytes) and isinstance(back, bytes):
        assert json.loads(there) == json.loads(back)
