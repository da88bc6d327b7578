"""Every built-in validator through the suite that strangers' validators are tested with."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from flowforge.core.verdict import Level, Outcome, Verdict
from flowforge.hooks.contracts import CheckedFile, Neighbour, Validator
from flowforge.hooks.manager import discover, load_plugins
from flowforge.sandbox.pool import Pool
from flowforge.testing import PluginContract, ValidatorContract
from flowforge.validate.gate import decide, verdict_of
from flowforge.validate.introduced import checked_file
from flowforge_plugins.validators import trees
from tests.golden.rungs import shipped_languages

VALIDATORS = load_plugins(discover()).validators
TESTED: set[str] = set()


def of(identity: str) -> Validator:
    TESTED.add(identity)
    return VALIDATORS[identity]


def newly(path: str, language: str, text: bytes, side: bytes = b"") -> CheckedFile:
    """A file that was `side` everywhere before."""
    return checked_file(path, language, text, base=side, upstream=side, commit=side)


class TestTheModule(PluginContract):
    module = "flowforge_plugins.validators.builtin"


class TestMarkers(ValidatorContract):
    validator = of("markers")
    good = (newly("a.py", "python", b"x\n"), newly("a.md", "", b"Title\n=======\n"))
    bad = (newly("a.py", "python", b"<<<<<<< x\na\n=======\nb\n>>>>>>> y\n"),)


class TestProvenance(ValidatorContract):
    validator = of("provenance")
    good = (newly("a.py", "python", b"x\n", b"x\n"), newly("a.py", "python", b"wholly new\n"))
    bad = (
        checked_file("a", "", b"a\nnew\n", base=b"a\n", upstream=b"a\n", commit=b"a\n", resolved=((1, 1),)),
    )


class TestPython(ValidatorContract):
    validator = of("python")
    good = (
        newly("a.py", "python", b"def f() -> None:\n    return\n"),
        newly("a.py", "python", b"# -*- coding: latin-1 -*-\nx = '\xe9'\n"),
        newly("old.py", "python", b"print 'two'\n", b"print 'one'\n"),  # broken before: told, not failed
        newly("bom.py", "python", b"\xef\xbb\xbfx = 1\n"),
    )
    bad = (
        newly("a.py", "python", b"def f(:\n"),
        newly("a.py", "python", b"return 1\n"),
        newly("a.py", "python", b"x = 1\0\n"),
        newly("a.py", "python", b"if x:\n\ty\n        z\n"),
        newly("a.py", "python", b"x = '\xe9'\n"),
    )


class TestJson(ValidatorContract):
    validator = of("json")
    good = (newly("a.json", "json", b'{"a": 1}\n'), newly("tsconfig.json", "json", b"{//c\n}", b"{//\n}"))
    bad = (
        newly("a.json", "json", b'{"a": 1,}\n'),
        newly("a.json", "json", b'{"a": 1, "a": 2}\n', b'{"a": 1}\n'),
        newly("a.json", "json", b'{"a": 1} {"b": 2}'),
        newly("a.json", "json", b"[" * 100_000),
        newly("a.json", "json", b"", b"{}"),
    )


class TestToml(ValidatorContract):
    validator = of("toml")
    good = (newly("a.toml", "toml", b"[a]\r\nb = 1\r\n"),)
    bad = (newly("a.toml", "toml", b"a = 1\na = 2\n"), newly("a.toml", "toml", b"[a\n"))


class TestYaml(ValidatorContract):
    validator = of("yaml")
    good = (
        newly("a.yml", "yaml", b"a: !Ref b\n---\non: x\n"),
        newly("chart.yaml", "yaml", b"{{ if }}\n{{ a }}", b"{{ if }}\n{{ b }}"),
    )
    bad = (
        newly("a.yml", "yaml", b"a: 1\na: 2\n", b"a: 1\n"),
        newly("a.yml", "yaml", b"a: [1\nb: 2\n"),
        newly("a.yml", "yaml", b"a:\n\t- b\n"),
    )


class TestTrees(ValidatorContract):
    validator = of("trees")
    good = (
        newly("a.go", "go", b"package a\n\nfunc f() {}\n"),
        newly("A.java", "java", b"class A { void f() {} }\n"),
        newly("a.js", "javascript", b"export const f = () => 1\n"),
        newly("a.ts", "typescript", b"const a: number = 1\n"),
        newly("a.tsx", "tsx", b"const a = <A b={1} />\n"),
        newly("a.sh", "bash", b'f() {\n  echo "$1"\n}\n'),
        newly("a.c", "c", b"int f(void)\n{\n\treturn 1;\n}\n"),
        newly("a.h", "cpp", b"class A {\npublic:\n    int f() const;\n};\n"),
        newly("A.cs", "csharp", b"class A { int F() => 1; }\n"),
        newly("a.css", "css", b".a { color: red; }\n"),
        newly("A.kt", "kotlin", b"class A {\n    fun f() = 1\n}\n"),
        newly("a.php", "php", b"<?php\nfunction f() { return 1; }\n"),
        newly("a.rb", "ruby", b"class A\n  def f; end\nend\n"),
        newly("a.rs", "rust", b"fn f() -> u8 { 1 }\n"),
        newly("A.scala", "scala", b"class A { def f = 1 }\n"),
        newly("b.go", "go", b"func {\n}\n", b"func {\n"),  # broken before: told, not failed
    )
    bad = (
        newly("a.go", "go", b"package a\n\nfunc f( {}\n"),
        newly("A.java", "java", b"class A { void f( }\n"),
        newly("a.js", "javascript", b"function f( {\n"),
        newly("a.ts", "typescript", b"const a: = 1\n"),
        newly("a.tsx", "tsx", b"const a = <A b={1} >\n"),
        newly("a.sh", "bash", b"f() {\n  echo\n"),
        newly("a.c", "c", b"int f(void)\n{\n\treturn 1;\n"),
        newly("a.h", "cpp", b"class A {\npublic:\n    int f( const;\n};\n"),
        newly("A.cs", "csharp", b"class A { int F() => ; \n"),
        newly("a.css", "css", b".a { color: red;\n"),
        newly("A.kt", "kotlin", b"class A { fun f( = 1 }\n"),
        newly("a.php", "php", b"<?php\nfunction f() { return 1;\n"),
        newly("a.rb", "ruby", b"class A\n  def f; end\n"),
        newly("a.rs", "rust", b"fn f() -> u8 { 1\n"),
        newly("A.scala", "scala", b"class A { def f = \n"),
    )


def test_every_language_of_code_has_a_syntax_check_by_the_grammar_that_merges_it() -> None:
    code = {found.id: found.grammar for found in shipped_languages() if found.entities and not found.document}
    checked = {name: ":".join(grammar) for name, grammar in trees.GRAMMARS.items()}
    assert checked.keys() == set(of("trees").languages)
    assert {name: grammar for name, grammar in code.items() if name != "python"} == checked


LOST = checked_file(
    "a.py",
    "python",
    b"def f():\n    return os.getpid()\n",
    base=b"import os\ndef f():\n    return 1\n",
    upstream=b"def f():\n    return 1\n",  # the import was unused there, and taken out
    commit=b"import os\ndef f():\n    return os.getpid()\n",  # and here it came to be used
)


def merged(
    path: str,
    language: str,
    text: str,
    *,
    base: str,
    upstream: str,
    commit: str,
    related: tuple[Neighbour, ...] = (),
) -> CheckedFile:
    sides = {"base": base.encode(), "upstream": upstream.encode(), "commit": commit.encode()}
    return replace(checked_file(path, language, text.encode(), **sides), related=related)


def beside(path: str, base: str, upstream: str | None, commit: str | None, text: str | None) -> Neighbour:
    """Another file of the change."""
    texts = [None if one is None else one.encode() for one in (base, upstream, commit, text)]
    return Neighbour(path=path, base=texts[0], upstream=texts[1], commit=texts[2], text=texts[3])


PY_BASE = "import os\n\n\ndef total(rows):\n    return sum(rows)\n\n\ndef show():\n    return os.sep\n"
PY_RENAMED = PY_BASE.replace("total", "sum_all")
PY_USES = PY_BASE + "\n\ndef twice(rows):\n    return 2 * total(rows)\n"
PY_BOTH = PY_USES.replace("def total", "def sum_all")


class TestNames(ValidatorContract):
    validator = of("names")
    good = (
        newly("a.py", "python", b"import os\nos.x\n"),
        newly("a.py", "python", b"magic()\n", b"magic()\n"),
        newly("a.py", "python", b"def (\n"),
        newly("a.py", "python", b"def f(): pass\ndef f(): pass\n"),  # told, not failed
        merged("a.py", "python", PY_USES, base=PY_BASE, upstream=PY_BASE, commit=PY_USES),
        merged("a.py", "python", "x = (", base="x = 1\n", upstream="x = (", commit="x = 2\n"),
    )
    bad = (
        LOST,
        newly("a.py", "python", b"x = y\n"),
        merged("a.py", "python", PY_BOTH, base=PY_BASE, upstream=PY_RENAMED, commit=PY_USES),
        merged(  # a parameter more, and a new call without it
            "a.py",
            "python",
            PY_USES.replace("total(rows):", "total(rows, start):"),
            base=PY_BASE,
            upstream=PY_BASE.replace("total(rows):", "total(rows, start):"),
            commit=PY_USES,
        ),
    )

    def test_the_line_of_a_lost_name_stands_in_a_side_and_fails_all_the_same(self) -> None:
        assert LOST.introduced == frozenset()
        assert [(f.rule, f.start) for f in self.check(LOST)] == [("lost-name", 2)]

    def test_the_side_that_renamed_it_is_named_with_the_new_name_and_the_lines(self) -> None:
        (found,) = self.check(self.bad[2])
        assert found.start == 13
        assert found.message == (
            "'total' is used but no longer defined: upstream renamed it to 'sum_all' at its line 4"
            " (line 4 of the base), the commit still has it at its line 4"
        )

    def test_a_definition_that_merging_doubled_is_told(self) -> None:
        doubled = newly("a.py", "python", b"def f(): pass\ndef f(): pass\n", b"def f(): pass\n")
        assert [(f.rule, f.level) for f in self.check(doubled)] == [("double-definition", Level.WARNING)]

    def test_an_import_whose_uses_both_sides_took_away_is_told(self) -> None:
        base = "import os\n\na = os.sep\n\n\n\n\nb = os.sep\n"
        upstream, commit = base.replace("a = os.sep", "a = 1"), base.replace("b = os.sep", "b = 1")
        text = "import os\n\na = 1\n\n\n\n\nb = 1\n"
        (found,) = self.check(merged("a.py", "python", text, base=base, upstream=upstream, commit=commit))
        assert (found.rule, found.level, found.start) == ("unused-import", Level.WARNING, 1)
        assert "upstream and the commit used it" in found.message

    @pytest.mark.parametrize(
        ("definition", "call", "fits"),
        [
            ("def f(a, b=1):", "f(1)", True),
            ("def f(a, b=1):", "f()", False),
            ("def f(a, b=1):", "f(1, 2, 3)", False),
            ("def f(a, *rest):", "f(1, 2, 3)", True),
            ("def f(a, *, b):", "f(1)", False),
            ("def f(a, *, b):", "f(1, b=2)", True),
            ("def f(a):", "f(1, c=2)", False),
            ("def f(a, **more):", "f(1, c=2)", True),
            ("def f(a):", "f(*rows)", True),
            ("def f(a):", "f(**rows)", True),
            ("def f(a):", "f(1, a=2)", False),
            ("@wrapped\ndef f(a):", "f()", True),
            ("def f(a, /):", "f(a=1)", False),
        ],
    )
    def test_a_call_is_held_against_the_parameters(self, definition: str, call: str, fits: bool) -> None:
        side = "rows = []\nwrapped = print\n"
        text = f"{side}{definition}\n    pass\n\n\n{call}\n"
        found = self.check(merged("a.py", "python", text, base=side, upstream=side, commit=side))
        assert [f.rule for f in found] == ([] if fits else ["misfit-call"])

    def test_a_name_that_is_bound_twice_is_not_held_against_a_call(self) -> None:
        text = "def f(a):\n    pass\n\n\nf = print\nf()\n"
        assert "misfit-call" not in {f.rule for f in self.check(newly("a.py", "python", text.encode()))}


GO = 'package a\n\nimport (\n\t"fmt"\n\t"os"\n)\n\nfunc show() {\n\tfmt.Println(os.Args)\n}\n\nfunc sum(a, b int) int {\n\treturn a + b\n}\n'
GO_LESS = GO.replace('\t"os"\n', "").replace("os.Args", "1")
GO_MORE = GO + "\nfunc exit() {\n\tos.Exit(sum(1, 2))\n}\n"


class TestGoNames(ValidatorContract):
    validator = of("go-names")
    good = (
        merged("a.go", "go", GO_MORE, base=GO, upstream=GO, commit=GO_MORE),
        merged(
            "a.go", "go", "package a\n\nfunc f() int { return other() }\n", base="", upstream="", commit=""
        ),
        newly("a.go", "go", b"func {"),
    )
    bad = (
        merged(
            "a.go", "go", GO_LESS + GO_MORE[len(GO) :], base=GO, upstream=GO_LESS, commit=GO_MORE
        ),  # an import that the commit's new lines use
        merged("a.go", "go", GO.replace("os.Args", "1"), base=GO, upstream=GO, commit=GO),  # left unused
        merged("a.go", "go", GO + GO[GO.index("func sum") :], base=GO, upstream=GO, commit=GO),
        merged(
            "a.go",
            "go",
            GO_MORE.replace("a, b int", "a, b, c int"),
            base=GO,
            upstream=GO.replace("a, b int", "a, b, c int"),
            commit=GO_MORE,
        ),
    )

    def test_each_trouble_has_its_word(self) -> None:
        rules = [[f.rule for f in self.check(file)] for file in self.bad]
        assert rules == [["lost-name"], ["unused-import"], ["double-definition"], ["misfit-call"]]

    def test_the_cause_is_told_by_both_sides_lines(self) -> None:
        (found,) = self.check(self.bad[0])
        assert (
            "upstream removed it (line 5 of the base), the commit still has it at its line 5" in found.message
        )


JAVA = """package a;

