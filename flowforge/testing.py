"""What plugin authors test with: suites that every built-in passes too.

Write a class that inherits one and names your descriptor; pytest does the rest:

    class TestMyValidator(ValidatorContract):
        validator = MY_VALIDATOR
        good = (CheckedFile(path="a.x", language="x", text=b"fine"),)
        bad = (CheckedFile(path="a.x", language="x", text=b"broken", introduced=frozenset({1})),)

Nothing here imports pytest: the suites are plain classes with plain asserts.
"""

import importlib
import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import ClassVar

from flowforge.core.verdict import Finding, Level, Outcome, judge
from flowforge.hooks.contracts import CheckedFile, Language, Validator

IMPORT_LIMIT = 0.050  # seconds that importing a plugin may add to a process that has flowforge.plugin
_TRIES = 5  # the fastest counts: a busy machine is not the plugin's fault
_MEASURE = """
import sys, time
sys.path[:] = {path!r}
import flowforge.plugin
before, start = set(sys.modules), time.perf_counter()
import {module}
took = time.perf_counter() - start
import json
print(json.dumps([took, sorted(set(sys.modules) - before)]))
"""
_HOSTILE = (
    b"",
    b"\n",
    b"\0\0\0",
    b"\xff\xfe\x00",
    b"no line end",
    b"\r\n\r",
    b"(" * 2_000,
    b"'" * 3 + b"\\",
    b"x" * 100_000,
    "\u202e\U0001f600\n".encode(),
)


def import_cost(module: str) -> tuple[float, tuple[str, ...]]:
    """Seconds that importing a plugin's module takes in a fresh process, and the modules it brought in."""
    source = _MEASURE.format(path=[entry for entry in sys.path if entry], module=module)
    runs = [
        json.loads(
            subprocess.run(
                [sys.executable, "-P", "-s", "-c", source],
                capture_output=True,
                check=True,
                env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            ).stdout
        )
        for _try in range(_TRIES)
    ]
    seconds, modules = min(runs)
    return float(seconds), tuple(modules)


class PluginContract:
    """A plugin's module as a whole. Set `module`, and `heavy` to libraries that it must not import at once."""

    module: ClassVar[str]
    heavy: ClassVar[tuple[str, ...]] = ("anthropic", "kubernetes", "tree_sitter", "pyflakes", "ruamel")

    def test_importing_it_costs_next_to_nothing(self) -> None:
        seconds, modules = import_cost(self.module)
        brought = {name.partition(".")[0] for name in modules}
        assert not brought & set(self.heavy), f"{self.module} imports {sorted(brought & set(self.heavy))}"
        assert seconds <= IMPORT_LIMIT, f"importing {self.module} took {seconds * 1000:.0f} ms"

    def test_it_registers_something_by_a_hook(self) -> None:
        plugin = importlib.import_module(self.module)
        assert [name for name in vars(plugin) if name.startswith(("register_", "before_"))]


class ValidatorContract:
    """One validator. `good` are files it has no error for, `bad` files that it must fail."""

    validator: ClassVar[Validator]
    good: ClassVar[tuple[CheckedFile, ...]]
    bad: ClassVar[tuple[CheckedFile, ...]]

    def check(self, file: CheckedFile) -> tuple[Finding, ...]:
        """Run it here, in this process."""
        return tuple(_resolve_check(self.validator.load)(file))

    def outcome(self, file: CheckedFile) -> Outcome:
        return judge(self.validator.id, file.path, self.check(file)).outcome

    def test_its_descriptor_is_complete_and_can_be_sent_to_a_child(self) -> None:
        assert self.validator.id
        assert self.validator.check
        assert self.validator.timeout > 0
        assert pickle.loads(pickle.dumps(self.validator)) == self.validator  # noqa: S301 (made here)
        assert callable(_resolve_check(self.validator.load))

    def test_good_files_pass(self) -> None:
        assert self.good, "name files that pass"
        for file in self.good:
            assert self.outcome(file) is Outcome.PASS, self.check(file)

    def test_bad_files_fail(self) -> None:
        assert self.bad, "name files that fail"
        for file in self.bad:
            assert self.outcome(file) is Outcome.FAIL, self.check(file)

    def test_what_it_says_has_a_rule_a_message_and_a_place_in_the_file(self) -> None:
        for file in (*self.good, *self.bad):
            for finding in self.check(file):
                assert finding.rule
                assert finding.message
                assert isinstance(finding.level, Level)
                assert finding.path == file.path
                assert 1 <= finding.start <= finding.end <= file.text.count(b"\n") + 1

    def test_the_same_file_gets_the_same_answer(self) -> None:
        for file in (*self.good, *self.bad):
            assert self.check(file) == self.check(file)

    def test_what_it_says_crosses_a_process_border(self) -> None:
        for file in self.bad:
            said = self.check(file)
            assert pickle.loads(pickle.dumps(said)) == said  # noqa: S301 (made here)

    def test_strange_files_do_not_make_it_raise(self) -> None:
        for file in (*self.good[:1], *self.bad[:1]):
            for text in _HOSTILE:
                lines = (
                    frozenset(range(1, text.count(b"\n") + (not text.endswith(b"\n")) + 1)) if text else ()
                )
                self.check(replace(file, text=text, introduced=frozenset(lines), resolved=()))

    def test_sides_that_never_were_do_not_make_it_raise(self) -> None:
        for file in (*self.good, *self.bad):
            self.check(replace(file, base=None, upstream=None, commit=None))


