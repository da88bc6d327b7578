"""A policy as it is kept: what a repository's history has taught, as a JSON text with a version.

`write` and `read` are each other's inverse. Reading takes nothing on trust: a file is written by a program and edited
by people, and decides what may be pushed without asking.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from flowforge.core.errors import Reason, Refused
from flowforge.resolve.counts import Action, Counts
from flowforge.resolve.kinds import FileKind
from flowforge.resolve.policy import Policy
from flowforge.resolve.records import Count, RuleLine, standings

VERSION = 1
MAX_TEXT = 1 << 18  # characters
MAX_K = 1000
SETTING = "policy"  # of a repository, where it holds one


@dataclass(frozen=True, kw_only=True)
class PathsHeldOut:
    """The same over conflicts about paths as a whole."""

    paths: int
    cost: Mapping[str, float]
    shipped: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Figures of a policy learnt from the earlier part alone, over the later part."""

    since: str  # the later part's first day
    files: int
    cost: Mapping[str, float]  # by k
    shipped: Mapping[str, float]  # the same without a history
    paths: PathsHeldOut | None = None  # None: there were none


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """What was learnt, from what, and when. Days are written 2026-12-31."""

    made: str
    head: str  # commit of the repository's default branch
    k: float  # what a wrong answer costs, in hand-backs
    half_life_days: int
    merges: int  # with conflicts
    files: int  # with places
    priors: str  # day of the public counts, "" where there were none
    left_out: tuple[str, ...] = ()  # public repositories that are this one, and do not speak for it
    rules: tuple[RuleLine, ...] = ()
    held_out: HeldOut | None = None
    paths: int = 0  # conflicts about a path as a whole

    def policy(self, kind: Callable[[str], str], start: Policy | None = None) -> Policy:
        """A policy in which these records speak first; `kind` says of which kind of file a path is."""
        return replace(start or Policy(), standings=standings(self.rules), kind=kind)


# ------------------------------------------------------------------------------------------------------ as JSON


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Day = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
_Word = Annotated[str, Field(min_length=1, max_length=200)]


class _Weighed(_Strict):
    right: _Share
    cases: _Share


class _Rule(_Strict):
    rule: Annotated[str, Field(pattern=r"^[^/\s]+/\S(?:.*\S)?$", max_length=200)]
    kind: FileKind
    action: Action
    right: Annotated[int, Field(ge=0, strict=True)]
    cases: Annotated[int, Field(ge=0, strict=True)]
    weighed: _Weighed

    @model_validator(mode="after")
    def _possible(self) -> "_Rule":
        if self.right > self.cases or self.weighed.right > self.weighed.cases + 1e-6:
            raise ValueError("more are right than there are")
        return self


class _Repository(_Strict):
    head: Annotated[str, Field(pattern=r"^(?:[0-9a-f]{40}|[0-9a-f]{64})?$")]
    merges: Annotated[int, Field(ge=0)]
    files: Annotated[int, Field(ge=0)]
    paths: Annotated[int, Field(ge=0)] = 0


class _Priors(_Strict):
    measured: Annotated[str, Field(pattern=r"^(?:\d{4}-\d\d-\d\d)?$")]  # "" = no public counts were used
    left_out: Annotated[list[_Word], Field(max_length=100)] = []


class _PathsHeldOut(_Strict):
    paths: Annotated[int, Field(ge=0)]
    cost: dict[str, _Share]
    shipped: dict[str, _Share]


class _HeldOut(_Strict):
    since: _Day
    files: Annotated[int, Field(ge=0)]
    cost: dict[str, _Share]
    shipped: dict[str, _Share]
    paths: _PathsHeldOut | None = None


class _File(_Strict):
    format: Literal["flowforge-policy"]
    version: Literal[1]
    made: _Day
    repository: _Repository
    k: Annotated[float, Field(gt=1, le=MAX_K)]
    half_life_days: Annotated[int, Field(ge=1)]
    priors: _Priors
    held_out: _HeldOut | None = None
    rules: Annotated[list[_Rule], Field(max_length=2000)]

    @model_validator(mode="after")
    def _each_once(self) -> "_File":
        if len({(rule.rule, rule.kind) for rule in self.rules}) != len(self.rules):
            raise ValueError("a rule is there twice for one kind of file")
        return self


