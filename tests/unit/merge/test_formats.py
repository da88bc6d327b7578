"""Every format: reading gives the text back, merging keeps what belongs together, and a doubt has its word."""

import json
from pathlib import Path

import pytest

from flowforge.merge.documents import FORMATS
from flowforge.merge.doubt import Doubt
from flowforge.merge.keyed import Block, Entry
from tests.unit.merge.documentcases import facts, merged

TEXTS = {
    "a.json": '// c\n{\n  "a": [1, 2], // one\n  "b": {"c": {}},\n  "d": []\n}\n',
    "a.yaml": "# top\na: 1 # x\nb: &q\n  # in\n  c: |\n    text\n\n  d: [1, 2]\n\n# e\ne:\n- x: 1\n  y: 2\n- z\nf: *q\n",
    "two.yml": "---\na: 1\n...\n---\n- b\n-   c:\n      d: 1\n",
    "a.toml": "# c\na = 1 # k\n\n[t.u] # c\nb = [\n  'x', # hi\n  'y',\n]\n# before\n[[z]]\n'n m'.c = {a=1}\n",
    "pyproject.toml": '[project]\ndependencies = ["a>=1", "b"]\n',
    "a.properties": "# c\n! d\na=1\nb : 2\nc 3\nd=4\\\n  5\n\ne\n",
    "setup.cfg": "; c\n[a]\nb = 1\nc =\n    d\n    e\n\n[options]\ninstall_requires =\n    x>=1\n    # why\n    y\n",
    "requirements.txt": "# c\na==1 # x\n-r other.txt\nb[c]>=2 ; python_version < '4'\nd==1 \\\n    --hash=sha256:0\n",
    "go.mod": "module a.b/c\n\ngo 1.20\n\nrequire (\n\tx.y/z v1.0.0 // indirect\n\t// why\n\tq.r/s v2.0.0\n)\n",
    "build.gradle": "dependencies {\n    api 'a:b:1.0' // c\n    api project(':d')\n}\n",
    "pom.xml": '<?xml version="1.0"?>\n<!-- c -->\n<a x="1">\n  <b/> <!-- d -->\n  <c>t</c>\n  <d>m<e/>n</d>\n</a>\n',
}


def printed(block: Block) -> bytes:
    parts = [block.open]
    for number, entry in enumerate(block.entries):
        last = number == len(block.entries) - 1
        parts += [entry.lead, entry.head, _value(entry), entry.tail]
        parts += [b"" if last and not block.trailing else block.between, entry.after]
    return b"".join([*parts, block.close])


def _value(entry: Entry) -> bytes:
    inner = entry.inside() if entry.inside else None
    if inner is None:
        return entry.value
    assert printed(inner) == entry.value, entry.name
    return entry.value


@pytest.mark.parametrize("path", TEXTS)
def test_reading_a_document_gives_its_text_back_at_every_depth(path: str) -> None:
    known = FORMATS[facts(path).language.id]
    assert printed(known.block(TEXTS[path].encode(), facts(path))) == TEXTS[path].encode()


@pytest.mark.parametrize("path", TEXTS)
def test_a_document_can_be_read_as_data(path: str) -> None:
    assert FORMATS[facts(path).language.id].data(TEXTS[path].encode(), facts(path))


@pytest.mark.parametrize("path", TEXTS)
@pytest.mark.parametrize(
    "text", [b"", b"\n", b"\0\0", b"\xff\xfe\0", b"{" * 500, b"<a>" * 500, b"- " * 500, b"=\n[\n"]
)
def test_hostile_texts_end_in_a_block_or_a_doubt(path: str, text: bytes) -> None:
    known = FORMATS[facts(path).language.id]
    try:
        block = known.block(text, facts(path))
    except Doubt:
        return
    assert b"".join([*(e.lead + e.body + e.after for e in block.entries), block.close]) == text


