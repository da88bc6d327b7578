from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.hooks.contracts import Language
from flowforge.merge.entities import Piece, Role, file_body, identify, open_piece
from flowforge.merge.syntax import parse
from flowforge_plugins.languages.go import register_languages as go
from flowforge_plugins.languages.java import register_languages as java
from flowforge_plugins.languages.javascript import register_languages as javascript
from flowforge_plugins.languages.python import register_languages as python
from flowforge_plugins.languages.typescript import register_languages as typescript

PYTHON, GO, JAVA, JAVASCRIPT, TYPESCRIPT = (f()[0] for f in (python, go, java, javascript, typescript))


def pieces(text: str, language: Language = PYTHON) -> Sequence[Piece]:
    return file_body(parse(text.encode(), language)).pieces


def keys(text: str, language: Language = PYTHON) -> list[tuple[str, str]]:
    return [(p.key[0], p.key[1].decode()) for p in pieces(text, language) if p.role is not Role.PLAIN]


def inside(text: str, language: Language, name: str) -> list[tuple[str, str]]:
    body = next(open_piece(p) for p in pieces(text, language) if p.key[1].decode() == name)
    assert body is not None
    return [(p.key[0], p.key[1].decode()) for p in body.pieces if p.role is not Role.PLAIN]


SAMPLES = [
    (
        PYTHON,
        "import os\n\n\n# why\n@dec\ndef f():\n    pass\n\n\nclass A:\n    x = 1\n\n    def g(self): ...\n",
    ),
    (PYTHON, "a = 1; b = 2\nif a:\n    pass\n# end\n"),
    (GO, 'package a\n\nimport (\n\t"fmt"\n)\n\nfunc F() {}\n\ntype (\n\tA int\n)\n'),
    (
        JAVA,
        "package a;\n\nimport b.C;\n\n/** Doc. */\nclass D {\n\n    int x;\n\n    void f() {\n    }\n\n}\n",
    ),
    (JAVASCRIPT, "import a from 'a';\n\nexport class B {\n  c() {}\n}\n\nd.e = function () {};\n"),
    (TYPESCRIPT, "@Dec()\nexport class B {\n  @In() c: string;\n}\n\nexport type D = string;\n"),
]


@pytest.mark.parametrize(("language", "text"), SAMPLES)
def test_pieces_cover_their_file_without_a_gap(language: Language, text: str) -> None:
    body = file_body(parse(text.encode(), language))
    assert b"".join(p.lead + p.text for p in body.pieces) + body.tail == text.encode()


@pytest.mark.parametrize(("language", "text"), SAMPLES)
def test_an_opened_piece_covers_itself_without_a_gap(language: Language, text: str) -> None:
    for piece in pieces(text, language):
        body = open_piece(piece)
        if body is not None:
            inner = b"".join(p.lead + p.text for p in body.pieces) + body.tail
            assert body.header.text + inner + body.footer.text == piece.text


def test_python_entities_are_known_by_kind_and_name() -> None:
    assert keys(SAMPLES[0][1]) == [("import", "import os"), ("function", "f"), ("class", "A")]
    assert inside(SAMPLES[0][1], PYTHON, "A") == [("variable", "x"), ("function", "g")]


def test_a_decorator_and_the_comment_before_it_travel_with_the_function() -> None:
    function = pieces(SAMPLES[0][1])[1]
    assert function.text.startswith(b"# why\n@dec\ndef f")
    assert function.lead == b"\n\n"


def test_a_comment_with_a_blank_line_after_it_stands_for_itself() -> None:
    roles = [p.role for p in pieces("# about the file\n\ndef f(): ...\n")]
    assert roles == [Role.PLAIN, Role.ENTITY]


def test_statements_that_share_a_line_are_one_plain_piece() -> None:
    first = pieces(SAMPLES[1][1])[0]
    assert (first.role, first.text) == (Role.PLAIN, b"a = 1; b = 2\n")