import java.util.List;

class Till {
    private int sum(int a, int b) { return a + b; }

    List<String> names() { return null; }
}
"""
JAVA_LESS = JAVA.replace("import java.util.List;\n\n", "").replace(
    "    List<String> names() { return null; }\n", ""
)
JAVA_MORE = JAVA.replace("null; }\n", "null; }\n\n    List<String> more() { return null; }\n")


class TestJavaNames(ValidatorContract):
    validator = of("java-names")
    good = (
        merged("A.java", "java", JAVA_MORE, base=JAVA, upstream=JAVA, commit=JAVA_MORE),
        newly("A.java", "java", b"class {"),
    )
    bad = (
        merged(
            "A.java",
            "java",
            JAVA_LESS.replace("a + b; }\n", "a + b; }\n\n    List<String> more() { return null; }\n"),
            base=JAVA,
            upstream=JAVA_LESS,
            commit=JAVA_MORE,
        ),
        newly(
            "A.java",
            "java",
            JAVA.replace("null; }\n", "null; }\n    int x() { return sum(1); }\n").encode(),
            JAVA.encode(),
        ),
        newly(
            "A.java",
            "java",
            JAVA.replace("null; }\n", "null; }\n    int sum(int c, int d) { return 1; }\n").encode(),
            JAVA.encode(),
        ),
    )

    def test_each_trouble_has_its_word(self) -> None:
        rules = [[f.rule for f in self.check(file)] for file in self.bad]
        assert rules == [["lost-name"], ["misfit-call"], ["double-definition"]]

    def test_an_overload_is_no_second_definition_and_takes_its_own_arguments(self) -> None:
        text = JAVA.replace("null; }\n", "null; }\n    int sum(int c) { return sum(1) + sum(1, 2); }\n")
        assert not self.check(newly("A.java", "java", text.encode(), JAVA.encode()))

    def test_what_may_be_inherited_is_no_more_than_told(self) -> None:
        base = "class A extends B {\n    int x;\n    int get() { return x; }\n}\n"
        upstream = "class A extends B {\n    int get() { return 1; }\n}\n"
        commit = base.replace("return x; }\n", "return x; }\n    int two() { return x; }\n")
        text = upstream.replace("return 1; }\n", "return 1; }\n    int two() { return x; }\n")
        (found,) = self.check(merged("A.java", "java", text, base=base, upstream=upstream, commit=commit))
        assert (found.rule, found.level) == ("lost-name", Level.WARNING)


JS = "import { open, shut } from './door';\n\nconst LIMIT = 3;\n\nexport function both() {\n  open();\n  shut(LIMIT);\n}\n"
JS_LESS = JS.replace("open, shut", "shut").replace("  open();\n", "")
JS_MORE = JS + "\nexport function again() {\n  open();\n}\n"
TS = "function sum(a: number, b?: number): number {\n  return a;\n}\n"


class TestScriptNames(ValidatorContract):
    validator = of("script-names")
    good = (
        merged("a.js", "javascript", JS_MORE, base=JS, upstream=JS, commit=JS_MORE),
        newly("a.ts", "typescript", (TS + "sum(1);\nsum(1, 2);\n").encode(), TS.encode()),
        newly("a.js", "javascript", b"function f(a) {}\nf(1, 2);\n"),  # JavaScript takes any number
        newly(
            "a.tsx",
            "tsx",
            b"const A = () => <div id='x'><B.C /></div>;\n",
            b"const A = () => <div><B.C /></div>;\n",
        ),
        newly("a.js", "javascript", b"function {"),
    )
    bad = (
        merged("a.js", "javascript", JS_LESS + JS_MORE[len(JS) :], base=JS, upstream=JS_LESS, commit=JS_MORE),
        newly("a.js", "javascript", (JS + "const LIMIT = 4;\n").encode(), JS.encode()),
        newly("a.ts", "typescript", (TS + "sum(1, 2, 3);\n").encode(), TS.encode()),
    )

    def test_each_trouble_has_its_word(self) -> None:
        rules = [[f.rule for f in self.check(file)] for file in self.bad]
        assert rules == [["lost-name"], ["double-definition"], ["misfit-call"]]

    def test_names_of_every_pattern_are_declared(self) -> None:
        side = "const { a, b: [c], ...d } = x;\nfor (const e of d) { e(); }\ntry {} catch (f) { f(); }\n"
        text = side + "a(c, ({ g }, [h = a]) => g + h, function i(j) { return i(j); });\n"
        assert not self.check(newly("a.js", "javascript", text.encode(), side.encode()))


SUMS = "def total(rows):\n    return sum(rows)\n"
SUMS_NEW = SUMS.replace("total", "sum_all")
USER = "x = 1\n"


class TestAcross(ValidatorContract):
    validator = of("across")
    good = (
        merged("a.py", "python", USER, base=USER, upstream=USER, commit=USER),
        merged(  # moved on: the module still offers it
            "a.py",
            "python",
            "from shop.sums import total\n",
            base=USER,
            upstream=USER,
            commit="from shop.sums import total\n",
            related=(
                beside("shop/sums.py", SUMS, "from .more import total\n", SUMS, "from .more import total\n"),
            ),
        ),
        merged(  # broken in the commit itself
            "a.py",
            "python",
            "from shop.sums import other\n",
            base=USER,
            upstream=USER,
            commit="from shop.sums import other\n",
            related=(beside("shop/sums.py", SUMS, SUMS_NEW, SUMS, SUMS_NEW),),
        ),
        merged(  # the other package's file may have it
            "b.go",
            "go",
            "package a\n\nfunc f() int { return total() }\n",
            base="package a\n",
            upstream="package a\n",
            commit="package a\n\nfunc f() int { return total() }\n",
            related=(
                beside(
                    "a.go",
                    "package a\n\nfunc total() int { return 1 }\n",
                    "package a\n",
                    "package a\n\nfunc total() int { return 1 }\n",
                    "package a\n",
                ),
                beside(
                    "c.go",
                    "package a\n",
                    "package a\n\nfunc total() int { return 1 }\n",
                    "package a\n",
                    "package a\n\nfunc total() int { return 1 }\n",
                ),
            ),
        ),
    )
    bad = (
        merged(
            "a.py",
            "python",
            "from shop.sums import total\n",
            base=USER,
            upstream=USER,
            commit="from shop.sums import total\n",
            related=(beside("shop/sums.py", SUMS, SUMS_NEW, SUMS, SUMS_NEW),),
        ),
        merged(
            "shop/a.py",
            "python",
            "from . import sums\nsums.total([])\n",
            base=USER,
            upstream=USER,
            commit="from . import sums\nsums.total([])\n",
            related=(beside("shop/sums.py", SUMS, SUMS_NEW, SUMS, SUMS_NEW),),
        ),
        merged(
            "a.py",
            "python",
            "import shop.sums\n",
            base=USER,
            upstream=USER,
            commit="import shop.sums\n",
            related=(beside("shop/sums.py", SUMS, None, SUMS, None),),
        ),
        merged(  # the other way round: what upstream began to use, the branch took away
            "src/a.ts",
            "typescript",
            "import { total } from './sums';\n",
            base="",
            upstream="import { total } from './sums';\n",
            commit="",
            related=(
                beside(
                    "src/sums.ts",
                    "export const total = 1;\n",
                    "export const total = 1;\n",
                    "export const all = 1;\n",
                    "export const all = 1;\n",
                ),
            ),
        ),
        merged(
            "src/b.js",
            "javascript",
            "const { total } = require('./sums');\n",
            base="",
            upstream="",
            commit="const { total } = require('./sums');\n",
            related=(
                beside(
                    "src/sums/index.js",
                    "exports.total = 1;\n",
                    "exports.all = 1;\n",
                    "exports.total = 1;\n",
                    "exports.all = 1;\n",
                ),
            ),
        ),
        merged(
            "b.go",
            "go",
            "package a\n\nfunc f() int { return total() }\n",
            base="package a\n",
            upstream="package a\n",
            commit="package a\n\nfunc f() int { return total() }\n",
            related=(
                beside(
                    "a.go",
                    "package a\n\nfunc total() int { return 1 }\n",
                    "package a\n\nfunc all() int { return 1 }\n",
                    "package a\n\nfunc total() int { return 1 }\n",
                    "package a\n\nfunc all() int { return 1 }\n",
                ),
            ),
        ),
        merged(
            "src/shop/B.java",
            "java",
            "package shop;\nclass B { int x = Sums.total(1); }\n",
            base="package shop;\nclass B { }\n",
            upstream="package shop;\nclass B { }\n",
            commit="package shop;\nclass B { int x = Sums.total(1); }\n",
            related=(
                beside(
                    "src/shop/Sums.java",
                    "class Sums { static int total(int a) { return a; } }",
                    "class Sums { static int all(int a) { return a; } }",
                    "class Sums { static int total(int a) { return a; } }",
                    "class Sums { static int all(int a) { return a; } }",
                ),
            ),
        ),
    )

    def test_the_name_the_file_and_who_did_it_are_told(self) -> None:
        (found,) = self.check(self.bad[0])
        assert (found.rule, found.level, found.start) == ("gone-name", Level.ERROR, 1)
        assert found.message == (
            "the commit uses 'total' of 'shop/sums.py' here, which upstream renamed, moved or removed"
            " (line 1 of the base)"
        )

    def test_a_file_that_is_gone_has_its_own_word(self) -> None:
        assert {f.rule for f in self.check(self.bad[2])} == {"gone-file"}

    def test_a_module_with_a_wildcard_offers_anything(self) -> None:
        text = "from .more import *\n"
        file = replace(self.bad[0], related=(beside("shop/sums.py", SUMS, text, SUMS, text),))
        assert not self.check(file)

    def test_an_import_that_may_fail_is_none(self) -> None:
        text = b"try:\n    from shop.sums import total\nexcept ImportError:\n    total = None\n"
        assert not self.check(replace(self.bad[0], text=text, commit=text))


class TestLost(ValidatorContract):
    validator = of("lost")
    good = (
        newly("a.py", "python", b"x\n"),
        merged(
            "a.txt", "", "one line\n", base="", upstream="one line\nanother line\n", commit=""
        ),  # nothing of ours
        replace(
            merged(
                "a.txt", "", "f(two, three)\n", base="f(one)\n", upstream="f(two)\n", commit="f(one, three)\n"
            ),
            resolved=((1, 1),),
        ),
    )
    bad = ()

    def test_bad_files_fail(self) -> None:
        """It never fails a change: a person's answer may drop a line on purpose."""
        file = merged("a.txt", "", "", base="", upstream="one line\n", commit="")
        found = self.check(replace(file, resolved=((1, 1),)))
        assert [f.level for f in found] == [Level.WARNING]

    def test_a_line_that_one_side_added_and_the_answer_lacks_is_told(self) -> None:
        file = merged(
            "a.txt", "", "one line\n", base="", upstream="one line\nanother line\n", commit="one line\n"
        )
        (found,) = self.check(replace(file, resolved=((1, 1),)))
        assert (found.rule, found.level) == ("lost-line", Level.WARNING)
        assert (
            found.message
            == "upstream added a line that is not here: 'another line' (missing: 'another', 'line')"
        )

    def test_a_line_that_one_side_removed_and_the_answer_holds_is_told(self) -> None:
        file = merged(
            "a.txt", "", "one line\nnew\n", base="one line\n", upstream="", commit="one line\nnew\n"
        )
        found = self.check(replace(file, resolved=((1, 2),)))
        assert [f.rule for f in found] == ["resurrected-line"]
        assert found[0].message == "upstream removed a line that is here again: 'one line'"


