"""What plugin authors test with: suites that every built-in passes too.

Write a class that inherits one and names your descriptor; pytest does the rest:

    class TestMyValidator(ValidatorContract):
        validator = MY_VALIDATOR
        good = (CheckedFile(path="a.x", language="x", text=b"fine"),)
        bad = (CheckedFile(path="a.x", language="x", text=b"broken", introduced=frozenset({1})),)

Nothing here imports pytest: the suites are plain classes with plain asserts.
"""

import contextlib
import importlib
import json
import os
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import ClassVar, cast

from flowforge.core.errors import FlowForgeError
from flowforge.core.verdict import Finding, Level, Outcome, judge
from flowforge.hooks.contracts import (
    BatchProvider,
    CheckedFile,
    Language,
    Model,
    ModelAnswer,
    ModelProvider,
    ModelRequest,
    Validator,
)

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
_PATIENCE = 20.0  # seconds within which a stand-in on a busy machine has answered
_STOPS = frozenset({"end", "max_tokens", "refusal", "other", "cut"})
_PROMPTS = (
    "",
    "x",
    "\u00e9" * 500,
    "\U0001f600" * 200,
    "\x00\x1b" * 50,
    " " * 5_000,
    '"\\' * 300,
    "\u4f60\u597d" * 300,
)
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


class ModelProviderContract:
    """One model provider. Say how to connect it to a service, or a stand-in of one, that behaves as named."""

    model: ClassVar[Model]
    name: ClassVar[str] = ""  # of a model to ask for; "" = the descriptor's usual one
    secret: ClassVar[str] = ""  # the key it is connected with

    def answering(self) -> ModelProvider:
        """Connected to a service that answers every question with `{}`."""
        raise AssertionError("say how to connect it")

    def hanging(self) -> ModelProvider | None:
        """Connected to a service that takes the question and never answers; None where there can be none."""
        return None

    def breaking(self) -> Iterable[ModelProvider]:
        """Each connected to a service that begins to answer and breaks off in its own way."""
        return ()

    def refusing(self) -> Iterable[ModelProvider]:
        """Each connected to a service that refuses in its own way, and repeats the key where it can."""
        return ()

    def request(self, prompt: str = "Path: a.py\nwhat now?") -> ModelRequest:
        schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
        name = self.name or self.model.default_model
        return ModelRequest(
            model=name, system="the rules", shared="the commit", prompt=prompt, schema=schema, max_output=64
        )

    def test_its_descriptor_is_complete_and_can_be_sent_to_a_child(self) -> None:
        assert self.model.id
        assert self.model.load.count(":") == 1
        assert pickle.loads(pickle.dumps(self.model)) == self.model  # noqa: S301 (made here)
        assert callable(_resolve(self.model.load))

    def test_an_answer_is_one_by_the_contract(self) -> None:
        answer = self.answering().complete(self.request(), _PATIENCE)
        assert isinstance(answer, ModelAnswer)
        assert answer.stop in _STOPS
        assert isinstance(answer.text, str)
        assert min(answer.usage.prompt, answer.usage.output, answer.usage.input, answer.usage.written) >= 0
        assert self.secret == "" or self.secret not in repr(answer)

    def test_the_count_is_never_below_the_bill(self) -> None:
        provider = self.answering()
        for prompt in _PROMPTS:
            asked = self.request(f"Path: a\n{prompt}")
            assert provider.count_tokens(asked) >= provider.complete(asked, _PATIENCE).usage.prompt

    def test_counting_asks_nobody_and_says_the_same_again(self) -> None:
        provider = self.answering()
        assert provider.count_tokens(self.request()) == provider.count_tokens(self.request()) > 0

    def test_a_deadline_that_is_over_ends_at_once(self) -> None:
        started = time.monotonic()
        with contextlib.suppress(FlowForgeError):  # the house's own errors only; an answer is as good
            assert self.answering().complete(self.request(), 0.0).stop in _STOPS
        assert time.monotonic() - started < _PATIENCE

    def test_the_deadline_is_kept_by_a_call_that_never_ends(self) -> None:
        provider = self.hanging()
        if provider is None:
            return
        started = time.monotonic()
        self._is_cut(provider, 0.5)
        assert time.monotonic() - started < _PATIENCE

    def test_a_call_that_broke_off_is_told_with_its_upper_bound(self) -> None:
        for provider in self.breaking():
            self._is_cut(provider, _PATIENCE)

    def _is_cut(self, provider: ModelProvider, deadline: float) -> None:
        """What was asked for may be billed, so the most of it is told; no more than that is ever set aside."""
        request = self.request()
        answer = provider.complete(request, deadline)
        assert (answer.stop, answer.text) == ("cut", "")
        assert answer.why, "it does not say why it was cut"
        assert 0 < answer.usage.prompt <= provider.count_tokens(request)
        assert answer.usage.output == request.max_output + request.thinking

    def test_what_goes_wrong_is_an_error_of_the_house_without_the_key(self) -> None:
        for provider in self.refusing():
            error = self._error_of(provider)
            assert isinstance(error, FlowForgeError), f"{type(error).__name__} is no error of the house"
            said = f"{error.sentence} {error.next_action} {error.evidence} {error!r}"
            assert self.secret == "" or self.secret not in said
            assert error.sentence

    def _error_of(self, provider: ModelProvider) -> Exception | None:
        try:
            provider.complete(self.request(), _PATIENCE)
        except Exception as error:  # noqa: BLE001 (whatever it raises is looked at)
            return error
        return None

    def test_it_keeps_the_contract_of_batches_where_it_says_so(self) -> None:
        provider = self.answering()
        verbs = [hasattr(provider, verb) for verb in ("submit", "collect", "withdraw")]
        assert all(verbs) or not self.model.batches
        if self.model.batches:
            self._answers_in_a_batch(cast("BatchProvider", provider))

    def _answers_in_a_batch(self, provider: BatchProvider) -> None:
        batch = provider.submit(self.request(), _PATIENCE)
        until, answer = time.monotonic() + _PATIENCE, provider.collect(batch, _PATIENCE)
        while answer is None and time.monotonic() < until:
            answer = provider.collect(batch, _PATIENCE)
        assert answer is not None
        assert answer.stop in _STOPS
        assert provider.count_tokens(self.request()) >= answer.usage.prompt
        provider.withdraw(batch, _PATIENCE)  # it has ended, and is left alone


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
