"""Types of fields that the models of a definition share. A validator's error type is the code of its problem."""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from flowforge.core.concurrency import MAX_TEMPLATE, BadTemplate, parse_template
from flowforge.pipeline import environment, quantities

_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}", re.ASCII)
MAX_TEXT = 8192


class Strict(BaseModel):
    """No unknown keys, no guessing of types; a key's name in YAML is its alias."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=False, use_enum_values=False)


def _fail(code: str, sentence: str) -> PydanticCustomError:
    return PydanticCustomError("flowforge", "{sentence}", {"sentence": sentence, "code": code})


def _duration(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    try:
        return quantities.seconds(str(value))
    except ValueError as error:
        raise _fail("FF017", f"{value!r} {error}") from error


def _size(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return value
    try:
        return quantities.size(str(value))
    except ValueError as error:
        raise _fail("FF018", f"{value!r} {error}") from error


def _dollars(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    try:
        return quantities.dollars(value)
    except ValueError as error:
        raise _fail("FF019", f"{value!r} {error}") from error


def _id(value: object) -> object:
    if isinstance(value, str) and not _ID.fullmatch(value):
        raise _fail("FF022", f"{value[:60]!r} is no id: letters, digits, - and _, a letter first")
    return value


def _version(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value != 1:
        raise _fail("FF016", f"{value} is not known; this FlowForge knows version 1")
    return value


def _pattern(value: object) -> object:
    if isinstance(value, str) and (not value or value.startswith("/") or ".." in value.split("/")):
        raise _fail("FF029", f"{value[:60]!r} is no path or pattern below the repository's root")
    return value


def _text(value: object) -> object:
    if isinstance(value, int | float):
        raise _fail("FF014", "takes text: put the value in quotes")
    return value


def _group(value: object) -> object:
    if isinstance(value, str):
        try:
            parse_template(value)
        except BadTemplate as error:
            raise _fail("FF034", f"{value[:60]!r} cannot be read: {error}") from error
    return value


def _condition(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


_DURATION_SCHEMA = {
    "type": "string",
    "pattern": r"^(\d+h)?(\d+m)?(\d+s)?$",
    "minLength": 2,
    "examples": ["45m"],
}
_SIZE_SCHEMA = {"type": ["string", "integer"], "pattern": r"^\d+(Ki|Mi|Gi|Ti|k|M|G|T)?$", "examples": ["4Gi"]}

Duration = Annotated[float, BeforeValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
Size = Annotated[int, BeforeValidator(_size), WithJsonSchema(_SIZE_SCHEMA)]
Dollars = Annotated[
    Decimal, BeforeValidator(_dollars), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1000})
]
Id = Annotated[str, BeforeValidator(_id), WithJsonSchema({"type": "string", "pattern": f"^{_ID.pattern}$"})]
Version = Annotated[int, BeforeValidator(_version), WithJsonSchema({"const": 1})]
Pattern = Annotated[str, BeforeValidator(_pattern), Field(max_length=500)]
Quoted = Annotated[str, BeforeValidator(_text), Field(max_length=environment.MAX_VALUE)]
Line = Annotated[str, Field(min_length=1, max_length=200)]
GroupTemplate = Annotated[
    str,
    BeforeValidator(_group),
    WithJsonSchema(
        {"type": "string", "minLength": 1, "maxLength": MAX_TEMPLATE, "examples": ["deploy-{target}"]}
    ),
]
Command = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
Condition = Annotated[str, BeforeValidator(_condition), WithJsonSchema({"type": ["string", "boolean"]})]
AnyMapping = dict[str, Any]
