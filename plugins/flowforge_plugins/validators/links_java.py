"""Java: imported classes, members of a class named by it, and what a class offers."""

import posixpath
from collections.abc import Iterator

from tree_sitter import Node

from flowforge_plugins.validators.links import Links, Need
from flowforge_plugins.validators.scopes import root_of, words
from flowforge_plugins.validators.scopes_java import GRAMMAR, facts_of

_ALWAYS = {"class", "this", "super", "length", "values", "valueOf", "super()", "builder"}


def links(path: str, text: bytes) -> Links | None:
    root, facts = root_of(GRAMMAR, text), facts_of(text)
    if root is None or facts is None:
        return None
    offers = {one.name.removesuffix("()"): one.line for one in facts.declared if one.kind != "import"}
    imports = {one.name: _path(one.text) for one in facts.declared if one.kind == "import"}
    needs = [*_imported(root), *_members(root, path, imports, offers)]
    folder = posixpath.dirname(path)
    needs += [
        Need(places=(posixpath.join(folder, name),), name="", line=line, says=name)
        for name, line in facts.unresolved.items()
        if name[:1].isupper() and not name.endswith("()")
    ]
    return Links(needs=needs, offers=offers, anything=facts.open or b"lombok" in text)


def _path(statement: bytes) -> str:
    return statement.decode("utf-8", "replace").removeprefix("import").strip(" ;").replace(".", "/")


def _imported(root: Node) -> Iterator[Need]:
    for node in root.named_children:
        if node.type != "import_declaration" or any(
            child.type == "asterisk" for child in node.named_children
        ):
            continue
        said = words(
            next((child for child in node.named_children if child.type == "scoped_identifier"), None)
        )
        static = any(child.type == "static" for child in node.children)
        owner, _, name = said.rpartition(".") if static else (said, "", "")
        place = "*/" + owner.replace(".", "/")
        yield Need(places=(place,), name=name, line=node.start_point[0] + 1, says=owner)


def _members(root: Node, path: str, imports: dict[str, str], own: dict[str, int]) -> Iterator[Need]:
    """`Name.member`, where Name is an imported class or one of the same package."""
    folder = posixpath.dirname(path)
    todo = [root]
    while todo:
        node = todo.pop()
        todo.extend(node.named_children)
        owner, member = node.child_by_field_name("object"), None
        if node.type == "method_invocation":
            member = node.child_by_field_name("name")
        elif node.type == "field_access":
            member = node.child_by_field_name("field")
        name = words(owner) if owner is not None and owner.type == "identifier" else ""
        if member is None or not name[:1].isupper() or name in own or words(member) in _ALWAYS:
            continue
        place = f"*/{imports[name]}" if name in imports else posixpath.join(folder, name)
        yield Need(places=(place,), name=words(member), line=node.start_point[0] + 1, says=name)