class LanguageContract:
    """One language. `grammar_nodes` may say which node types its grammar knows; then all it names are checked."""

    language: ClassVar[Language]
    paths: ClassVar[tuple[str, ...]]  # examples of files in it

    def grammar_nodes(self) -> frozenset[str]:
        """The node types of the grammar; empty where nobody can tell."""
        return frozenset()

    def grammar_fields(self) -> frozenset[str]:
        """The field names of the grammar; empty where it has none, or nobody can tell."""
        return frozenset()

    def test_its_descriptor_is_complete_and_can_be_sent_to_a_child(self) -> None:
        assert self.language.id
        assert self.language.globs
        assert pickle.loads(pickle.dumps(self.language)) == self.language  # noqa: S301 (made here)

    def test_its_grammar_is_there(self) -> None:
        if self.language.grammar:
            assert _resolve(self.language.grammar)() is not None

    def test_every_node_it_names_is_in_its_grammar(self) -> None:
        known = self.grammar_nodes()
        named = _node_names(self.language)
        assert not known or named <= known, f"{sorted(named - known)} are in no tree of {self.language.id}"

    def test_every_step_of_its_paths_is_a_field_or_a_node_of_its_grammar(self) -> None:
        known = self.grammar_nodes() | self.grammar_fields()
        steps = frozenset(chain.from_iterable(_steps(path) for path in _paths(self.language)))
        assert not self.grammar_nodes() or steps <= known, (
            f"{sorted(steps - known)} lead nowhere in {self.language.id}"
        )

    def test_entities_have_kinds_and_stand_once(self) -> None:
        rules = self.language.entities
        assert all(rules.index(rule) == number for number, rule in enumerate(rules))
        assert all(rule.kind for rule in rules)

    def test_it_names_examples_of_its_files(self) -> None:
        assert self.paths


def _node_names(language: Language) -> frozenset[str]:
    named = (*language.imports, *language.import_containers, *language.wrappers, *language.comments)
    around = (*language.prefixes, *language.labels, *language.transparent, *language.atoms)
    entities = (rule.node for rule in language.entities)
    return frozenset((*named, *around, *entities, *language.commutative, *language.separators))


def _paths(language: Language) -> Iterator[str]:
    yield from (language.import_when, language.import_source, language.import_names)
    for rule in language.entities:
        yield from (rule.name, *rule.signature, rule.body, rule.opener, rule.closer, rule.when)


def _steps(path: str) -> Iterator[str]:
    """The names in a path, without the texts that a node must have."""
    names = re.split(r"[/|&*\[\]]", re.sub(r"=[^]]*]", "]", path))
    return (name for name in names if name not in {"", "."})


def _resolve(load: str) -> Callable[[], object]:
    module, _, name = load.partition(":")
    found: Callable[[], object] = getattr(importlib.import_module(module), name)
    return found


def _resolve_check(load: str) -> Callable[[CheckedFile], Iterable[Finding]]:
    module, _, name = load.partition(":")
    found: Callable[[CheckedFile], Iterable[Finding]] = getattr(importlib.import_module(module), name)
    return found