PYTHON_CALLS = (
    b"eval(x)",
    b"exec(x)",
    b"import os; os.system(x)",
    b"from os import system as s; s(x)",
    b"import os as o; o.popen(x)",
    b"import os; os.execvp(x, y)",
    b"import subprocess; subprocess.run(x, shell=True)",
    b"import subprocess as sp; sp.Popen(x, shell=y)",
    b"import pickle; pickle.loads(x)",
    b"import yaml; yaml.load(x)",
    b"import yaml; yaml.load(x, Loader=yaml.Loader)",
    b"__import__(x)",
    b"import builtins; builtins.eval(x)",
)


class TestPythonCalls(ValidatorContract):
    validator = of("python-calls")
    good = (
        newly("a.py", "python", b"eval(x)\n", b"eval(x)\n"),  # a side had it
        newly("a.py", "python", b"import subprocess; subprocess.run(x, shell=False)\n"),
        newly("a.py", "python", b"import yaml; yaml.load(x, Loader=yaml.SafeLoader)\n"),
        newly("a.py", "python", b"import re; re.compile(x); model.eval()\n"),
        newly("a.py", "python", b"# eval(x)\ns = 'os.system(x)'\n"),
    )
    bad = tuple(newly("a.py", "python", text + b"\n") for text in PYTHON_CALLS)

    def test_a_call_over_several_lines_is_found_by_any_new_one_of_them(self) -> None:
        side = b"import subprocess\nsubprocess.run(\n    x,\n)\n"
        file = newly("a.py", "python", side.replace(b"x,\n", b"x,\n    shell=True,\n"), side)
        assert [(f.start, f.end) for f in self.check(file)] == [(4, 4)]


