"""Definitions as a stranger, or a tired person, might hand them in: id, text, the codes they must get.

Every row is answered by problems with a place, never by an exception, in bounded time.
"""

import re

import pytest

from flowforge.pipeline.check import Catalog
from flowforge.pipeline.load import load_pipeline
from flowforge.pipeline.problems import CODES

HEAD = b"version: 1\nname: n\n"
GOOD = HEAD + b"stages: [{uses: clone}, {uses: rebase}]\n"
LINE = re.compile(r"[^\n:]+:\d+:\d+: FF\d{3} [^\n\x00-\x1f]+")


def top(text: str) -> bytes:
    """A good definition with more keys at the top."""
    return GOOD + text.encode()


def stages(*entries: str) -> bytes:
    """A definition with these stages after clone and rebase."""
    rows = ["  - {uses: clone}", "  - {uses: rebase}", *(f"  - {entry}" for entry in entries)]
    return HEAD + ("stages:\n" + "\n".join(rows) + "\n").encode()


def test_stage(more: str) -> bytes:
    return stages("{uses: test, run: pytest, " + more + "}")


test_stage.__test__ = False  # type: ignore[attr-defined]  # a maker of rows, no test


def when(expression: str) -> bytes:
    return stages("{uses: test, run: pytest, when: '" + expression.replace("'", "''") + "'}")