def test_the_go_import_block_is_known_by_being_one_not_by_its_content() -> None:
    one = pieces('package a\n\nimport (\n\t"fmt"\n)\n', GO)[1]
    two = pieces('package a\n\nimport (\n\t"fmt"\n\t"os"\n)\n', GO)[1]
    assert one.key == two.key
    assert inside('package a\n\nimport (\n\tx "fmt"\n)\n', GO, "") == [("import", '"fmt"')]


def test_methods_of_two_go_types_differ_by_receiver() -> None:
    base, *rows = (
        pieces(f"package a\n{t}", GO) for t in ("", *(f"\nfunc (x *{t}) Close() {{}}\n" for t in "AB"))
    )
    _, one, two = identify(base, *rows)
    assert one[1].key != two[1].key


def test_a_name_that_is_unique_everywhere_keeps_its_key_when_its_parameters_change() -> None:
    texts = [f"class A {{\n    void f({p}) {{}}\n}}\n" for p in ("int a", "int a, int b", "int a")]
    rows = [open_piece(pieces(text, JAVA)[0]).pieces for text in texts]  # type: ignore[union-attr]
    assert len({row[0].key for row in identify(*rows)}) == 1


def test_overloads_are_told_apart_by_their_parameters() -> None:
    text = "class A {\n    void f(int a) {}\n    void f(String a) {}\n}\n"
    row = open_piece(pieces(text, JAVA)[0]).pieces  # type: ignore[union-attr]
    (found,) = identify(row)
    assert len({piece.key for piece in found}) == 2


def test_namesakes_without_a_signature_are_counted() -> None:
    text = "class T:\n    @property\n    def x(self): ...\n    @x.setter\n    def x(self, v): ...\n"
    row = open_piece(pieces(text)[0]).pieces  # type: ignore[union-attr]
    (found,) = identify(row)
    assert len({piece.key for piece in found}) == 2


def test_exports_and_assigned_functions_are_entities() -> None:
    assert keys(SAMPLES[4][1], JAVASCRIPT) == [("import", "'a'"), ("class", "B"), ("assignment", "d.e")]


def test_typescript_decorators_belong_to_what_they_decorate() -> None:
    assert pieces(SAMPLES[5][1], TYPESCRIPT)[0].text.startswith(b"@Dec()\nexport class B")
    assert inside(SAMPLES[5][1], TYPESCRIPT, "B") == [("field", "c")]


def test_a_container_on_one_line_is_not_opened() -> None:
    assert open_piece(pieces("class A: x = 1\n")[0]) is None
    assert open_piece(pieces("class A { int x; }\n", JAVA)[0]) is None


@pytest.mark.parametrize(
    ("language", "text", "known"),
    [
        (PYTHON, "@dec(1)\n@two\nclass A(B):\n    pass\n", [("class", "A")]),
        (PYTHON, "async def f():\n    pass\n", [("function", "f")]),
        (PYTHON, "x: int = 1\ny += 2\n", [("variable", "x")]),
        (PYTHON, "if a:\n    def f(): ...\n", []),
        (JAVASCRIPT, "export default function f() {}\n", [("function", "f")]),
        (JAVASCRIPT, "export default class A {}\n", [("class", "A")]),
        (JAVASCRIPT, "export { a, b };\n", []),
        (JAVASCRIPT, "const a = 1, b = 2;\n", [("variable", "a")]),
        (JAVASCRIPT, "it('adds', () => {\n});\n", [("call", "'adds'")]),
        (JAVASCRIPT, "app.get('/', function () {\n});\n", [("call", "'/'")]),
        (JAVASCRIPT, "log('adds');\n", []),
        (TYPESCRIPT, "export abstract class A {}\n", [("class", "A")]),
        (TYPESCRIPT, "export enum A { B }\n", [("enum", "A")]),
        (TYPESCRIPT, "function f(a: string): void;\n", [("function", "f")]),
        (GO, "package a\n\ntype A = B\n", [("type", "A")]),
        (GO, "package a\n\nfunc (a *A) F() {}\n", [("method", "F")]),
        (GO, "package a\n\nvar (\n\tx = 1\n)\n", [("variables", "")]),
        (GO, "package a\n\nconst X = 1\n", [("constant", "X")]),
        (JAVA, "@A\npublic final class B {}\n", [("class", "B")]),
        (JAVA, "record P(int x) {}\n", [("class", "P")]),
        (JAVA, "import static a.B.*;\n", [("import", "import static a.B.*;")]),
    ],
)
def test_what_is_an_entity_and_what_it_is_called(
    language: Language, text: str, known: list[tuple[str, str]]
) -> None:
    assert keys(text, language) == known