BOTH = {
    "a.json": ('{\n  "a": 1\n}\n', '{\n  "a": 1, // n\n  "b": 2\n}\n', '{\n  "a": 1,\n  "c": 2\n}\n',
               '{\n  "a": 1, // n\n  "b": 2,\n  "c": 2\n}\n'),
    "a.yaml": ("a:\n  b: 1\n", "a:\n  b: 1\n  c: 2\n", "a:\n  b: 1\n  # why\n  d: 3\n",
               "a:\n  b: 1\n  c: 2\n  # why\n  d: 3\n"),
    "tabs.yaml": ("a: 'x\ty'\nb: 1\n", "a: 'x\tz'\nb: 1\n", "a: 'x\ty'\nb: 2\n", "a: 'x\tz'\nb: 2\n"),
    "a.toml": ("[x]\na = 1\n\n[y]\nb = 1\n", "[x]\na = 2\n\n[y]\nb = 1\n", "[x]\na = 1\nc = 3\n\n[y]\nb = 1\n",
               "[x]\na = 2\nc = 3\n\n[y]\nb = 1\n"),
    "pyproject.toml": ('[project]\ndependencies = [\n  "b>=1.0",\n]\n', '[project]\ndependencies = [\n  "b>=1.2",\n]\n',
                       '[project]\ndependencies = [\n  "b>=1.1",\n  "c",\n]\n',
                       '[project]\ndependencies = [\n  "b>=1.2",\n  "c",\n]\n'),
    "Cargo.toml": ('[dependencies]\na = "1.0"\nb = "0.9.1"\n', '[dependencies]\na = "1.2"\nb = "0.9.1"\n',
                   '[dependencies]\na = "1.1"\nb = "0.9.2"\n', '[dependencies]\na = "1.2"\nb = "0.9.2"\n'),
    "a.properties": ("a=1\nb=2\n", "a=1\nb=3\n", "a=4\nb=2\n", "a=4\nb=3\n"),
    "a.ini": ("[a]\nb = 1\n", "[a]\nb = 1\n\n[c]\nd = 1\n", "[a]\nb = 1\n\n[e]\nf = 1\n",
              "[a]\nb = 1\n\n[c]\nd = 1\n\n[e]\nf = 1\n"),
    "requirements.txt": ("b==1.0\n", "a==2\nb==1.0\n", "b==1.1\n", "a==2\nb==1.1\n"),
    "go.mod": ("module a\n\nrequire x.y/z v1.0.0\n", "module a\n\ngo 1.21\n\nrequire x.y/z v1.0.0\n",
               "module a\n\nrequire x.y/z v1.1.0\n", "module a\n\ngo 1.21\n\nrequire x.y/z v1.1.0\n"),
    "build.gradle": ("api 'a:b:1.0'\napi 'a:c:1.0'\n", "api 'a:b:1.1'\napi 'a:c:1.0'\n", "api 'a:b:1.0'\napi 'a:c:1.2'\n",
                     "api 'a:b:1.1'\napi 'a:c:1.2'\n"),
    "a.xml": ('<a>\n  <b id="1" x="1"/>\n</a>\n', '<a>\n  <b id="1" x="2"/>\n</a>\n',
              '<a>\n  <b id="1" x="1"/>\n  <b id="2"/>\n</a>\n', '<a>\n  <b id="1" x="2"/>\n  <b id="2"/>\n</a>\n'),
    "pom.xml": ("<p>\n  <a>1</a>\n</p>\n", "<p>\n  <a>1</a>\n  <b>2</b>\n</p>\n", "<p>\n  <a>1</a>\n  <c>3</c>\n</p>\n",
                "<p>\n  <a>1</a>\n  <b>2</b>\n  <c>3</c>\n</p>\n"),
}  # fmt: skip


@pytest.mark.parametrize("path", BOTH)
def test_both_sides_changes_of_different_keys_are_kept(path: str, tmp_path: Path) -> None:
    base, upstream, commit, expected = BOTH[path]
    assert merged(path, base, upstream, commit, tmp_path) == expected


