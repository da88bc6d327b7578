"""Every built-in validator through the suite that strangers' validators are tested with."""

from collections.abc import Iterator

import pytest

from flowforge.core.verdict import Level, Outcome, Verdict
from flowforge.hooks.contracts import CheckedFile, Validator
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


class TestNames(ValidatorContract):
    validator = of("names")
    good = (
        newly("a.py", "python", b"import os\nos.x\n"),
        newly("a.py", "python", b"magic()\n", b"magic()\n"),
        newly("a.py", "python", b"def (\n"),
        newly("a.py", "python", b"def f(): pass\ndef f(): pass\n"),  # told, not failed
    )
    bad = (LOST, newly("a.py", "python", b"x = y\n"))

    def test_the_line_of_a_lost_name_stands_in_a_side_and_fails_all_the_same(self) -> None:
        assert LOST.introduced == frozenset()
        assert [(f.rule, f.start) for f in self.check(LOST)] == [("lost-name", 2)]

    def test_a_definition_that_merging_doubled_is_told(self) -> None:
        doubled = newly("a.py", "python", b"def f(): pass\ndef f(): pass\n", b"def f(): pass\n")
        assert [(f.rule, f.level) for f in self.check(doubled)] == [("double-definition", Level.WARNING)]


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
