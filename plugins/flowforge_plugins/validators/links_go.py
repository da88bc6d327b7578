"""Go: names of the same package in other files, exported names of other packages, and what a file declares.

A place here is a folder: what one file of a package lost, another may have.
"""

import posixpath
import re
from collections.abc import Iterator

from tree_sitter import Node

from flowforge_plugins.validators.links import Links, Need
from flowforge_plugins.validators.scopes import root_of, words
from flowforge_plugins.validators.scopes_go import GRAMMAR, facts_of

_PACKAGE = re.compile(rb"^package\s+(\w+)", re.MULTILINE)
_BUILD = re.compile(rb"^//\s*(?:go:build|\+build)\b", re.MULTILINE)
_PLATFORM = re.compile(
    r"_(?:linux|windows|darwin|unix|amd64|arm64|386|plan9|js|wasm|[a-z]*bsd)(?:_test)?\.go$"
)


def links(path: str, text: bytes) -> Links | None:
    root, facts = root_of(GRAMMAR, text), facts_of(text)
    if root is None or facts is None:
        return None
    offers = {one.name: one.line for one in facts.declared if one.top and one.kind != "import"}
    here = place_of(path, text)
    needs = [
        Need(places=(here,), name=name, line=line, says="its package")
        for name, line in facts.unresolved.items()
    ]
    packages = {
        one.name: one.text.decode("utf-8", "replace").rpartition('"')[0].rpartition('"')[2]
        for one in facts.declared
        if one.kind == "import" and one.text.endswith(b'"')
    }
    return Links(needs=[*needs, *_qualified(root, packages)], offers=offers, anything=facts.open)


def place_of(path: str, text: bytes) -> str:
    """The folder, and the package where it is not the one that the folder is imported as."""
    found = _PACKAGE.search(text)
    package = found[1].decode() if found else ""
    return posixpath.dirname(path) + (":test" if package.endswith("_test") else "")


def alone(path: str, text: bytes) -> bool:
    """Whether a file stands for some platforms only, so that others may define the same."""
    return bool(_PLATFORM.search(path) or _BUILD.search(text))


def _qualified(root: Node, packages: dict[str, str]) -> Iterator[Need]:
    todo = [root]
    while todo:
        node = todo.pop()
        todo.extend(node.named_children)
        if node.type == "selector_expression":
            owner, name = node.child_by_field_name("operand"), node.child_by_field_name("field")
        elif node.type == "qualified_type":
            owner, name = node.child_by_field_name("package"), node.child_by_field_name("name")
        else:
            continue
        said = packages.get(words(owner)) if owner is not None else None
        if said is None or not words(name)[:1].isupper():
            continue
        inner = said.split("/")[1:]  # the first is a host or a module's name
        places = tuple("/".join(inner[start:]) for start in range(len(inner)))
        yield Need(places=places, name=words(name), line=node.start_point[0] + 1, says=said, certain=False)