@pytest.mark.parametrize(
    ("language", "text", "name", "members"),
    [
        (PYTHON, "class A:\n    class B:\n        x = 1\n\n    def f(self): ...\n", "A",
         [("class", "B"), ("function", "f")]),
        (JAVA, "class A {\n    class B {\n    }\n\n    A() {\n    }\n\n    static {\n    }\n}\n", "A",
         [("class", "B"), ("constructor", "A"), ("initializer", "")]),
        (JAVA, "enum A {\n    B,\n    C\n}\n", "A", [("constant", "B"), ("constant", "C")]),
        (JAVASCRIPT, "class A {\n  get b() {}\n  set b(c) {}\n  static d() {}\n  #e = 1;\n}\n", "A",
         [("method", "b"), ("method", "b"), ("method", "d"), ("field", "#e")]),
        (TYPESCRIPT, "interface A {\n  b: string;\n  c(): void;\n}\n", "A", [("field", "b"), ("method", "c")]),
        (GO, "package a\n\ntype (\n\tA int\n\tB = A\n)\n", "", [("type", "A")]),
    ],
)  # fmt: skip
def test_members_of_a_container(
    language: Language, text: str, name: str, members: list[tuple[str, str]]
) -> None:
    found = inside(text, language, name)
    assert [member for member in found if member in members] == members


@pytest.mark.parametrize(
    ("language", "text", "ordered"),
    [
        (PYTHON, "def f(): ...\n", False),
        (PYTHON, "x = 1\n", True),
        (PYTHON, "run()\n", True),
        (JAVASCRIPT, "it('a', () => {\n});\n", False),
        (JAVASCRIPT, "app.get('a', () => {\n});\n", True),
        (TYPESCRIPT, "describe('a', function () {\n});\n", False),
        (TYPESCRIPT, "function f(a: string): void;\n", True),
        (GO, "const X = 1\n", True),
        (JAVA, "class A {}\n", False),
    ],
)
def test_which_entities_keep_their_place(language: Language, text: str, ordered: bool) -> None:
    assert pieces(text, language)[-1].ordered is ordered


PARTS = st.lists(
    st.sampled_from(
        ["import os\n", "# why\n", "\n", "x = 1\n", "x = 1; y = 2\n", "@dec\n", "def f():\n    pass\n",
         "class A:\n    x = 1\n\n    # end\n", "    oops\n", "if a:\r\n    b()\r\n", '"""text\n"""\n', "f("]
    ),
    max_size=8,
).map("".join)  # fmt: skip


@given(PARTS)
def test_pieces_cover_any_text_without_a_gap(text: str) -> None:
    body = file_body(parse(text.encode(), PYTHON))
    assert b"".join(p.lead + p.text for p in body.pieces) + body.tail == text.encode()


@given(PARTS)
def test_every_opened_piece_covers_itself(text: str) -> None:
    for piece in pieces(text):
        body = open_piece(piece)
        if body is not None:
            inner = b"".join(p.lead + p.text for p in body.pieces) + body.tail
            assert body.header.text + inner + body.footer.text == piece.text


@given(PARTS, PARTS)
def test_keys_are_unique_within_a_version(one: str, two: str) -> None:
    for row in identify(pieces(one), pieces(one), pieces(two)):
        named = [piece.key for piece in row if piece.role is not Role.PLAIN]
        assert len(named) == len(set(named))


@given(PARTS)
def test_a_version_gets_the_same_keys_as_itself(text: str) -> None:
    first, second = identify(pieces(text), pieces(text))
    assert [piece.key for piece in first] == [piece.key for piece in second]
