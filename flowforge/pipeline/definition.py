"""Which definition a job runs: the one it was given, a shipped one by name, or the repository's own file.

The repository's file is read from the target branch: whoever may push there decides what runs. Its commit id stays
with the pipeline.
"""

import re
from dataclasses import dataclass, replace

from flowforge.core.errors import Reason, Refused
from flowforge.core.pipeline import Pipeline
from flowforge.git.mirror import Mirror, Tips
from flowforge.hooks.manager import Registry
from flowforge.pipeline.check import Catalog
from flowforge.pipeline.load import FILE, load_pipeline, shipped_definitions

DEFAULT = "rebase-and-resolve"  # for a repository that has no file of its own
_AT_COMMIT = re.compile(r"(?P<path>.+)@(?P<commit>[0-9a-f]{40}|[0-9a-f]{64})")
MAX_BYTES = 1 << 16  # of a file that a definition extends; its own size is the loader's to judge


@dataclass(frozen=True, kw_only=True)
class Given:
    """A definition's text. `source` is a name for messages, or "PATH@COMMIT" for a file of the repository."""

    text: bytes
    source: str

    @property
    def path(self) -> str:
        found = _AT_COMMIT.fullmatch(self.source)
        return found["path"] if found else self.source

    @property
    def commit(self) -> str:
        """Empty for a definition that is no file of the repository."""
        found = _AT_COMMIT.fullmatch(self.source)
        return found["commit"] if found else ""


@dataclass(frozen=True, kw_only=True)
class Found:
    given: Given  # what was read, so that a later attempt runs the same
    pipeline: Pipeline
    fetched: Tips | None = None  # the tips, where the target had to be fetched for it


def find_definition(asked: str, mirror: Mirror, branch: str, target: str, registry: Registry) -> Found:
    """Read the shipped definition that `asked` names, else the file on the target branch, else the default.

    Raises:
        Refused: pipeline_invalid with every problem as evidence; pipeline_missing for an unknown name.
        FlowForgeError: what `Mirror.fetch` raises.
    """
    if asked:
        return read_definition(shipped(asked), mirror, registry)
    tips = mirror.fetch(branch, target)
    text = mirror.read_file(tips.target, FILE)
    given = shipped(DEFAULT) if text is None else Given(text=text, source=f"{FILE}@{tips.target}")
    return replace(read_definition(given, mirror, registry), fetched=tips)


def shipped(name: str) -> Given:
    """A definition that comes with FlowForge.

    Raises:
        Refused: with reason pipeline_missing.
    """
    definitions = shipped_definitions()
    if name not in definitions:
        raise Refused(
            Reason.PIPELINE_MISSING,
            f"there is no pipeline {name[:60]!r}",
            next_action=f"name one of {', '.join(definitions)}, or leave it out for the repository's own file",
        )
    return Given(text=definitions[name], source=f"flowforge:{name}")


def read_definition(given: Given, mirror: Mirror, registry: Registry) -> Found:
    """Read a definition that is already known: given with the request, or stored by an earlier attempt.

    Raises:
        Refused: pipeline_invalid with every problem as evidence.
    """
    loaded = load_pipeline(
        given.text,
        given.path,
        catalog=Catalog.of(registry),
        read=lambda path: mirror.read_file(given.commit, path, MAX_BYTES) if given.commit else None,
        source=given.source,
    )
    return Found(given=given, pipeline=loaded.required())
