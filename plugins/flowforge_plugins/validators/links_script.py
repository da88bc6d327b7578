"""JavaScript and TypeScript: names imported from files by a relative path, and what a file exports."""

import posixpath
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from tree_sitter import Node

from flowforge_plugins.validators.links import Links, LinksOf, Need
from flowforge_plugins.validators.scopes import root_of, words
from flowforge_plugins.validators.scopes_script import GRAMMARS

_ENDINGS = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx")


def links_of(language: str) -> LinksOf:
    return partial(_links, language)


def _links(language: str, path: str, text: bytes) -> Links | None:
    root = root_of(GRAMMARS[language], text)
    if root is None:
        return None
    needs: list[Need] = []
    offers: dict[str, int] = {}
    anything = False
    for node in _statements(root):
        if node.type == "import_statement":
            needs.extend(_imported(node, path))
        elif node.type == "variable_declarator":
            needs.extend(_required(node, path))
        elif node.type == "export_statement":
            needs.extend(_passed_on(node, path))
            found = list(_exported(node))
            anything = anything or "*" in found
            offers.update(dict.fromkeys(found, node.start_point[0] + 1))
        elif node.type == "assignment_expression":
            left = words(node.child_by_field_name("left"))
            if left in {"module.exports", "exports"}:
                keys = _keys(node.child_by_field_name("right"))
                anything = anything or keys is None
                offers.update(dict.fromkeys(keys or (), node.start_point[0] + 1))
            elif left.startswith(("exports.", "module.exports.")):
                offers[left.rpartition(".")[2]] = node.start_point[0] + 1
    common = b"exports" in text and not any(node.type == "export_statement" for node in root.named_children)
    return Links(needs=needs, offers=offers, anything=anything or (common and not offers))


def _statements(root: Node) -> Iterator[Node]:
    """What stands at file level, two steps down: that is where imports and exports are."""
    for node in root.named_children:
        yield node
        if node.type in {"lexical_declaration", "variable_declaration", "expression_statement"}:
            yield from node.named_children


def _source(node: Node, path: str) -> tuple[str, ...]:
    said = words(node.child_by_field_name("source")).strip("'\"")
    return _places(said, path)


def _places(said: str, path: str) -> tuple[str, ...]:
    if not said.startswith("."):
        return ()
    place = posixpath.normpath(posixpath.join(posixpath.dirname(path), said))
    stem, ending = posixpath.splitext(place)
    return (place, stem) if ending in _ENDINGS else (place,)


def _imported(node: Node, path: str) -> Iterator[Need]:
    places, line = _source(node, path), node.start_point[0] + 1
    if not places:
        return
    says = words(node.child_by_field_name("source")).strip("'\"")
    yield Need(places=places, name="", line=line, says=says)
    for clause in (child for child in node.named_children if child.type == "import_clause"):
        for child in clause.named_children:
            yield from _of_clause(child, Need(places=places, name="", line=line, says=says))


def _of_clause(node: Node, need: Need) -> Iterator[Need]:
    if node.type == "identifier":
        yield replace(need, name="default")
    elif node.type == "named_imports":
        for one in node.named_children:
            if one.type == "import_specifier":
                name = words(one.child_by_field_name("name"))
                yield replace(need, name=name, line=one.start_point[0] + 1)


def _required(node: Node, path: str) -> Iterator[Need]:
    """`const {a, b: c} = require('./x')`."""
    value, name = node.child_by_field_name("value"), node.child_by_field_name("name")
    if (
        value is None
        or value.type != "call_expression"
        or words(value.child_by_field_name("function")) != "require"
    ):
        return
    arguments = value.child_by_field_name("arguments")
    strings = (
        [one for one in arguments.named_children if one.type == "string"] if arguments is not None else []
    )
    places = _places(words(strings[0]).strip("'\""), path) if strings else ()
    if not places:
        return
    says = words(strings[0]).strip("'\"")
    yield Need(places=places, name="", line=node.start_point[0] + 1, says=says)
    for one in name.named_children if name is not None and name.type == "object_pattern" else ():
        key = one.child_by_field_name("key") or one.child_by_field_name("left") or one
        if key.type in {"property_identifier", "shorthand_property_identifier_pattern"}:
            yield Need(places=places, name=words(key), line=one.start_point[0] + 1, says=says)


def _passed_on(node: Node, path: str) -> Iterator[Need]:
    """`export {a} from './x'`."""
    places = _source(node, path) if node.child_by_field_name("source") is not None else ()
    if not places:
        return
    says = words(node.child_by_field_name("source")).strip("'\"")
    for one in _specifiers(node):
        name = words(one.child_by_field_name("name"))
        yield Need(places=places, name=name, line=one.start_point[0] + 1, says=says)


def _specifiers(node: Node) -> Iterator[Node]:
    for clause in node.named_children:
        if clause.type == "export_clause":
            yield from (one for one in clause.named_children if one.type == "export_specifier")


def _exported(node: Node) -> Iterator[str]:
    """Names that an export statement offers; "*" for those that cannot be seen."""
    if any(child.type == "default" for child in node.children):
        yield "default"
    if any(child.type in {"*", "namespace_export"} for child in node.children):
        yield "*"
    for one in _specifiers(node):
        yield words(one.child_by_field_name("alias") or one.child_by_field_name("name"))
    declaration = node.child_by_field_name("declaration")
    if declaration is None:
        return
    name = declaration.child_by_field_name("name")
    if name is not None:
        yield words(name)
    for one in declaration.named_children:
        if one.type == "variable_declarator":
            found = one.child_by_field_name("name")
            yield words(found) if found is not None and found.type == "identifier" else "*"


def _keys(node: Node | None) -> list[str] | None:
    """The keys of an object; None where they cannot all be seen."""
    if node is None or node.type != "object":
        return None
    keys = []
    for one in node.named_children:
        key = one.child_by_field_name("key") or one.child_by_field_name("name") or one
        if one.type == "comment":
            continue
        if key.type not in {"property_identifier", "shorthand_property_identifier"}:
            return None
        keys.append(words(key))
    return keys
