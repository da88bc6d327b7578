"""Which definition a job runs: the one it was given, a shipped one by name, or the repository's own file.

The repository's file is read from the target branch: whoever may push there decides what runs. Its commit id stays
with the pipeline.
"""

from dataclasses import dataclass

from flowforge.core.errors import Reason, Refused
from flowforge.core.pipeline import Pipeline
from flowforge.git.mirror import Mirror, Tips
from flowforge.hooks.manager import Registry
from flowforge.pipeline.check import Catalog
from flowforge.pipeline.load import FILE, load_pipeline, load_shipped

DEFAULT = "rebase-and-resolve"  # for a repository that has no file of its own
_MOST = 1 << 16  # bytes, of a definition


@dataclass(frozen=True, kw_only=True)
class Given:
    """A definition that came with the request."""

    text: bytes
    path: str  # names it in messages


@dataclass(frozen=True, kw_only=True)
class Found:
    pipeline: Pipeline
    fetched: Tips | None = None  # the tips, where the target had to be fetched for it


def find_definition(
    asked: str, given: Given | None, mirror: Mirror, branch: str, target: str, registry: Registry
) -> Found:
    """Read the definition: `given`, else the shipped one that `asked` names, else the file on the target branch.

    Raises:
        Refused: pipeline_invalid with every problem as evidence; pipeline_missing for an unknown name.
        FlowForgeError: what `Mirror.fetch` raises.
    """
    catalog = Catalog.of(registry)
    if given is not None:
        return Found(pipeline=load_pipeline(given.text, given.path, catalog=catalog).required())
    if asked:
        return Found(pipeline=load_shipped(asked, catalog=catalog).required())
    tips = mirror.fetch(branch, target)
    text = mirror.read_file(tips.target, FILE)
    if text is None:
        return Found(pipeline=load_shipped(DEFAULT, catalog=catalog).required(), fetched=tips)
    if len(text) > _MOST:
        raise Refused(
            Reason.PIPELINE_INVALID,
            f"{FILE} has {len(text)} bytes, {_MOST} are read at most",
            next_action="make it smaller",
        )
    loaded = load_pipeline(
        text,
        FILE,
        catalog=catalog,
        read=lambda path: mirror.read_file(tips.target, path, _MOST),
        source=f"{FILE}@{tips.target}",
    )
    return Found(pipeline=loaded.required(), fetched=tips)
