import pytest

from flowforge.pipeline.document import Unreadable, kind_of, read_document


def plain(text: str) -> object:
    return read_document(text.encode(), "x.yml").plain()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("on", "on"), ("no", "no"), ("yes", "yes"), ("y", "y"), ("true", True), ("FALSE", False),
        ("null", None), ("~", None), ("", None), ("'null'", "null"), ('"1"', "1"),
        ("12", 12), ("-3", -3), ("+3", 3), ("010", 10), ("0o10", 8), ("0x1F", 31), ("1_000", "1_000"), ("0b11", "0b11"),
        ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("-.inf", float("-inf")), (".INF", float("inf")),
        ("2026-11-23", "2026-11-23"), ("12:30", "12:30"), ("1.2.3", "1.2.3"), ("=", "="),
        ("|\n  a\n  b\n", "a\nb\n"), (">\n  a\n  b\n", "a b\n"),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(written: str, meant: object) -> None:
    assert plain(f"key: {written}\n") == {"key": meant}


def test_not_a_number_is_read_too() -> None:
    assert str(plain("key: .NaN\n")) == "{'key': nan}"


def test_lists_and_mappings_nest_in_both_styles() -> None:
    assert plain("a:\n  - b: [1, {c: d}]\n  - {}\n  - []\n") == {"a": [{"b": [1, {"c": "d"}]}, {}, []]}


def test_keys_are_always_text() -> None:
    assert plain("1: a\ntrue: b\nnull: c\n") == {"1": "a", "true": "b", "null": "c"}


def test_every_node_and_key_knows_its_place() -> None:
    root = read_document(b"a: 1\nb:\n  - c: x\n", "x.yml")
    inner = root.children("b")[0]
    assert (root.at("b").line, root.at("b").column) == (2, 1)
    assert (inner.mark.line, inner.mark.column) == (3, 5)
    value = inner.get("c")
    assert value is not None
    assert (value.mark.line, value.mark.column) == (3, 8)
    assert (root.at("missing").line, root.at("missing").path) == (1, "x.yml")


def test_text_is_empty_where_there_is_none() -> None:
    root = read_document(b"a: 1\nb: x\n", "x.yml")
    assert (root.text("a"), root.text("b"), root.text("c")) == ("", "x", "")


def test_kinds_are_said_in_words() -> None:
    root = read_document(b"a: {}\nb: []\nc: 1\nd: true\ne: x\nf: ~\n", "x.yml")
    said = {key: kind_of(node) for key, node in (root.entries or {}).items()}
    assert said == {
        "a": "a mapping", "b": "a list", "c": "a number", "d": "true or false", "e": "text", "f": "nothing",
    }  # fmt: skip


def test_a_place_is_counted_in_characters_and_lines() -> None:
    with pytest.raises(Unreadable) as error:
        read_document("a: \u00e4\nb: \u00e4 \x07\n".encode(), "x.yml")
    mark = error.value.problem.mark
    assert (mark.line, mark.column) == (2, 6)


def test_twenty_deep_is_allowed() -> None:
    assert plain("a: " + "[" * 19 + "]" * 19) != {}
