"""The JSON Schema (draft-07) of a definition, for editors: `flowforge pipeline schema`."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from flowforge.pipeline.models import Definition
from flowforge.pipeline.options import OPTIONS

_REF = "#/definitions/{model}"
_DRAFT = "http://json-schema.org/draft-07/schema#"


def json_schema() -> dict[str, Any]:
    """Made from the same models that validate; the `with` of each built-in stage is checked by what it uses."""
    schema = _schema_of(Definition)
    definitions: dict[str, Any] = schema.pop("definitions")
    rules = []
    for name, model in OPTIONS.items():
        options = _schema_of(model)
        definitions.update(options.pop("definitions", {}))
        definitions[model.__name__] = options
        rules.append(_rule(name, model.__name__))
    definitions["StageModel"]["allOf"] = rules
    return {
        "$schema": _DRAFT,
        "title": "FlowForge pipeline",
        "description": "A .flowforge.yml, version 1",
        **{key: value for key, value in schema.items() if key not in {"title", "description"}},
        "definitions": dict(sorted(definitions.items())),
    }


def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True, ref_template=_REF)
    if "$defs" in schema:
        schema["definitions"] = schema.pop("$defs")
    return schema


def _rule(uses: str, model: str) -> Mapping[str, Any]:
    return {
        "if": {"properties": {"uses": {"const": uses}}, "required": ["uses"]},
        "then": {"properties": {"with": {"$ref": _REF.format(model=model)}}},
    }
