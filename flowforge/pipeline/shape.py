"""The models over the tree: every error of pydantic as a problem of ours, at its place."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from flowforge.hooks.contracts import Stage
from flowforge.pipeline.document import Node, kind_of
from flowforge.pipeline.models import Definition
from flowforge.pipeline.options import OPTIONS
from flowforge.pipeline.problems import Mark, Problem, shown, suggest

Loc = Sequence[str | int]

_EXPECTED = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping",
    "model": "a mapping",
}


def check_shape(root: Node) -> Iterator[Problem]:
    """Problems of the definition against its models, the `with` of built-in stages included."""
    yield from _against(Definition, root)
    for stage in (*root.children("stages"), *root.children("finally")):
        model, options = OPTIONS.get(stage.text("uses")), stage.get("with")
        if model is not None and options is not None and options.entries is not None:
            yield from _against(model, options)


def check_plugin_options(root: Node, stages: Mapping[str, Stage]) -> Iterator[Problem]:
    """Problems of the `with` of plugins' stages against their JSON schemas."""
    for stage in (*root.children("stages"), *root.children("finally")):
        plugin = stages.get(stage.text("uses"))
        if plugin is not None and stage.text("uses") not in OPTIONS and plugin.options:
            yield from _against_schema(plugin, stage)


def _against_schema(plugin: Stage, stage: Node) -> Iterator[Problem]:
    from jsonschema import Draft7Validator  # 0.15 s to import, and few definitions use a plugin's stage

    options = stage.get("with")
    node = options if options is not None else Node(mark=stage.mark, entries={})
    for error in Draft7Validator(dict(plugin.options)).iter_errors(node.plain()):
        mark = _mark(node, tuple(error.absolute_path))
        yield Problem(mark=mark, code="FF025", message=f"stage {plugin.name!r}: {error.message[:200]}")


def _against(model: type[BaseModel], node: Node) -> Iterator[Problem]:
    try:
        model.model_validate(node.plain())
    except ValidationError as error:
        for one in error.errors(include_url=False):
            yield _problem(model, node, one)


def _problem(model: type[BaseModel], root: Node, error: Mapping[str, Any]) -> Problem:
    loc: Loc = error["loc"]
    kind: str = error["type"]
    if kind == "flowforge":
        sentence, code = str(error["ctx"]["sentence"]), str(error["ctx"]["code"])
        return Problem(mark=_mark(root, loc), code=code, message=f"{_name(loc)} {sentence}".strip())
    if kind == "extra_forbidden":
        key = str(loc[-1])
        known = _keys(model, loc[:-1])
        message = f"unknown key {shown(key)}{_inside(loc[:-1])}"
        return Problem(
            mark=_key_mark(root, loc), code="FF012", message=message, suggestion=suggest(key, known)
        )
    if kind == "missing":
        return Problem(
            mark=_mark(root, loc[:-1]), code="FF013", message=f"`{loc[-1]}` is missing{_inside(loc[:-1])}"
        )
    return _of_value(root, loc, error)


def _of_value(root: Node, loc: Loc, error: Mapping[str, Any]) -> Problem:
    kind: str = error["type"]
    mark, name = _mark(root, loc), _name(loc)
    if kind.endswith(("_type", "_parsing", "_from_float")) or kind == "is_instance_of":
        wanted = _EXPECTED.get(kind.split("_", maxsplit=1)[0], "another type")
        found = _node(root, loc)
        given = kind_of(found) if found is not None else "this"
        return Problem(mark=mark, code="FF014", message=f"{name} takes {wanted}, not {given}")
    if kind == "literal_error":
        given = str(error.get("input"))
        expected = [
            word.strip("'") for word in str(error["ctx"]["expected"]).replace(" or ", ", ").split(", ")
        ]
        message = f"{name} is one of {', '.join(expected)}; not {shown(error.get('input'))}"
        return Problem(mark=mark, code="FF015", message=message, suggestion=suggest(given, expected))
    said = (
        str(error["msg"])
        .replace("Input should", "should")
        .replace("Value should", "should")
        .replace(" after validation", "")
    )
    return Problem(mark=mark, code="FF015", message=f"{name} {said[:1].lower()}{said[1:]}")


def _node(root: Node, loc: Loc) -> Node | None:
    node: Node | None = root
    for step in loc:
        if node is None:
            return None
        if isinstance(step, int):
            node = node.items[step] if node.items is not None and step < len(node.items) else None
        else:
            node = node.get(step)
    return node


def _mark(root: Node, loc: Loc) -> Mark:
    """The deepest place on the way that exists."""
    for length in range(len(loc), -1, -1):
        node = _node(root, loc[:length])
        if node is not None:
            return node.mark
    return root.mark


def _key_mark(root: Node, loc: Loc) -> Mark:
    parent = _node(root, loc[:-1])
    return parent.at(str(loc[-1])) if parent is not None else _mark(root, loc)


def _name(loc: Loc) -> str:
    """The nearest key: what a person wrote before the value."""
    word = next((step for step in reversed(loc) if isinstance(step, str)), "")
    return _quoted(word) if word else "the definition"


def _inside(loc: Loc) -> str:
    word = next((step for step in reversed(loc) if isinstance(step, str)), "")
    return f" in {_quoted(word)}" if word else ""


def _quoted(word: str) -> str:
    """A key of the format as it is; a stranger's (of `env`, of a matrix) so that it cannot break the line."""
    return f"`{word}`" if word.isidentifier() else shown(word)


def _keys(model: type[BaseModel], loc: Loc) -> list[str]:
    """The keys that are known at a place: names of the fields of the model that stands there."""
    current: type[BaseModel] | None = model
    for step in loc:
        if isinstance(step, str) and current is not None:
            field = next((f for n, f in current.model_fields.items() if step in {n, f.alias}), None)
            current = _model_in(field.annotation) if field is not None else None
    return [f.alias or name for name, f in current.model_fields.items()] if current is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)
