"""What people type, as requests of the API; what is wrong with it in a sentence, before a server is asked."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from flowforge.api.models import JobIn
from flowforge.core.errors import Reason, Refused

Shape = TypeVar("Shape", bound=BaseModel)
T = TypeVar("T")


def job_in(**wanted: Any) -> JobIn:
    """A request for a job.

    Raises:
        Refused: naming each value that is not possible.
    """
    return shaped(JobIn, wanted)


def shaped(shape: type[Shape], values: Mapping[str, Any]) -> Shape:
    """Values checked as the server will check them, without repeating them."""
    try:
        return shape.model_validate(dict(values))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        said = "; ".join(f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in found[:10])
        raise invalid(said, "correct it; --help describes each") from None


def variables(words: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """NAME=VALUE as it is; NAME alone takes the caller's own value, so that a secret need not be typed.

    Raises:
        Refused: a name that the caller's environment does not have.
    """
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals and name not in environment:
            raise invalid(
                f"{name!r} is not set in your environment", f"write {name}=VALUE, or export it first"
            )
        found[name] = value if equals else environment[name]
    return found


def listed(page: Callable[[str | None], tuple[list[T], str | None]], limit: int) -> list[T]:
    """Rows of as many pages as `limit` takes."""
    found, cursor = page(None)
    while cursor and len(found) < limit:
        more, cursor = page(cursor)
        found = [*found, *more]
    return found[:limit]


def invalid(sentence: str, next_action: str) -> Refused:
    return Refused(Reason.INVALID_REQUEST, sentence, next_action=next_action)
