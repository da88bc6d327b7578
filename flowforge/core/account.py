"""What is known of a model's answer beside its text."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final


@dataclass(frozen=True, kw_only=True)
class Account:
    """What is known of a model's answer beside its text: kept with it, and shown to the person who judges it.

    Sentences are a model's words, one line each, without anything that a terminal would obey.
    """

    model: str = ""
    prompt_version: str = ""
    prompt_hash: str = ""  # of the question's exact text, without its random words
    redacted: tuple[str, ...] = ()  # kinds of secrets that were taken out of the question
    kept: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()  # edits that are needed in other places, for a person to make
    new_names: tuple[str, ...] = ()  # that stand in no side
    findings: tuple[str, ...] = ()  # what was wrong with earlier answers to the same question
    agreement: str = ""  # how many of the answers that were asked for say the same
    review: str = ""  # what the independent review said
    answers: tuple[str, ...] = ()  # where none was taken: each that was given, cut short

    @property
    def empty(self) -> bool:
        return self == NO_ACCOUNT

    def to_json(self) -> dict[str, Any]:
        """What it says; nothing where it says nothing."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Account":
        """Rebuild from `to_json`, ignoring what a newer version may have added."""
        known: dict[str, Any] = {field.name: data[field.name] for field in fields(cls) if field.name in data}
        for name, value in known.items():
            known[name] = tuple(value) if isinstance(value, list) else value
        return cls(**known)


NO_ACCOUNT: Final = Account()