ROWS: list[tuple[str, bytes, set[str]]] = [
    # --- no readable document
    ("empty file", b"", {"FF010"}),
    ("a comment only", b"# nothing\n", {"FF010"}),
    ("blank lines", b"\n" * 1000, {"FF010"}),
    ("null", b"null\n", {"FF010"}),
    ("an empty document", b"---\n...\n", {"FF010"}),
    ("a list", b"- uses: clone\n", {"FF014"}),
    ("an empty list", b"[]\n", {"FF010"}),
    ("a word", b"rebase\n", {"FF014"}),
    ("a number", b"42\n", {"FF014"}),
    ("ten megabytes", b"a: " + b"x" * 10_000_000, {"FF002"}),
    ("one byte too many", GOOD + b"#" * (65537 - len(GOOD)), {"FF002"}),
    ("not UTF-8", GOOD + b"env: {A: \xff\xfe}\n", {"FF003"}),
    ("Latin-1", GOOD + "env: {A: \u00e9}\n".encode("latin-1"), {"FF003"}),
    ("UTF-16 with its mark", GOOD.decode().encode("utf-16"), {"FF003"}),
    ("UTF-16 without a mark", GOOD.decode().encode("utf-16-le"), {"FF004"}),
    ("UTF-32", GOOD.decode().encode("utf-32"), {"FF003"}),
    ("an overlong encoding", b"\xc0\xafname: x\n", {"FF003"}),
    ("half of a pair in UTF-8", b"name: \xed\xa0\x80\n", {"FF003"}),
    ("NUL", b"name: a\0b\n", {"FF004"}),
    ("NUL alone", b"\0", {"FF004"}),
    ("escape character", b"name: \x1b[31mred\n", {"FF004"}),
    ("backspace", b"name: a\x08b\n", {"FF004"}),
    ("NUL by an escape", b'name: "a\\0b"\n', {"FF004"}),
    ("bell by an escape", b'name: "a\\a"\n', {"FF004"}),
    ("half of a pair by an escape", b'name: "\\ud800"\n', {"FF004"}),
    ("a character beyond Unicode", b'name: "\\UFFFFFFFF"\n', {"FF001"}),
    ("a byte order mark in the middle", b"name: a\n\xef\xbb\xbfversion: 1\n", {"FF004"}),
    ("a turn of the writing direction", "name: a\u202eb\n".encode(), {"FF004"}),
    # --- not YAML
    ("an open bracket", b"stages: [\n", {"FF001"}),
    ("an open brace", b"env: {A: b\n", {"FF001"}),
    ("an open quote", b"name: 'abc\n", {"FF001"}),
    ("an open double quote", b'name: "abc\n', {"FF001"}),
    ("a tab for indenting", b"stages:\n\t- uses: clone\n", {"FF001"}),
    ("a colon inside", b"name: a: b\n", {"FF001"}),
    ("crooked indenting", b"a:\n   b: 1\n  c: 2\n", {"FF001"}),
    ("a forbidden start", b"name: @x\n", {"FF001"}),
    ("a backtick", b"name: `x`\n", {"FF001"}),
    ("an unknown escape", b'name: "\\q"\n', {"FF001"}),
    ("templating", b"name: {{ name }}\n", {"FF014"}),
    ("two documents", GOOD + b"---\n" + GOOD, {"FF011"}),
    ("YAML 1.1 asked for", b"%YAML 1.1\n---\nversion: 1\n", {"FF011"}),
    ("a tag directive", b"%TAG ! tag:x,2000:\n---\nversion: 1\n", {"FF011"}),
    # --- depth
    ("50 000 brackets", b"[" * 50_000, {"FF005"}),
    ("50 000 brackets under a key", b"env: " + b"[" * 50_000, {"FF005"}),
    ("braces in braces", b"{a: " * 16_000, {"FF005"}),
    ("lists in lists", b"- " * 30_000, {"FF005"}),
    ("question marks", b"? " * 30_000, {"FF014"}),
    ("21 deep and closed", b"env: " + b"[" * 20 + b"]" * 20, {"FF005"}),
    # --- anchors, tags, merge keys, duplicates
    ("an anchor", b"env: &e {A: b}\n", {"FF006"}),
    ("an alias", b"env: *e\n", {"FF006"}),
    ("an anchor on a key", b"&a name: x\n", {"FF006"}),
    ("an alias as a key", b"{*a : x}\n", {"FF006"}),
    ("a billion laughs", b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", {"FF006"}),
    ("an alias to itself", b"a: &a [*a]\n", {"FF006"}),
    ("a python object", b"name: !!python/object/apply:os.system ['id']\n", {"FF007"}),
    ("a python name", b"name: !!python/name:os.system x\n", {"FF007"}),
    ("a plain tag", b"name: !!str x\n", {"FF007"}),
    ("a tag of one's own", b"name: !secret x\n", {"FF007"}),
    ("a tag in long form", b"name: !<tag:yaml.org,2002:str> x\n", {"FF007"}),
    ("a binary", b"name: !!binary aGk=\n", {"FF007"}),
    ("a merge key", b"env: {<<: {A: b}}\n", {"FF009"}),
    ("a merge key of an alias", b"env: {<<: *e}\n", {"FF009"}),
    ("a key twice", GOOD + b"name: again\n", {"FF008"}),
    ("a key twice, deeper", top("limits: {attempts: 1, attempts: 9}\n"), {"FF008"}),
    ("a key twice, quoted once", GOOD + b'"name": again\n', {"FF008"}),
    ("a list as a key", b"? [a, b]\n: c\n", {"FF014"}),
    # --- keys
    ("an unknown key", top("stage: []\n"), {"FF012"}),
    ("on instead of triggers", top("on: push\n"), {"FF012"}),
    ("a prototype", top("__proto__: {}\n"), {"FF012"}),
    ("an unknown key of a stage", stages("{uses: validate, timout: 5m}"), {"FF012"}),
    ("an unknown option", stages("{uses: validate, with: {check: [markers]}}"), {"FF012"}),
    ("an option where there are none", stages("{uses: validate}", "{uses: report, with: {to: x}}"), {"FF012"}),
    ("an unknown trigger", top("triggers: {merge: {}}\n"), {"FF012"}),
    ("no version", b"name: n\nstages: [{uses: clone}]\n", {"FF013"}),
    ("no name", b"version: 1\nstages: [{uses: clone}]\n", {"FF013"}),
    ("no stages", HEAD, {"FF013"}),
    ("a stage that uses nothing", stages("{id: x}"), {"FF013"}),
    ("a test without a command", stages("{uses: test}"), {"FF013"}),
    # --- types and values
    ("version as text", b'version: "1"\nname: n\nstages: [{uses: clone}]\n', {"FF014"}),
    ("version as a truth", b"version: true\nname: n\nstages: [{uses: clone}]\n", {"FF014"}),
    ("version 2", b"version: 2\nname: n\nstages: [{uses: clone}]\n", {"FF016"}),
    ("version 1.0", b"version: 1.5\nname: n\nstages: [{uses: clone}]\n", {"FF014"}),
    ("a huge version", b"version: " + b"9" * 5000 + b"\n", {"FF015"}),
    ("a huge hexadecimal", b"version: 0x" + b"f" * 5000 + b"\n", {"FF015"}),
    ("a name that is a list", b"version: 1\nname: [n]\nstages: [{uses: clone}]\n", {"FF014"}),
    ("an empty name", b"version: 1\nname: ''\nstages: [{uses: clone}]\n", {"FF015"}),
    ("a name of 60 000 characters", b"version: 1\nname: " + b"n" * 60_000 + b"\nstages: [{uses: clone}]\n", {"FF015"}),
    ("stages that are a mapping", HEAD + b"stages: {uses: clone}\n", {"FF014"}),
    ("no stage in stages", HEAD + b"stages: []\n", {"FF015"}),
    ("a stage that is a word", stages("clone"), {"FF014"}),
    ("a stage that is nothing", stages("~"), {"FF014"}),
    ("65 stages", stages(*(f"{{id: r{n}, uses: run, run: x}}" for n in range(63))), {"FF015"}),
    ("options that are a list", stages("{uses: validate, with: [markers]}"), {"FF014"}),
    ("a variable that is a number", top("env: {A: 1}\n"), {"FF014"}),
    ("a variable that is nothing", top("env: {A: }\n"), {"FF014"}),
    ("a version of python that is a number", test_stage("matrix: {python: [3.10]}"), {"FF014"}),
    ("no attempts", top("limits: {attempts: 0}\n"), {"FF015"}),
    ("attempts below zero", top("limits: {attempts: -3}\n"), {"FF015"}),
    ("half an attempt", top("limits: {attempts: 1.5}\n"), {"FF014"}),
    ("not a number of processors", test_stage("cpu: .nan"), {"FF015"}),
    ("infinite processors", test_stage("cpu: .inf"), {"FF015"}),
    ("an unknown network", test_stage("network: host"), {"FF015"}),
    ("an unknown policy", top("concurrency: {policy: supercede}\n"), {"FF015"}),
    ("a group in braces that nobody knows", top("concurrency: {group: '{brnch}'}\n"), {"FF034"}),
    ("a group whose braces do not close", top("concurrency: {group: 'a-{branch'}\n"), {"FF034"}),
    ("a group without a name", top("concurrency: {group: ' '}\n"), {"FF034"}),
    ("a group of two lines", top('concurrency: {group: "a\\nb"}\n'), {"FF034"}),
    ("a group that is too long", top("concurrency: {group: " + "x" * 300 + "}\n"), {"FF034"}),
    ("a reason that cannot be retried", test_stage("retry: {on: [pushed], max: 1}"), {"FF015"}),
    ("a duration without a unit", test_stage("timeout: 45"), {"FF017"}),
    ("a duration in days", test_stage("timeout: 3d"), {"FF017"}),
    ("a negative duration", test_stage("timeout: -5m"), {"FF017"}),
    ("no duration at all", test_stage("timeout: 0s"), {"FF017"}),
    ("a duration of a year", test_stage("timeout: 8760h"), {"FF017"}),
    ("a duration in Arabic digits", test_stage("timeout: \u0664\u0665m"), {"FF017"}),
    ("an empty duration", test_stage("timeout: ''"), {"FF017"}),
    ("a wrong unit of size", test_stage("memory: 4gb"), {"FF018"}),
    ("no memory", test_stage("memory: 0"), {"FF018"}),
    ("all the memory", test_stage("memory: 999999999Ti"), {"FF018"}),
    ("negative money", top("limits: {model_usd: -1}\n"), {"FF019"}),
    ("infinite money", top("limits: {model_usd: .inf}\n"), {"FF019"}),
    ("not a number of dollars", top("limits: {model_usd: .nan}\n"), {"FF019"}),
    ("a million dollars", top("limits: {model_usd: 1e6}\n"), {"FF019"}),
    ("a hundredth of a cent's tenth", top("limits: {model_usd: 0.00001}\n"), {"FF019"}),
    # --- stages
    ("an unknown stage", stages("{uses: validat}"), {"FF020"}),
    ("a path as a stage", stages("{uses: ../../bin/sh}"), {"FF020"}),
    ("an id twice", stages("{id: rebase, uses: validate}"), {"FF021"}),
    ("an id twice, in finally", top("finally: [{uses: report}, {uses: report}]\n"), {"FF021"}),
    ("an id with a space", stages("{id: my stage, uses: validate}"), {"FF022"}),
    ("an id that is a path", stages("{id: ../x, uses: validate}"), {"FF022"}),
    ("an id of 41 characters", stages("{id: " + "i" * 41 + ", uses: validate}"), {"FF022"}),
    ("LD_PRELOAD", top("env: {LD_PRELOAD: ./x.so}\n"), {"FF023"}),
    ("GIT_SSH_COMMAND", top("env: {GIT_SSH_COMMAND: ./x}\n"), {"FF023"}),
    ("git_dir in small letters", top("env: {git_dir: x}\n"), {"FF023"}),
    ("PYTHONPATH", test_stage("env: {PYTHONPATH: .}"), {"FF023"}),
    ("PATH", test_stage("env: {PATH: .}"), {"FF023"}),
    ("HOME", test_stage("env: {HOME: /}"), {"FF023"}),
    ("a proxy", test_stage('env: {https_proxy: "http://x"}'), {"FF023"}),
    ("a function of bash", top("env: {'BASH_FUNC_ls%%': '() { id; }'}\n"), {"FF023"}),
    ("a variable with an equals sign", top("env: {'A=B': c}\n"), {"FF023"}),
    ("FLOWFORGE_TOKEN", top("env: {FLOWFORGE_TOKEN: x}\n"), {"FF023"}),
    ("an empty matrix list", test_stage("matrix: {python: []}"), {"FF024"}),
    ("a matrix of 65", test_stage("matrix: {a: [" + ",".join(f"x{n}" for n in range(65)) + "]}"), {"FF024"}),
    (
        "a matrix of a million",
        test_stage("matrix: {" + ", ".join(f"{k}: [{','.join(k + str(n) for n in range(10))}]" for k in "abcdef") + "}"),
        {"FF024"},
    ),
    ("a value twice in a matrix", test_stage('matrix: {v: ["1", "1"]}'), {"FF024"}),
    ("a matrix name with a space", test_stage('matrix: {"a b": ["1"]}'), {"FF024"}),
    ("a command on clone", stages("{uses: validate, run: id}"), {"FF028"}),
    ("a matrix on push", stages("{uses: validate}", "{uses: push, matrix: {a: [b]}}"), {"FF028"}),
    ("a glob that leaves", stages("{uses: resolve, with: {never: [../x]}}"), {"FF029"}),
    ("an absolute path", stages("{uses: resolve, with: {ask: [/etc/passwd]}}"), {"FF029"}),
    ("an unknown rung", stages("{uses: resolve, with: {rungs: [mechanicl]}}"), {"FF015"}),
    ("an unknown check", stages("{uses: validate, with: {checks: [all]}}"), {"FF015"}),
    ("rebase before clone", HEAD + b"stages: [{uses: rebase}, {id: c, uses: clone}]\n", {"FF033"}),
    ("push without validation", stages("{uses: push}"), {"FF033"}),
    ("push to the target without tests", stages("{uses: validate}", "{uses: push, with: {to: target}}"), {"FF033"}),
    ("push in finally", top("finally: [{uses: push}]\n"), {"FF033"}),
    ("rebase twice", stages("{id: again, uses: rebase}"), {"FF033"}),
    # --- conditions
    ("a condition with one equals sign", when("branch = 'x'"), {"FF026"}),
    ("an unfinished condition", when("branch =="), {"FF026"}),
    ("an empty list as a condition", test_stage("when: []"), {"FF014"}),
    ("a condition that is text", when("branch"), {"FF026"}),
    ("a condition that is a number", when("1 + 1"), {"FF026"}),
    ("a condition on an unknown name", when("brnch == 'x'"), {"FF027"}),
    ("a condition on a later stage", when("results.push.ok"), {"FF027"}),
    ("a condition on an unknown field", when("results.clone.okay"), {"FF027"}),
    ("a condition that calls python", when("__import__('os').system('id') == 0"), {"FF027"}),
    ("a condition with a regular expression", when("branch.matches('(a+)+$')"), {"FF027"}),
    ("a condition with two loops", when("paths.all(p, paths.exists(q, p == q))"), {"FF026"}),
    ("a condition that is quadratic", when("paths.all(p, p in paths)"), {"FF026"}),
    ("a condition of 600 characters", when("true || " * 80 + "true"), {"FF026"}),
    ("a condition of two lines", stages('{uses: test, run: x, when: "true\\n|| true"}'), {"FF026"}),
    ("a condition of 300 brackets", when("(" * 240 + "true" + ")" * 240), {"FF026"}),
    ("changed without a pattern", when("changed()"), {"FF026"}),
    ("changed with a number", when("changed(1)"), {"FF026"}),
    ("changed with two patterns", when('changed("a", "b")'), {"FF026"}),
    # --- approve
    ("approve that runs a command", stages("{uses: approve, run: x}"), {"FF028"}),
    ("approve that goes on without a yes", stages("{uses: approve, on_failure: continue}"), {"FF028"}),
    ("approve by a stranger's role", stages("{uses: approve, with: {who: root}}"), {"FF015"}),
    ("approve that never waits", stages("{uses: approve, with: {within: 0s}}"), {"FF017"}),
    ("approve in finally", top("finally: [{uses: approve}]\n"), {"FF033"}),
    # --- not yet
    ("an image", test_stage('image: "python:3.12"'), {"FF030"}),
    ("network registry", test_stage("network: registry"), {"FF030"}),
    ("a cache", test_stage("cache: {key: k, paths: [.cache]}"), {"FF030"}),
    ("a schedule", top('triggers: {schedule: {cron: "0 5 * * *"}}\n'), {"FF030"}),
    ("an organization's definition", top("extends: [org:ours]\n"), {"FF030"}),
    ("a registry for lockfiles", stages("{uses: resolve, network: registry}"), {"FF030"}),
    # --- regenerate
    ("regenerate outside", stages('{uses: resolve, with: {regenerate: {../uv.lock: "uv lock"}}}'), {"FF029"}),
    ("regenerate an absolute path", stages('{uses: resolve, with: {regenerate: {/uv.lock: "uv lock"}}}'), {"FF029"}),
    ("regenerate by nothing", stages('{uses: resolve, with: {regenerate: {uv.lock: ""}}}'), {"FF015"}),
    ("regenerate by a list", stages("{uses: resolve, with: {regenerate: {uv.lock: [uv, lock]}}}"), {"FF014"}),
    ("regenerate a list", stages("{uses: resolve, with: {regenerate: [uv.lock]}}"), {"FF014"}),
    ("regenerate with a loader", stages("{uses: resolve, env: {LD_PRELOAD: x}}"), {"FF023"}),
    ("regenerate without its rung", stages("{uses: resolve, with: {rungs: [memory], regenerate: {a.lock: x}}}"), {"FF028"}),
    # --- extends
    ("fallback of every path", stages("{uses: resolve, with: {fallback: {upstream: ['**']}}}"), {"FF035"}),
    ("fallback to both sides", stages("{uses: resolve, with: {fallback: {upstream: [a], commit: [a]}}}"), {"FF035"}),
    ("extends nothing known", top("extends: [flowforge:rebas]\n"), {"FF031"}),
    ("extends a file that is not there", top("extends: [ci/x.yml]\n"), {"FF031"}),
    ("extends a file outside", top("extends: [../x.yml]\n"), {"FF031"}),
    ("extends an absolute path", top("extends: [/etc/passwd]\n"), {"FF031"}),
    ("extends an address", top('extends: ["https://x/y.yml"]\n'), {"FF031"}),
    ("extends itself", top("extends: [.flowforge.yml]\n"), {"FF032"}),
    ("extends a mapping", top("extends: {a: b}\n"), {"FF014"}),
    ("extends a number", top("extends: [1]\n"), {"FF014"}),
]  # fmt: skip


def codes(data: bytes) -> set[str]:
    return {problem.code for problem in load_pipeline(data, catalog=Catalog()).problems}


def test_the_makers_of_rows_make_good_definitions() -> None:
    harmless = [
        GOOD,
        b"\xef\xbb\xbf" + GOOD,  # a byte order mark at the start is what some editors write
        b"%YAML 1.2\n---\n" + GOOD,
        GOOD.replace(b"\n", b"\r\n"),
        stages("{uses: validate}"),
        test_stage("timeout: 1h30m"),
        when("branch == 'main' && changed(\"src/**\")"),
        when("['a', 'b'].exists(x, changed(x))"),
        top("env: {A: 'on', B: \"no\", PYTHONHASHSEED: '0'}\n"),
    ]
    assert [codes(data) for data in harmless] == [set() for _ in harmless]


def test_there_are_enough_rows_with_names_of_their_own() -> None:
    names = [name for name, _, _ in ROWS]
    assert len(names) == len(set(names))
    assert len(names) >= 90


@pytest.mark.parametrize(("data", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_bad_definition_gets_its_code_and_a_place(data: bytes, expected: set[str]) -> None:
    problems = load_pipeline(data, catalog=Catalog()).problems
    found = {problem.code for problem in problems}
    assert found == expected
    for problem in problems:
        assert LINE.fullmatch(str(problem)), str(problem)
        assert len(str(problem)) < 500


def test_every_code_is_earned_by_some_row() -> None:
    earned = {code for _, _, expected in ROWS for code in expected}
    by_a_plugin_only = {"FF025"}
    assert set(CODES) - earned == by_a_plugin_only


def test_files_that_extend_each_other_in_a_circle_are_refused() -> None:
    files = {"a.yml": b"extends: [b.yml]\n" + GOOD, "b.yml": b"extends: [a.yml]\n" + GOOD}
    loaded = load_pipeline(files["a.yml"], "a.yml", catalog=Catalog(), read=files.get)
    assert {problem.code for problem in loaded.problems} == {"FF032"}


def test_a_tree_of_extends_is_cut() -> None:
    def read(path: str) -> bytes:
        return f"extends: [{path}0, {path}1, {path}2]\n".encode() + GOOD

    loaded = load_pipeline(read("f"), "f", catalog=Catalog(), read=read)
    assert [problem.code for problem in loaded.problems] == ["FF032"]


def test_a_thousand_mistakes_are_reported_as_a_hundred() -> None:
    data = GOOD + b"env: {" + b", ".join(b"LD_%d: x" % n for n in range(1000)) + b"}\n"
    assert len(load_pipeline(data, catalog=Catalog()).problems) == 100