class TestCalls(ValidatorContract):
    validator = of("calls")
    good = (newly("a.js", "javascript", b"const evaluate = f(x)\n"), newly("a.go", "go", b"exec(x)\n"))
    bad = (
        newly("a.js", "javascript", b"const cp = require('child_process')\n"),
        newly("a.ts", "typescript", b"eval(x)\n"),
        newly("a.tsx", "tsx", b"<a dangerouslySetInnerHTML={x} />\n"),
        newly("a.go", "go", b"cmd := exec.Command(x)\n"),
        newly("A.java", "java", b"Runtime.getRuntime().exec(x);\n"),
    )


def token(*parts: str) -> bytes:
    """A made-up secret, put together here so that no scanner finds one in this file."""
    return ("key = '" + "".join(parts) + "'\n").encode()


class TestSecrets(ValidatorContract):
    validator = of("secrets")
    good = (
        newly("a.py", "python", token("AKIA", "Z" * 16), token("AKIA", "Z" * 16)),
        newly("a.py", "python", b"password = 'xxxxxxxxxxxxxxxx'\ntoken = 'your-token-here'\n"),
        newly("a.py", "python", b"password = os.environ['PASSWORD']\n"),
        newly("a.lock", "", b"sha256:" + b"0a1b2c3d4e5f" * 5 + b"\n"),
    )
    bad = (
        newly("a.py", "python", token("AKIA", "ABCDEFGH12345678")),
        newly("a.env", "", token("gh", "p_", "aB3" * 12)),
        newly("a.env", "", token("sk-", "ant-", "api03-" + "aB3_" * 8)),
        newly("a.pem", "", b"-----BEGIN RSA " + b"PRIVATE KEY-----\n"),
        newly("a.yml", "yaml", b"api_key: 'q7Zp1xK9wB3mT5vR'\n"),
        newly("a.env", "", b"postgres" + b"://app:hunter2@db/x\n"),
    )

    def test_no_message_holds_the_secret(self) -> None:
        for file in self.bad:
            for finding in self.check(file):
                assert "aB3" not in finding.message
                assert "hunter2" not in finding.message


