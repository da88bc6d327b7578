"""Work goes through JSON and back, also through that of another version."""

import json
import string

from hypothesis import given
from hypothesis import strategies as st

from flowforge.pipeline.context import ResolvedPath, Work

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ids = st.one_of(st.just(""), st.text(string.hexdigits.lower(), min_size=40, max_size=40))
many = st.lists(words, max_size=4).map(tuple)
ranges = st.lists(st.tuples(st.integers(1, 99), st.integers(1, 99)), max_size=3).map(tuple)
paths = st.builds(
    ResolvedPath, path=words, commit=ids, rungs=many, why=many, outside=words, sha256=words, ranges=ranges
)
steps = st.fixed_dictionaries(dict.fromkeys(("original", "new", "disposition", "subject", "note"), words))
works = st.builds(
    Work,
    branch=words,
    target=words,
    old_head=ids,
    upstream=ids,
    merge_base=ids,
    head=ids,
    tree=ids,
    pending=many,
    steps=st.lists(steps, max_size=4).map(tuple),
    resolved=st.lists(paths, max_size=3).map(tuple),
    validated_tree=ids,
    tested_tree=ids,
    unconfirmed=many,
    approve=many,
    notes=many,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)


@given(works)
def test_work_comes_back_from_json_as_it_was(work: Work) -> None:
    assert Work.from_json(json.loads(json.dumps(work.to_json()))) == work


@given(works, st.dictionaries(words.map("newer_{}".format), json_values, max_size=3))
def test_fields_of_a_newer_version_are_passed_over(work: Work, newer: dict[str, object]) -> None:
    data = json.loads(json.dumps(work.to_json()))
    data |= newer
    data["resolved"] = [{**row, **newer} for row in data["resolved"]]
    assert Work.from_json(data) == work


@given(works)
def test_fields_that_an_older_version_had_not_are_as_if_nothing_were_known(work: Work) -> None:
    data = json.loads(json.dumps(work.to_json()))
    for name in ("unconfirmed", "approve", "notes", "tested_tree"):
        del data[name]
    for row in data["resolved"]:
        del row["ranges"]
    old = Work.from_json(data)
    assert (old.unconfirmed, old.approve, old.notes, old.tested_tree) == ((), (), (), "")
    assert all(one.ranges == () for one in old.resolved)
    assert old.head == work.head