def write_policy(learnt: Learnt) -> str:
    """The file's text; the same knowledge makes the same bytes."""
    return json.dumps(as_json(learnt), indent=2, ensure_ascii=False) + "\n"


def as_json(learnt: Learnt) -> dict[str, Any]:
    held = learnt.held_out
    return {
        "format": "flowforge-policy",
        "version": VERSION,
        "made": learnt.made,
        "repository": _repository_row(learnt),
        "k": learnt.k,
        "half_life_days": learnt.half_life_days,
        "priors": {"measured": learnt.priors, "left_out": list(learnt.left_out)},
        "held_out": None if held is None else _held_row(held),
        "rules": [_row(line) for line in learnt.rules],
    }


def _repository_row(learnt: Learnt) -> dict[str, Any]:
    row = {"head": learnt.head, "merges": learnt.merges, "files": learnt.files}
    return row | {"paths": learnt.paths} if learnt.paths else row


def _held_row(held: HeldOut) -> dict[str, Any]:
    row = {
        "since": held.since,
        "files": held.files,
        "cost": dict(held.cost),
        "shipped": dict(held.shipped),
    }
    paths = held.paths
    if paths is None:
        return row
    return row | {"paths": {"paths": paths.paths, "cost": dict(paths.cost), "shipped": dict(paths.shipped)}}


def _row(line: RuleLine) -> dict[str, Any]:
    weighed = line.count.weighed
    return {
        "rule": line.rule,
        "kind": line.kind.value,
        "action": line.action.value,
        "right": line.count.right,
        "cases": line.count.cases,
        "weighed": {"right": round(weighed.right, 3), "cases": round(weighed.total, 3)},
    }


def read_policy(text: str | bytes, name: str) -> Learnt:
    """Read a policy's text; `name` is what the sentence of a refusal calls it.

    Raises:
        Refused: policy_invalid.
    """
    if len(text) > MAX_TEXT:
        raise _invalid(name, f"it is longer than {MAX_TEXT} characters")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _invalid(name, f"it is no JSON ({str(error)[:80]})") from error
    return policy_from(told, name)


def policy_from(told: object, name: str) -> Learnt:
    """The same from JSON that is read already.

    Raises:
        Refused: policy_invalid.
    """
    version = told.get("version") if isinstance(told, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise _invalid(name, f"it has version {version}, and this FlowForge knows {VERSION}")
    try:
        return _learnt(_File.model_validate(told))
    except ValidationError as error:
        raise _invalid(name, _said(error.errors())) from error


def _learnt(file: _File) -> Learnt:
    held = file.held_out
    return Learnt(
        made=file.made,
        head=file.repository.head,
        k=file.k,
        half_life_days=file.half_life_days,
        merges=file.repository.merges,
        files=file.repository.files,
        paths=file.repository.paths,
        priors=file.priors.measured,
        left_out=tuple(file.priors.left_out),
        rules=tuple(map(_line, file.rules)),
        held_out=None if held is None else _held_out(held),
    )


def _held_out(held: _HeldOut) -> HeldOut:
    paths = None if held.paths is None else PathsHeldOut(**held.paths.model_dump())
    return HeldOut(since=held.since, files=held.files, cost=held.cost, shipped=held.shipped, paths=paths)


def _line(row: _Rule) -> RuleLine:
    weighed = Counts(right=row.weighed.right, total=row.weighed.cases)
    return RuleLine(
        rule=row.rule,
        kind=row.kind,
        action=row.action,
        count=Count(right=row.right, cases=row.cases, weighed=weighed),
    )


def _said(errors: Sequence[Any]) -> str:
    first = errors[0]
    where = ".".join(str(step) for step in first["loc"])
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{f'{where[:80]}: ' if where else ''}{str(first['msg'])[:160]}{more}"


def _invalid(name: str, what: str) -> Refused:
    return Refused(
        Reason.POLICY_INVALID,
        f"{name} is no policy: {what}",
        next_action="write one with: flowforge calibrate --policy FILE",
    )
