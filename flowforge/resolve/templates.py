"""The prompt's texts: read once, checked once, filled in by name. A name that is missing is found at start."""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from flowforge.core.errors import Broken, Reason

_NEEDS: Final = {
    "resolve.system.txt": frozenset(),  # equal for every request, so that it is cached for all of them
    "resolve.commit.txt": frozenset({"delimiter", "commit", "onto", "message", "diff"}),
    "resolve.prompt.txt": frozenset(
        {"delimiter", "path", "language", "upstream_commits", "places", "definitions", "facts", "ids"}
    ),
    "resolve.repair.txt": frozenset({"delimiter", "question", "answer", "problem"}),
}
FILES: Final = tuple(_NEEDS)


@dataclass(frozen=True, kw_only=True)
class Templates:
    """`version` is part of every key under which an answer is kept."""

    version: str
    texts: Mapping[str, string.Template]

    def system(self) -> str:
        return self.texts["resolve.system.txt"].substitute()

    def commit(self, **values: str) -> str:
        return self.texts["resolve.commit.txt"].substitute(values)

    def prompt(self, **values: str) -> str:
        return self.texts["resolve.prompt.txt"].substitute(values)

    def repair(self, **values: str) -> str:
        return self.texts["resolve.repair.txt"].substitute(values)


def read_templates(files: Mapping[str, str], needs: Mapping[str, frozenset[str]] = _NEEDS) -> Templates:
    """Check template files by name; the first line of each is `version: WORD`, and all have the same word.

    `needs` are the files of one kind of question, each with the names that it fills in.

    Raises:
        Broken: a file is missing, names what is not known, leaves out what is needed, or has another version.
    """
    texts: dict[str, string.Template] = {}
    versions: set[str] = set()
    for name, needed in needs.items():
        if name not in files:
            raise _wrong(name, "is missing")
        head, _, text = files[name].partition("\n")
        word, _, version = head.partition(":")
        if word != "version" or not version.strip():
            raise _wrong(name, "does not begin with a line 'version: WORD'")
        versions.add(version.strip())
        texts[name] = _template(name, text, needed)
    if len(versions) > 1:
        raise _wrong(", ".join(needs), f"have different versions ({', '.join(sorted(versions))})")
    return Templates(version=versions.pop(), texts=texts)


def _template(name: str, text: str, needed: frozenset[str]) -> string.Template:
    template = string.Template(text)
    if not template.is_valid():
        raise _wrong(name, "holds a '$' that begins no name (write '$$' for a dollar)")
    named = frozenset(template.get_identifiers())
    if named != needed:
        missing = [f"lacks ${word}" for word in sorted(needed - named)]
        unknown = [f"has the unknown ${word}" for word in sorted(named - needed)]
        raise _wrong(name, ", ".join(missing + unknown))
    return template


def _wrong(name: str, what: str) -> Broken:
    return Broken(
        Reason.CONFIGURATION,
        f"the prompt template {name} {what}",
        next_action="put the shipped template back, or correct this one",
    )