DOUBTS = [
    ("same_key", "a.yaml", "a: 1\n", "a: 2\n", "a: 3\n"),
    ("same_key", "a.yaml", "a: 1\n", "a: 1\nb: 1\n", "a: 1\nb: 2\n"),
    ("duplicate", "a.yaml", "a: 1\n", "a: 1\na: 2\n", "a: 1\nb: 2\n"),
    ("does_not_parse", "a.yaml", "a: [1\n", "a: [2\n", "a: [3\n"),
    ("both_replaced", "a.yaml", "a: 1\n", "b: 1\n", "c: 1\n"),
    ("line_ends", "a.yaml", "a: 1\nb: 2\n", "a: 2\nb: 2\n", "a: 1\r\nb: 3\r\n"),
    ("same_key", "a.toml", "a = 1\n", "a = 2\n", "a = 3\n"),
    ("deleted_and_changed", "a.toml", "a = 1\nb = 1\n", "b = 1\n", "a = 2\nb = 1\n"),
    ("does_not_parse", "a.toml", "a = [\n", "a = {\n", "a = '\n"),
    ("does_not_parse", "a.toml", "a = 1\n", "a = 1\nb.c = 1\n", "a = 1\n\n[b]\nd = 1\n"),
    ("same_key", "pyproject.toml", '[tool]\na = ["x"]\n', '[tool]\na = ["x", "y"]\n', '[tool]\na = ["x", "z"]\n'),
    ("same_key", "Cargo.toml", '[dependencies]\na = "^1.0"\n', '[dependencies]\na = "~1.1"\n', '[dependencies]\na = "^1.2"\n'),
    ("went_back", "a.properties", "a=1.5\nb=1\n", "a=1.4\nb=1\n", "a=1.5\nb=2\n"),
    ("duplicate", "a.properties", "a=1\n", "a=1\na=2\n", "a=1\nb=2\n"),
    ("layout", "a.ini", "x = 1\n", "x = 2\n", "x = 3\n"),
    ("same_key", "requirements.txt", "a>=1,<2\n", "a>=1.1,<2\n", "a>=1.2,<2\n"),
    ("same_place", "requirements.txt", "a==1\n", "a==1\n-r b.txt\n", "a==1\n-r c.txt\n"),
    ("does_not_parse", "go.mod", "require (\n", "require (\n\ta v1\n", "require (\n\tb v1\n"),
    ("same_key", "build.gradle", "api 'a:b:1.0'\n", "api 'a:b:1.0'\nx()\n", "api 'a:b:1.0'\ny()\n"),
    ("same_key", "a.xml", "<a>t</a>\n", "<a>u</a>\n", "<a>v</a>\n"),
    ("same_place", "a.xml", "<a>\n  <b/>\n</a>\n", "<a>\n  <b/>\n  <c/>\n</a>\n", "<a>\n  <b/>\n  <d/>\n</a>\n"),
    ("does_not_parse", "a.xml", "<a>\n", "<b>\n", "<c>\n"),
    ("layout", "a.xml", '<?xml version="1.0" encoding="latin-1"?>\n<a/>\n', '<?xml version="1.0" encoding="latin-1"?>\n<b/>\n',
     '<?xml version="1.0" encoding="latin-1"?>\n<c/>\n'),
    ("entities", "a.xml", "<!DOCTYPE a [<!ENTITY e 'x'>]>\n<a/>\n", "<!DOCTYPE a [<!ENTITY e 'x'>]>\n<b/>\n",
     "<!DOCTYPE a [<!ENTITY e 'x'>]>\n<c/>\n"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "path", "base", "upstream", "commit"), DOUBTS)
def test_a_doubt_of_a_format_has_its_word(
    why: str, path: str, base: str, upstream: str, commit: str, tmp_path: Path
) -> None:
    assert merged(path, base, upstream, commit, tmp_path) == why


def test_a_place_that_is_decided_is_answered_beside_one_that_is_not(tmp_path: Path) -> None:
    middle = "".join(f"m{n} = {n}\n" for n in range(9))
    base, one, two = (f"a = {x}\n{middle}b = 1\nc = {y}\n" for x, y in ((1, 1), (2, 1), (3, 2)))
    one = one.replace("b = 1", "b = 5")
    assert merged("a.toml", base, one, two, tmp_path) == "partly: [1]"


def test_a_file_that_both_sides_added_is_merged_by_key(tmp_path: Path) -> None:
    text = merged(
        "a.json",
        "{}\n",
        json.dumps({"a": 1}, indent=2) + "\n",
        json.dumps({"b": 1}, indent=2) + "\n",
        tmp_path,
    )
    assert text in {"layout", '{\n  "a": 1,\n  "b": 1\n}\n'}


def test_a_large_yaml_document_is_handed_back_at_once(tmp_path: Path) -> None:
    rows = "".join(f"k{n}: {n}\n" for n in range(20_000))
    assert merged("a.yaml", f"a: 1\n{rows}", f"a: 2\n{rows}", f"a: 3\n{rows}", tmp_path) == "too_large"