def locked(result: str, upstream: str = "a==1.0\nb==1.0\n", commit: str = "a==1.0\nc==1.0\n") -> CheckedFile:
    """A compiled list of requirements, merged from two."""
    head = b"# This file is autogenerated by pip-compile\n"
    texts = [head + text.encode() for text in (upstream, commit, result)]
    return checked_file("requirements.txt", "", texts[2], base=head, upstream=texts[0], commit=texts[1])


class TestLockfile(ValidatorContract):
    validator = of("lockfile")
    good = (
        locked("a==1.0\nb==1.0\nc==1.0\n"),
        locked("a==1.0\nb==1.0\n"),
        newly("requirements.txt", "", b"a\n"),
        newly("notes.txt", "", b"no list\n", b"none\n"),
        newly("uv.lock", "", b"\xff\n", b"\xff"),
    )
    bad = (locked("a==1.0\na==1.0\n"), locked("a==1.0\na==2.0\n"), locked("a==1.0\n}\n"))


def test_every_built_in_validator_goes_through_the_suite() -> None:
    assert set(VALIDATORS) == TESTED


# ------------------------------------------------------- in children: what goes wrong there is never a pass

TASKS = "tests.contract.validators_gone_wrong:"


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(2) as made:
        yield made


def said(pool: Pool, validator: Validator) -> Verdict:
    return verdict_of(validator, newly("a.py", "python", b"eval(x)\n"), pool.call)


