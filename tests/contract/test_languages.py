"""Every built-in language through the suite that strangers' languages are tested with."""

import importlib

import pathspec
import pytest
import tree_sitter

from flowforge.hooks.contracts import Language
from flowforge.hooks.manager import discover, load_plugins
from flowforge.testing import LanguageContract, PluginContract

LANGUAGES = load_plugins(discover()).languages
PATHS = {
    "go": ("a/b.go",),
    "java": ("A.java",),
    "javascript": ("a.js", "a.jsx", "a.mjs"),
    "json": ("package.json",),
    "markdown": ("README.md",),
    "python": ("a/b.py", "a.pyi"),
    "toml": ("pyproject.toml",),
    "tsx": ("a.tsx",),
    "typescript": ("a.ts",),
    "yaml": ("a.yml", ".github/workflows/ci.yaml"),
}


def node_types(language: Language) -> frozenset[str]:
    if not language.grammar:
        return frozenset()
    module, _, function = language.grammar.partition(":")
    grammar = tree_sitter.Language(getattr(importlib.import_module(module), function)())
    kinds = (grammar.node_kind_for_id(number) for number in range(grammar.node_kind_count))
    return frozenset(kind for kind in kinds if kind is not None)


def known_as(path: str) -> set[str]:
    specs = {name: pathspec.GitIgnoreSpec.from_lines(known.globs) for name, known in LANGUAGES.items()}
    return {name for name, spec in specs.items() if spec.match_file(path)}


def suite(identity: str) -> type[LanguageContract]:
    """The suite of one language, as a class that pytest collects."""

    class OneLanguage(LanguageContract):
        language = LANGUAGES[identity]
        paths = PATHS[identity]

        def grammar_nodes(self) -> frozenset[str]:
            return node_types(self.language)

        def test_its_files_are_known_by_their_names(self) -> None:
            for path in self.paths:
                assert known_as(path) == {identity}

    return OneLanguage


for _identity in LANGUAGES:
    globals()[f"Test_{_identity}"] = suite(_identity)


def test_every_built_in_language_has_examples() -> None:
    assert set(PATHS) == set(LANGUAGES)


MODULES = sorted({point.value for point in discover() if point.value.startswith("flowforge_plugins.")})


@pytest.mark.parametrize("name", MODULES)
def test_importing_a_built_in_plugin_costs_next_to_nothing(name: str) -> None:
    one = PluginContract()
    type(one).module = name
    one.test_importing_it_costs_next_to_nothing()
    one.test_it_registers_something_by_a_hook()
