"""Every built-in language through the suite that strangers' languages are tested with."""

import importlib
import re
import runpy
from pathlib import Path

import pathspec
import pytest
import tree_sitter

from flowforge.hooks.contracts import Language
from flowforge.hooks.manager import discover, load_plugins
from flowforge.testing import LanguageContract, PluginContract

LANGUAGES = load_plugins(discover()).languages
PATHS = {
    "bash": ("a/b.sh", "c.bash"),
    "c": ("a/b.c",),
    "cpp": ("a.cpp", "a.cc", "a/b.h", "c.hpp"),
    "csharp": ("A.cs",),
    "css": ("a.css",),
    "go": ("a/b.go",),
    "html": ("index.html", "a.htm"),
    "gomod": ("go.mod", "sub/go.mod"),
    "gradle": ("build.gradle",),
    "java": ("A.java",),
    "javascript": ("a.js", "a.jsx", "a.mjs"),
    "ini": ("setup.cfg", "tox.ini"),
    "json": ("package.json",),
    "kotlin": ("A.kt", "build.gradle.kts"),
    "markdown": ("README.md",),
    "php": ("a.php",),
    "properties": ("gradle.properties",),
    "python": ("a/b.py", "a.pyi"),
    "requirements": ("requirements-dev.txt", "requirements/test.txt", "constraints.txt"),
    "ruby": ("a.rb", "Rakefile", "lib/tasks/a.rake"),
    "rust": ("src/lib.rs",),
    "scala": ("A.scala",),
    "toml": ("pyproject.toml",),
    "tsx": ("a.tsx",),
    "typescript": ("a.ts",),
    "xml": ("pom.xml",),
    "yaml": ("a.yml", ".github/workflows/ci.yaml"),
}


def grammar_of(language: Language) -> tree_sitter.Language:
    module, _, function = language.grammar.partition(":")
    return tree_sitter.Language(getattr(importlib.import_module(module), function)())


def node_types(language: Language) -> frozenset[str]:
    if not language.grammar:
        return frozenset()
    grammar = grammar_of(language)
    kinds = (grammar.node_kind_for_id(number) for number in range(grammar.node_kind_count))
    return frozenset(kind for kind in kinds if kind is not None)


def field_names(language: Language) -> frozenset[str]:
    if not language.grammar:
        return frozenset()
    grammar = grammar_of(language)
    names = (grammar.field_name_for_id(number) for number in range(1, grammar.field_count + 1))
    return frozenset(name for name in names if name is not None)


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

        def grammar_fields(self) -> frozenset[str]:
            return field_names(self.language)

        def test_its_files_are_known_by_their_names(self) -> None:
            for path in self.paths:
                assert known_as(path) == {identity}

    return OneLanguage


for _identity in sorted(LANGUAGES.keys() & PATHS.keys()):
    globals()[f"Test_{_identity}"] = suite(_identity)


def test_every_built_in_language_has_examples() -> None:
    assert set(PATHS) == set(LANGUAGES)


DOCUMENT = (Path(__file__).parents[2] / "flowforge" / "docs" / "languages.md").read_text()


def test_every_language_that_is_merged_by_its_parts_is_documented_with_its_files() -> None:
    table = DOCUMENT.partition("| language | files |")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", table, re.MULTILINE)
    said = {name: tuple(re.findall(r"`([^`]+)`", globs)) for name, globs in rows}
    assert said == {name: known.globs for name, known in LANGUAGES.items() if known.entities}


def test_the_documented_example_of_a_language_registers_one(tmp_path: Path) -> None:
    example = tmp_path / "lua.py"
    example.write_text(re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)[0])
    (language,) = runpy.run_path(str(example))["register_languages"]()
    assert (language.id, language.globs) == ("lua", ("*.lua",))


MODULES = sorted({point.value for point in discover() if point.value.startswith("flowforge_plugins.")})


@pytest.mark.parametrize("name", MODULES)
def test_importing_a_built_in_plugin_costs_next_to_nothing(name: str) -> None:
    one = PluginContract()
    type(one).module = name
    one.test_importing_it_costs_next_to_nothing()
    one.test_it_registers_something_by_a_hook()