@pytest.mark.parametrize(
    "function",
    [
        "raises",
        "raises_half_way",
        "hangs",
        "forks",
        "leaves_a_daemon",
        "leaves",
        "leaves_hard",
        "crashes",
        "eats_memory",
        "answers_nothing",
        "answers_text",
        "answers_its_own_class",
        "answers_about_another_file",
        "answers_without_end",
        "closes_every_file",
        "is_not_there",
    ],
)
def test_a_validator_that_goes_wrong_is_an_error_and_never_a_pass(pool: Pool, function: str) -> None:
    validator = Validator(id="wrong", check="syntax", load=TASKS + function, timeout=1.0)
    verdict = said(pool, validator)
    assert verdict.outcome is Outcome.ERROR
    assert verdict.sentence
    assert not decide([verdict, Verdict(validator="v", path="p", outcome=Outcome.PASS)]).passed


def test_after_all_that_the_pool_still_works(pool: Pool) -> None:
    assert said(pool, VALIDATORS["python-calls"]).outcome is Outcome.FAIL
    assert said(pool, VALIDATORS["python"]).outcome is Outcome.PASS


@pytest.mark.parametrize("identity", sorted(VALIDATORS))
def test_every_built_in_validator_runs_in_a_child(pool: Pool, identity: str) -> None:
    validator = VALIDATORS[identity]
    language = validator.languages[0] if validator.languages else ""
    assert verdict_of(validator, newly("a", language, b""), pool.call).outcome is not Outcome.ERROR
