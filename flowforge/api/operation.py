"""What a handler promises, declared beside it: who may call it, what it answers, how it is filed in the docs.

One declaration feeds three readers, so they cannot disagree: the guard (`auth`), the OpenAPI document
(`openapi`) and the list of routes in the docs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from flowforge.core.access import Operation

Handler = TypeVar("Handler", bound=Callable[..., Any])

_MARK = "__flowforge_contract__"


@dataclass(frozen=True, kw_only=True)
class Contract:
    """One handler's promise. `needs` None means that no token is asked for."""

    name: str  # operationId, unique in the document
    tag: str
    needs: Operation | None
    answers: Mapping[int, type[BaseModel] | None]
    media: Mapping[int, str] = field(default_factory=dict)  # status -> media type, where it is not JSON
    refuses: tuple[int, ...] = ()  # problem statuses beyond those that every route of its kind has
    headers: Mapping[str, str] = field(default_factory=dict)  # request header -> what it is for
    sends: Mapping[str, str] = field(default_factory=dict)  # header of a good answer -> what it says


def operation(contract: Contract) -> Callable[[Handler], Handler]:
    """Attach a contract to a handler and change nothing else about it."""

    def attach(handler: Handler) -> Handler:
        setattr(handler, _MARK, contract)
        return handler

    return attach


def contract_of(handler: object) -> Contract | None:
    """The contract of a handler, of a bound handler, or of one that was wrapped."""
    found = getattr(handler, _MARK, None)
    return found if isinstance(found, Contract) else None
