"""Random documents with random edits: disjoint ones always merge to what the data says, and none is ever lost."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowforge.merge.data import DataMerge, frozen, same
from flowforge.merge.documents import FORMATS
from flowforge.merge.doubt import Doubt
from tests.unit.merge.documentcases import facts, merged

KEYS = st.sampled_from([f"k{n}" for n in range(8)])
DOCUMENT = st.dictionaries(KEYS, st.dictionaries(KEYS, st.integers(0, 9), min_size=1, max_size=5), max_size=6)
Tree = Mapping[str, Mapping[str, int]]
MERGE = DataMerge(choose=lambda *_: None, item_key=lambda _: None)


def as_yaml(tree: Tree) -> str:
    return (
        "".join(
            f"{key}:\n" + "".join(f"  {k}: {v}\n" for k, v in inner.items()) for key, inner in tree.items()
        )
        or "z: 0\n"
    )


def as_toml(tree: Tree) -> str:
    return "\n".join(
        f"[{key}]\n" + "".join(f"{k} = {v}\n" for k, v in inner.items()) for key, inner in tree.items()
    )


def as_ini(tree: Tree) -> str:
    return as_toml(tree)


def as_json(tree: Tree) -> str:
    inner = [
        f'  "{k}": {{\n' + ",\n".join(f'    "{i}": {v}' for i, v in sub.items()) + "\n  }"
        for k, sub in tree.items()
    ]
    return "{\n" + ",\n".join(inner) + "\n}\n" if inner else "{}\n"


def as_properties(tree: Tree) -> str:
    return "".join(f"{key}.{k}={v}\n" for key, inner in tree.items() for k, v in inner.items())


def as_xml(tree: Tree) -> str:
    rows = "".join(
        f'  <s id="{key}">\n' + "".join(f'    <o id="{k}">{v}</o>\n' for k, v in inner.items()) + "  </s>\n"
        for key, inner in tree.items()
    )
    return f"<a>\n{rows}</a>\n"


WRITERS = {
    "a.yaml": as_yaml,
    "a.toml": as_toml,
    "a.ini": as_ini,
    "a.json": as_json,
    "a.properties": as_properties,
    "a.xml": as_xml,
}
QUICK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)


@pytest.mark.parametrize("path", WRITERS)
@QUICK
@given(base=DOCUMENT, one=DOCUMENT, two=DOCUMENT)
def test_an_answer_says_what_the_data_of_both_sides_says_together(
    path: str, tmp_path: Path, base: Tree, one: Tree, two: Tree
) -> None:
    write, read = WRITERS[path], FORMATS[facts(path).language.id].data
    texts = [write(tree) for tree in (base, one, two)]
    text = merged(path, texts[0], texts[1], texts[2], tmp_path)
    if text == "clean" or "\n" not in text:
        return
    said = [read(part.encode(), facts(path)) for part in (*texts, text)]
    assert same(MERGE.merged(said[0], said[1], said[2]), said[3])


@pytest.mark.parametrize("path", WRITERS)
@QUICK
@given(base=DOCUMENT.filter(lambda tree: len(tree) > 1), data=st.data())
def test_edits_of_disjoint_keys_always_merge(
    path: str, tmp_path: Path, base: Tree, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(1, len(base) - 1))
    keys = list(base)
    one = {key: {**inner, "new1": 1} if key in keys[:cut] else inner for key, inner in base.items()}
    two = {key: {**inner, "new2": 2} if key in keys[cut:] else inner for key, inner in base.items()}
    write = WRITERS[path]
    text = merged(path, write(base), write(one), write(two), tmp_path)
    assert text == "clean" or (text.count("new1") == cut and text.count("new2") == len(keys) - cut), text


@pytest.mark.parametrize("path", WRITERS)
@QUICK
@given(base=DOCUMENT.filter(bool), one=st.integers(10, 19), two=st.integers(20, 29), data=st.data())
def test_one_key_with_two_values_is_never_decided(
    path: str, tmp_path: Path, base: Tree, one: int, two: int, data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(sorted(base)))
    inner = data.draw(st.sampled_from(sorted(base[key])))
    sides = [{**base, key: {**base[key], inner: value}} for value in (one, two)]
    write = WRITERS[path]
    text = merged(path, write(base), write(sides[0]), write(sides[1]), tmp_path)
    assert text == "same_key"


def test_data_merges_by_key_and_lists_in_order() -> None:
    assert MERGE.merged({"a": 1}, {"a": 1, "b": 2}, {"a": 3}) == {"a": 3, "b": 2}
    assert MERGE.merged([1, 2, 3], [0, 1, 2, 3], [1, 2, 4]) == [0, 1, 2, 4]
    assert MERGE.merged(
        {"a": [{"id": "x", "v": 1}]}, {"a": [{"id": "x", "v": 2}]}, {"a": [{"id": "x", "v": 1, "w": 1}]}
    ) == {"a": [{"id": "x", "v": 2, "w": 1}]}


@pytest.mark.parametrize(
    ("base", "one", "two"),
    [
        ({"a": 1}, {"a": 2}, {"a": 3}),
        ({"a": 1}, {}, {"a": 3}),
        ([1], [1, 2], [1, 3]),
        ({"a": 1}, {"a": True}, {"a": 2}),
        ({}, {"a": "x"}, {"a": "y"}),
    ],
)
def test_data_that_clashes_is_a_doubt(base: object, one: object, two: object) -> None:
    with pytest.raises(Doubt) as raised:
        MERGE.merged(base, one, two)
    assert raised.value.why == "clash"


def test_data_keeps_types_apart() -> None:
    assert frozen(1) != frozen(True)
    assert frozen(1) != frozen(1.0)
    assert frozen("1") != frozen(1)
    assert same({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert tomllib.loads(as_toml({"a": {"b": 1}})) == {"a": {"b": 1}}
