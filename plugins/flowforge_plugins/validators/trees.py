"""Syntax of languages without a reader in Python: whether tree-sitter's grammar parses them without an error.

It says "parses", never "valid": a grammar forgives more than a compiler, and now and then less.
"""

import importlib
from collections.abc import Iterator
from functools import partial

from tree_sitter import Language, Node, Parser

from flowforge.plugin import CheckedFile, Finding
from flowforge_plugins.validators.newly import Problem, newly_broken

GRAMMARS = {  # language id -> module and function that give its grammar
    "bash": ("tree_sitter_bash", "language"),
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
    "csharp": ("tree_sitter_c_sharp", "language"),
    "css": ("tree_sitter_css", "language"),
    "go": ("tree_sitter_go", "language"),
    "java": ("tree_sitter_java", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "kotlin": ("tree_sitter_kotlin", "language"),
    "php": ("tree_sitter_php", "language_php"),
    "ruby": ("tree_sitter_ruby", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "scala": ("tree_sitter_scala", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
}


def check(file: CheckedFile) -> Iterator[Finding]:
    return newly_broken(file, f"{file.language}-syntax", partial(_parse, _parser(file.language)))


def _parser(language: str) -> Parser:
    module, function = GRAMMARS[language]
    return Parser(Language(getattr(importlib.import_module(module), function)()))


def _parse(parser: Parser, text: bytes) -> Problem | None:
    root = parser.parse(text).root_node
    if not root.has_error:
        return None
    node = _first_error(root)
    what = f"{node.type!r} is missing" if node.is_missing else "this does not parse"
    return Problem(message=f"does not parse: {what}", line=node.start_point[0] + 1)


def _first_error(node: Node) -> Node:
    """The deepest first node that is wrong itself."""
    while not (node.is_error or node.is_missing):
        inner = next((child for child in node.children if child.has_error or child.is_missing), None)
        if inner is None:
            return node
        node = inner
    return node
