"""YAML to a `Pipeline`, or all problems at once.

Four passes over one tree: read (and merge what is extended), shape, meaning, what is not supported yet. Only reading
stops at its first problem; the rest is collected, sorted by place and reported together.
"""

import importlib.resources
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flowforge.core.concurrency import Concurrency
from flowforge.core.errors import Reason, Refused
from flowforge.core.pipeline import (
    Limits,
    Network,
    OnFailure,
    Pipeline,
    Retry,
    StageSpec,
)
from flowforge.pipeline.check import Catalog, check_meaning
from flowforge.pipeline.document import Node
from flowforge.pipeline.extends import Extender, Read
from flowforge.pipeline.models import Definition, StageModel
from flowforge.pipeline.options import OPTIONS
from flowforge.pipeline.problems import Problem
from flowforge.pipeline.shape import check_plugin_options, check_shape
from flowforge.pipeline.support import not_yet

MAX_PROBLEMS = 100
FILE = ".flowforge.yml"  # where a repository keeps its definition
_PACKAGE = "flowforge_pipelines"
ADVISORY = frozenset({"review"})  # stages that no pipeline ends for


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """Either a pipeline, or why there is none; problems are sorted by place."""

    pipeline: Pipeline | None
    problems: tuple[Problem, ...] = ()

    def required(self) -> Pipeline:
        """The pipeline.

        Raises:
            Refused: with reason pipeline_invalid; the evidence has a line for every problem.
        """
        if self.pipeline is not None:
            return self.pipeline
        first, more = self.problems[0], len(self.problems) - 1
        raise Refused(
            Reason.PIPELINE_INVALID,
            f"{first}{f', and {more} more' if more else ''}",
            next_action=f"correct the definition; flowforge explain {first.code} tells more",
            evidence="\n".join(str(problem) for problem in self.problems),
        )


def _nothing(_path: str) -> bytes | None:
    return None


def load_pipeline(
    data: bytes, path: str = FILE, *, catalog: Catalog, read: Read = _nothing, source: str = ""
) -> Loaded:
    """Read a definition.

    Args:
        data: the file as it is.
        path: names it in messages.
        catalog: what installed plugins add.
        read: gives a file of the same commit by its path, for `extends`; None where there is none.
        source: kept with the pipeline: path and commit id.
    """
    extender = Extender(read, shipped_definitions())
    root = extender.load(data, path)
    problems = list(extender.problems)
    if root is not None:
        problems += _all_problems(root, catalog)
    if problems or root is None:
        return Loaded(pipeline=None, problems=_in_order(problems))
    return Loaded(pipeline=_convert(root, source or path))


@lru_cache(maxsize=1)
def shipped_definitions() -> Mapping[str, bytes]:
    """Definitions that come with FlowForge, by name."""
    folder = importlib.resources.files(_PACKAGE)
    files = {
        file.name.removesuffix(".yaml"): file for file in folder.iterdir() if file.name.endswith(".yaml")
    }
    return {name: files[name].read_bytes() for name in sorted(files)}


def load_shipped(name: str, *, catalog: Catalog) -> Loaded:
    """Read a shipped definition by name.

    Raises:
        Refused: with reason pipeline_missing.
    """
    definitions = shipped_definitions()
    if name not in definitions:
        raise Refused(
            Reason.PIPELINE_MISSING,
            f"there is no pipeline {name[:60]!r}",
            next_action=f"name one of {', '.join(definitions)}, or a file",
        )
    return load_pipeline(definitions[name], f"flowforge:{name}", catalog=catalog)


def _all_problems(root: Node, catalog: Catalog) -> list[Problem]:
    return [
        *check_shape(root),
        *check_meaning(root, catalog),
        *check_plugin_options(root, catalog.stages),
        *not_yet(root),
    ]


def _in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    ordered = sorted(dict.fromkeys(problems), key=lambda p: (p.mark, p.code, p.message))
    return tuple(ordered[:MAX_PROBLEMS])


def _convert(root: Node, source: str) -> Pipeline:
    definition = Definition.model_validate(root.plain())
    limits = definition.limits
    return Pipeline(
        name=definition.name,
        version=definition.version,
        stages=_stages(definition.stages, root.children("stages")),
        last=_stages(definition.finally_, root.children("finally")),
        env=dict(definition.env),
        limits=Limits(
            wall=limits.wall,
            attempts=limits.attempts,
            model_usd=limits.model_usd,
            model_calls=limits.model_calls,
        ),
        concurrency=_concurrency(definition),
        triggers=definition.triggers.model_dump(mode="json", exclude_none=True),
        source=source,
    )


def _concurrency(definition: Definition) -> Concurrency | None:
    asked = definition.concurrency
    return Concurrency(group=asked.group, policy=asked.policy, pipeline=definition.name) if asked else None


def _stages(models: Iterable[StageModel], nodes: Iterable[Node]) -> tuple[StageSpec, ...]:
    return tuple(_stage(model, node.mark.line) for model, node in zip(models, nodes, strict=True))


def _stage(model: StageModel, line: int) -> StageSpec:
    retry, cache = model.retry, model.cache
    return StageSpec(
        id=model.id or model.uses,
        uses=model.uses,
        options=_options(model),
        run=model.run,
        image=model.image,
        network=Network(model.network),
        timeout=model.timeout,
        cpu=model.cpu,
        memory=model.memory,
        env=dict(model.env),
        matrix={name: tuple(values) for name, values in model.matrix.items()},
        cache_key=cache.key if cache else "",
        cache_paths=tuple(cache.paths) if cache else (),
        junit=model.junit,
        retry=Retry(on=tuple(retry.on), max=retry.max) if retry else Retry(),
        compare_base=model.compare_base,
        when=model.when.strip(),
        on_failure=OnFailure.CONTINUE if model.uses in ADVISORY else OnFailure(model.on_failure),
        line=line,
    )


def _options(model: StageModel) -> Mapping[str, Any]:
    """The stage's options with every default filled in; a plugin's as they were written."""
    options = OPTIONS.get(model.uses)
    if options is None:
        return model.with_
    return options.model_validate(model.with_).model_dump(mode="json")
